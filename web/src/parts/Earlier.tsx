// The earlier studies that a study learns from: how right each is, what it counts, and which trials are owed to it.
import { useAnswer } from "../api.js";
import { AnswerPanel, type PlainTable } from "../components/Panel.js";
import { plural, visible } from "../format.js";
import { num, type Num } from "../protocol.js";
import { href } from "../router.js";
import { revision } from "../store.js";

/** `analysis/transfer.py`, in JSON. */
interface Transfer {
  sentence: string;
  /** How parameters move with the size of what is trained, in words. */
  tilts: string[];
  teachers: Teacher[];
}

interface Teacher {
  name: string;
  trials: number;
  used: number;
  matched: string[];
  missing: string[];
  extra: string[];
  agreement: Num | null;
  weight: Num | null;
  owed: number[];
  standing: string;
}

export function Earlier({ study: id }: { study: number }) {
  const answer = useAnswer<Transfer>(`studies/${id}/transfer`, revision.value);
  return (
    <AnswerPanel
      wide
      title="Earlier studies"
      note={answer.value && visible(answer.value.sentence || "no trial is owed to them")}
      answer={answer}
      table={figures}
    >
      {({ teachers, tilts }) => (
        <div class="scroll-x" tabIndex={0} role="region" aria-label="What each earlier study is worth">
          <table class="plain tight">
            <thead>
              <tr>
                <th scope="col">study</th>
                <th scope="col" title="1 where it ranks the trials of this study always right, 0 where as chance does">
                  agreement
                </th>
                <th scope="col" title="How much it counts now, from 0 to 1">
                  weight
                </th>
                <th scope="col">trials used</th>
                <th scope="col">parameters</th>
                <th scope="col">owed to it</th>
                <th scope="col">now</th>
              </tr>
            </thead>
            <tbody>
              {teachers.map((teacher, i) => (
                <Row key={i} study={id} teacher={teacher} />
              ))}
            </tbody>
          </table>
          {tilts.map((tilt) => (
            <p key={tilt}>{visible(tilt)}</p>
          ))}
        </div>
      )}
    </AnswerPanel>
  );
}

function Row({ study: id, teacher }: { study: number; teacher: Teacher }) {
  const { name, trials, used, matched, missing, owed, standing } = teacher;
  return (
    <tr>
      <th scope="row" class="line" title={visible(name)}>
        {visible(name)}
      </th>
      <td class="num">{share(teacher.agreement)}</td>
      <td class="num">{share(teacher.weight)}</td>
      <td class="num">
        {used} of {trials}
      </td>
      <td class="num" title={unmatched(teacher)}>
        {matched.length} of {matched.length + missing.length}
      </td>
      <td>
        {owed.map((n) => (
          <span key={n}>
            <a href={href("trials", id, { trial: String(n) })}>#{n}</a>{" "}
          </span>
        ))}
      </td>
      <td class="any">{visible(standing)}</td>
    </tr>
  );
}

const share = (value: Num | null): string => (value === null ? "–" : num(value).toFixed(2));

const unmatched = ({ missing, extra }: Teacher): string =>
  [
    missing.length > 0 && `knows nothing of ${missing.map(visible).join(", ")}`,
    extra.length > 0 &&
      `is not asked about ${plural(extra.length, "parameter")} of its own: ${extra.map(visible).join(", ")}`,
  ]
    .filter(Boolean)
    .join("; ");

function figures({ teachers }: Transfer): PlainTable {
  return {
    columns: ["study", "agreement", "weight", "used", "trials", "matched", "missing", "owed", "now"],
    rows: teachers.map((t) => [
      t.name,
      t.agreement === null ? null : num(t.agreement),
      t.weight === null ? null : num(t.weight),
      t.used,
      t.trials,
      t.matched.length,
      t.missing.length,
      t.owed.length,
      t.standing,
    ]),
  };
}
