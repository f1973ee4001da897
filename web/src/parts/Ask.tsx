// A question before something is done: what it needs to know, and whether it is meant.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Dialog } from "../components/parts.js";

export interface AskProps {
  title: string;
  /** What the button that does it says. */
  does: string;
  /** Does it, and answers whether it is done; until then the question stays. */
  onDo: () => Promise<boolean> | boolean;
  onClose: () => void;
  children?: ComponentChildren;
}

export function Ask({ title, does, onDo, onClose, children }: AskProps) {
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    if (await onDo()) onClose();
    else setBusy(false);
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form class="ask" onSubmit={submit}>
        {children}
        <p class="buttons">
          <button type="submit" class="primary" disabled={isBusy}>
            {does}
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </p>
      </form>
    </Dialog>
  );
}
