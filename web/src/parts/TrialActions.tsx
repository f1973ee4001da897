// What can be done about a trial: a variant of it, have it count no more, a note.
import { useState } from "preact/hooks";
import { act, mayAct } from "../actions.js";
import { visible } from "../format.js";
import { range, type Declared, shown } from "../space.js";
import { active, filled, own, texts } from "../variant.js";
import { Ask } from "./Ask.js";
import { printed, type TrialDetail } from "./Trial.js";

interface VariantProps {
  study: number;
  trial: TrialDetail;
  space: readonly Declared[];
  onClose: () => void;
}

export function Variant({ study, trial, space, onClose }: VariantProps) {
  const [typed, setTyped] = useState(() => texts(trial.params));
  const [errors, setErrors] = useState<Record<string, string>>({});
  const enqueue = () => {
    const answer = filled(space, typed);
    setErrors("errors" in answer ? answer.errors : {});
    return (
      "params" in answer &&
      act(study, "enqueue", { params: answer.params }, `A variant of trial ${trial.number} is tried next.`)
    );
  };
  return (
    <Ask title={`Enqueue a variant of trial ${trial.number}`} does="Enqueue" onDo={enqueue} onClose={onClose}>
      <p class="note">What is left empty the sampler chooses.</p>
      <div class="fields">
        {active(space, typed).map((parameter) => (
          <Field
            key={parameter.name}
            parameter={parameter}
            text={own(typed, parameter.name) ?? ""}
            error={own(errors, parameter.name)}
            onText={(text) => setTyped({ ...typed, [parameter.name]: text })}
          />
        ))}
      </div>
    </Ask>
  );
}

interface FieldProps {
  parameter: Declared;
  text: string;
  error: string | undefined;
  onText: (text: string) => void;
}

function Field({ parameter, text, error, onText }: FieldProps) {
  const settings = { "aria-invalid": error !== undefined, value: text, title: range(parameter) };
  return (
    <label>
      <span>{visible(parameter.name)}</span>
      {parameter.options ? (
        <select {...settings} onChange={(e) => onText(e.currentTarget.value)}>
          <option value="">(the sampler's choice)</option>
          {parameter.options
            .map(shown)
            .filter((option) => option !== "")
            .map((option) => (
              <option key={option} value={option}>
                {visible(option)}
              </option>
            ))}
        </select>
      ) : (
        <input {...settings} inputMode="decimal" onInput={(e) => onText(e.currentTarget.value)} />
      )}
      {error && (
        <span class="refused" role="alert">
          {error}
        </span>
      )}
    </label>
  );
}

export function Invalidate({ study, number, onClose }: { study: number; number: number; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const invalidate = () => act(study, "invalidate", { number, reason }, `Trial ${number} counts no more.`);
  return (
    <Ask title={`Have trial ${number} count no more?`} does="Invalidate" onDo={invalidate} onClose={onClose}>
      <p>Its record stays, as failed for your reason. It cannot be taken back, but the trial can be retried.</p>
      <label>
        Reason <input required value={reason} maxLength={200} onInput={(e) => setReason(e.currentTarget.value)} />
      </label>
    </Ask>
  );
}

/** A text on a trial or, without a number, on the study. */
export function Note({ study, number = null, note }: { study: number; number?: number | null; note: string }) {
  const [draft, setDraft] = useState<string | null>(null);
  const save = async (event: Event) => {
    event.preventDefault();
    if (await act(study, "note", { number, text: draft }, "The note is kept.", ["note", { number, text: note }]))
      setDraft(null);
  };
  if (!mayAct.value) return <p class="pre">{printed(note)}</p>;
  return (
    <form class="memo" onSubmit={save}>
      <textarea
        aria-label={number === null ? "Note on the study" : `Note on trial ${number}`}
        placeholder="What should be remembered of it?"
        rows={2}
        value={draft ?? note}
        onInput={(e) => setDraft(e.currentTarget.value)}
      />
      {draft !== null && draft !== note && (
        <p class="buttons">
          <button type="submit" class="primary">
            Save
          </button>
          <button type="button" onClick={() => setDraft(null)}>
            Discard
          </button>
        </p>
      )}
    </form>
  );
}
