// What there is to say of a study in words, each with what to do about it.
import { href } from "../router.js";
import { visible } from "../format.js";

/** `analysis/finding.py`, in JSON. */
export interface Finding {
  kind: string;
  severity: "act" | "look" | "note";
  sentence: string;
  action: string;
  numbers: Record<string, unknown>;
  parameters: string[];
  trials: number[];
}

const WORDS = { act: "Act", look: "Look", note: "Note" } as const;

export function Findings({ study, findings }: { study: number; findings: readonly Finding[] }) {
  if (findings.length === 0) return <p class="muted">Nothing stands out.</p>;
  return (
    <ul class="findings">
      {findings.map((finding, i) => (
        <li key={i} class={finding.severity}>
          <span class="severity">{WORDS[finding.severity]}</span>
          <div>
            <p>{visible(finding.sentence)}</p>
            {finding.action && <p class="muted">{visible(finding.action)}</p>}
            {finding.trials.length > 0 && (
              <p class="muted">
                Trials{finding.trials.map((trial) => <> <a href={href("trials", study, { trial: String(trial) })}>#{trial}</a></>)}
              </p>
            )}
          </div>
        </li>
      ))}
    </ul>
  );
}
