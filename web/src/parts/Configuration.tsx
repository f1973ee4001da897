// A configuration: its values beside those of another one, and copies of it for other programs.
import { useState } from "preact/hooks";
import { type Configuration as Params, FORMS, type Form, type Plain, written } from "../configuration.js";
import { exact, value as shown, visible } from "../format.js";
import { type Declared, floats } from "../space.js";
import { differences } from "../variant.js";

/** The values of a configuration; where there is `others`, what differs from it is marked and stands beside it. */
export function Differences({ params, others, title }: { params: Params; others?: Params | null; title?: string }) {
  const rows = differences(params, others ?? null);
  const isCompared = others !== undefined && others !== null;
  if (rows.length === 0) return <p class="muted">No parameter yet.</p>;
  return (
    <table class="values">
      <thead>
        <tr><th scope="col">Parameter</th><th scope="col">Value</th>{isCompared && <th scope="col">{title}</th>}</tr>
      </thead>
      <tbody>
        {rows.map(({ name, value, other, isSame }) => (
          <tr key={name} class={isCompared && !isSame ? "differs" : undefined}>
            <th scope="row">{visible(name)}</th>
            <td><Value of={value} /></td>
            {isCompared && <td class="muted">{isSame ? "same" : <Value of={other} />}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Value({ of }: { of: Plain | undefined }) {
  if (of === undefined) return <span class="muted">not active</span>;
  return <span title={typeof of === "number" ? exact(of) : undefined}>{of === null ? "null" : shown(of)}</span>;
}

/** Copies a configuration in the form that is chosen. */
export function CopyAs({ params, space }: { params: Params; space: readonly Declared[] }) {
  const [form, setForm] = useState<Form>("Python");
  const [said, setSaid] = useState("");
  const copy = async () => setSaid(await copied(written(form, params, floats(space))));
  return (
    <div class="copy-as">
      <label>
        Copy as{" "}
        <select value={form} onChange={(e) => setForm(e.currentTarget.value as Form)}>
          {FORMS.map((each) => <option key={each}>{each}</option>)}
        </select>
      </label>
      <button type="button" onClick={copy}>Copy</button>
      <span role="status" class="muted">{said}</span>
    </div>
  );
}

async function copied(text: string): Promise<string> {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied.";
  } catch {
    return "The browser did not allow it.";
  }
}
