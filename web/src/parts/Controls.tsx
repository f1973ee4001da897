// What can be done to a study as a whole: pause, go on, stop, more budget.
import { useState } from "preact/hooks";
import { act, mayAct } from "../actions.js";
import type { Control } from "../types.js";
import { Ask } from "./Ask.js";

interface ControlsProps {
  study: number;
  control: Control;
}

export function Controls({ study, control }: ControlsProps) {
  const [asked, setAsked] = useState<"stop" | "budget" | null>(null);
  if (!mayAct.value) return null;
  const pause = () => act(study, "pause", {}, "Paused: what runs goes on, and no trial begins.", ["unpause", {}]);
  const goOn = () => act(study, "unpause", {}, "The study goes on.", control === "paused" ? ["pause", {}] : undefined);
  return (
    <div class="controls">
      {control === "running" ? (
        <button type="button" onClick={pause}>
          Pause
        </button>
      ) : (
        <button type="button" onClick={goOn}>
          Go on
        </button>
      )}
      {control !== "stopped" && (
        <button type="button" onClick={() => setAsked("stop")}>
          Stop…
        </button>
      )}
      <button type="button" onClick={() => setAsked("budget")}>
        Add budget…
      </button>
      {asked === "stop" && <Stop study={study} onClose={() => setAsked(null)} />}
      {asked === "budget" && <MoreBudget study={study} onClose={() => setAsked(null)} />}
    </div>
  );
}

interface Asked {
  study: number;
  onClose: () => void;
}

function Stop({ study, onClose }: Asked) {
  const [cuts, setCuts] = useState(false);
  const stop = () =>
    act(
      study,
      "stop",
      { cuts },
      cuts ? "Stopped: workers break off and leave." : "Stopped: workers end their trials and leave.",
    );
  return (
    <Ask title="Stop this study?" does="Stop it" onDo={stop} onClose={onClose}>
      <p>All workers leave, on whichever machine. What is there stays, and the study can go on later.</p>
      <label class="check">
        <input type="checkbox" checked={cuts} onChange={(e) => setCuts(e.currentTarget.checked)} /> Break off what runs,
        for the next run to go on with
      </label>
    </Ask>
  );
}

function MoreBudget({ study, onClose }: Asked) {
  const [trials, setTrials] = useState("100");
  const [minutes, setMinutes] = useState("");
  const add = () => {
    const seconds = minutes === "" ? null : 60 * Number(minutes);
    return act(
      study,
      "budget",
      { trials: trials === "" ? null : Number(trials), seconds },
      `Added to the budget: ${said(trials, minutes)}.`,
    );
  };
  return (
    <Ask title="Add to the budget" does="Add" onDo={add} onClose={onClose}>
      <label>
        Trials{" "}
        <input
          type="number"
          min="1"
          step="1"
          required={minutes === ""}
          value={trials}
          onInput={(e) => setTrials(e.currentTarget.value)}
        />
      </label>
      <label>
        Minutes{" "}
        <input type="number" min="0" step="any" value={minutes} onInput={(e) => setMinutes(e.currentTarget.value)} />
      </label>
    </Ask>
  );
}

const said = (trials: string, minutes: string): string =>
  [trials && `${trials} trials`, minutes && `${minutes} minutes`].filter(Boolean).join(" and ");
