// Where a study stands, in one word.
import { Chip, type Tone } from "../components/parts.js";
import type { Standing as Word } from "../types.js";

const TONES: Record<Word, Tone> = {
  running: "good",
  paused: "look",
  stopped: "look",
  stalled: "bad",
  unreadable: "bad",
  done: "accent",
  idle: "plain",
};

export function Standing({ of }: { of: Word }) {
  return <Chip tone={TONES[of]}>{of}</Chip>;
}
