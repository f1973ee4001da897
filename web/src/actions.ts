// What a user may change: each action is a question to the server, and what came of it is told, with a way back where there is one.
import { computed } from "@preact/signals";
import { ApiError, isStatic, post } from "./api.js";
import { tell } from "./components/parts.js";
import { readOnly, refresh } from "./store.js";

export type Action = "pause" | "unpause" | "stop" | "budget" | "enqueue" | "retry" | "invalidate" | "note" | "tag";

/** Whether this page may change anything; a report and a server that only shows may not, and then no button is there. */
export const mayAct = computed(() => !isStatic && !readOnly.value);

/** Does it and tells it in `words`; `back` is the action that undoes it. Answers whether it was done. */
export async function act(
  study: number,
  action: Action,
  body: object,
  words: string,
  back?: [Action, object],
): Promise<boolean> {
  try {
    await post(`studies/${study}/actions/${action}`, body);
  } catch (error) {
    tell(refusal(error), "bad");
    return false;
  }
  tell(words, "good", back && (() => void act(study, ...back, "Taken back.")));
  refresh();
  return true;
}

function refusal(error: unknown): string {
  return error instanceof ApiError ? `${error.message} ${error.action}`.trim() : String(error);
}
