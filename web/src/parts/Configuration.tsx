// A configuration: its values beside those of another one, and copies of it for other programs.
import { useState } from "preact/hooks";
import { Copy, Select } from "../components/parts.js";
import { type Configuration as Params, FORMS, type Form, type Plain, written } from "../configuration.js";
import { exact, value as shown, visible } from "../format.js";
import { type Declared, floats } from "../space.js";
import { differences } from "../variant.js";

interface DifferencesProps {
  params: Params;
  /** What it is compared with, under this title. */
  others?: Params | null;
  title?: string;
  /** What is said where a value is missing. */
  absent?: string;
}

/** The values of a configuration; beside them those of another one, where they differ. */
export function Differences({ params, others, title, absent = "not active" }: DifferencesProps) {
  const rows = differences(params, others ?? null);
  const isCompared = others !== undefined && others !== null;
  if (rows.length === 0) return <p class="empty">No parameter yet.</p>;
  const table = (
    <table class="plain values">
      <thead>
        <tr>
          <th scope="col">parameter</th>
          <th scope="col">value</th>
          {isCompared && <th scope="col">{title}</th>}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ name, value, other, isSame }) => (
          <tr key={name} class={isCompared && isSame ? "same" : undefined}>
            <th scope="row" title={visible(name)}>
              {visible(name)}
            </th>
            <td>{told(value, absent)}</td>
            {isCompared && <td>{isSame ? "same" : told(other, absent)}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
  return rows.length > LONG ? (
    <div class="figures" tabIndex={0} role="region" aria-label="Configuration">
      {table}
    </div>
  ) : (
    table
  );
}

const LONG = 24;

function told(value: Plain | undefined, absent: string) {
  if (value === undefined) return <span class="note">{absent}</span>;
  return (
    <span title={typeof value === "number" ? exact(value) : undefined}>{value === null ? "null" : shown(value)}</span>
  );
}

/** Copies a configuration in the form that is chosen. */
export function CopyAs({ params, space }: { params: Params; space: readonly Declared[] }) {
  const [form, setForm] = useState<Form>("Python");
  return (
    <span class="copy-as">
      <Select
        label="copy as"
        value={form}
        onChange={(value) => setForm(value as Form)}
        options={FORMS.map((value) => ({ value, label: value }))}
      />
      <Copy text={() => written(form, params, floats(space))} />
    </span>
  );
}
