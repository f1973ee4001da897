// What there is to say of a study in words, each with what to do about it.
import { type Answer, useAnswer } from "../api.js";
import { Chip } from "../components/parts.js";
import { visible } from "../format.js";
import { href } from "../router.js";
import { revision } from "../store.js";

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

const TONES = { act: "bad", look: "look", note: "plain" } as const;

/** The findings of the open study, asked anew as it goes on. */
export const useFindings = (study: number): Answer<{ findings: Finding[] }> =>
  useAnswer(`studies/${study}/diagnostics`, revision.value);

export function Findings({ study, findings }: { study: number; findings: readonly Finding[] }) {
  if (findings.length === 0) return <p class="empty">Nothing stands out.</p>;
  return (
    <ul class="findings">
      {findings.map((finding, i) => (
        <li key={i}>
          <Chip tone={TONES[finding.severity]}>{finding.severity}</Chip>
          <div>
            <p>{visible(finding.sentence)}</p>
            {finding.action && <p class="note">{visible(finding.action)}</p>}
            {finding.trials.length > 0 && (
              <p class="note">
                Trials
                {finding.trials.map((trial) => (
                  <>
                    {" "}
                    <a href={href("trials", study, { trial: String(trial) })}>#{trial}</a>
                  </>
                ))}
              </p>
            )}
          </div>
        </li>
      ))}
    </ul>
  );
}
