// All studies of the storage in a line each: how they stand, how good they are, how fast they go.
import { signal } from "@preact/signals";
import { type ComponentChildren, Fragment } from "preact";
import { useMemo, useState } from "preact/hooks";
import { Skeleton, Trouble } from "../components/Panel.js";
import { Chip, Sparkline, StateBar } from "../components/parts.js";
import { sorted, Table, type TableColumn } from "../components/Table.js";
import { ago, count, duration, exact, moment, number, percent, plural, visible, pace } from "../format.js";
import { useKeys } from "../keys.js";
import { narrow } from "../narrow.js";
import { orderAsText, orderOfText } from "../order.js";
import { num } from "../protocol.js";
import { go, href, route, setQuery } from "../router.js";
import { Standing } from "../parts/Standing.js";
import { MEANING, usedShare } from "../standing.js";
import { countsOf } from "../states.js";
import { loadStudies, studies, trouble } from "../store.js";
import type { StudyRow } from "../types.js";

/** The ids of those to compare; they stay while another page is looked at. */
const chosen = signal<ReadonlySet<number>>(new Set());

export default function Studies() {
  const all = studies.value;
  if (all === null)
    return (
      <div class="page">
        {trouble.value ? <Trouble error={trouble.value} again={() => void loadStudies()} /> : <Skeleton lines={8} />}
      </div>
    );
  if (all.length > 0) return <Listed all={all} />;
  return (
    <p class="lonely">
      There is no study in this storage yet. <code>kilter run</code>, or <code>tune(…, storage=…)</code>, begins one,
      and it appears here.
    </p>
  );
}

function Listed({ all }: { all: readonly StudyRow[] }) {
  const { query } = route.value;
  const filter = query.get("filter") ?? "";
  const order = query.get("sort") ?? "-last";
  const sort = useMemo(() => orderOfText(order), [order]);
  const [current, setCurrent] = useState(-1);
  const rows = useMemo(() => all.flatMap((row, i) => (matches(row, filter) ? [i] : [])), [all, filter]);
  const table = useMemo(() => columnsOf(all), [all]);
  const open = (row: number) => go(href("overview", all[row].id));
  const to = (by: number) => {
    const listed = sorted(rows, table, sort);
    setCurrent(listed[Math.min(listed.length - 1, Math.max(0, listed.indexOf(current) + by))] ?? -1);
  };
  useKeys([
    { key: "/", does: "filter", run: () => document.getElementById("filter")?.focus() },
    { key: "j", does: "the next study", run: () => to(1) },
    { key: "k", does: "the study before", run: () => to(-1) },
    { key: "Enter", does: "open the study", run: () => current >= 0 && open(current) },
    { key: "x", does: "choose the study", run: () => current >= 0 && toggle(all[current].id) },
    { key: "c", does: "compare those that are chosen", run: compare },
  ]);
  return (
    <div class="page">
      <div class="toolbar wide">
        <input
          id="filter"
          type="search"
          aria-label="Filter by name, tag or state"
          placeholder="Filter by name, tag or state"
          value={filter}
          onInput={(e) => setQuery({ filter: e.currentTarget.value || null })}
        />
        <span class="note" role="status">
          {filter
            ? `${count(rows.length)} of ${plural(all.length, "study", "studies")}`
            : plural(all.length, "study", "studies")}
        </span>
        <span class="spring" />
        {chosen.value.size > 0 && (
          <button type="button" class="quiet" onClick={() => (chosen.value = new Set())}>
            Choose none
          </button>
        )}
        <button
          type="button"
          class="primary"
          disabled={chosen.value.size < 2}
          title="Choose two studies or more"
          onClick={compare}
        >
          Compare{chosen.value.size > 0 && ` ${chosen.value.size}`}
        </button>
      </div>
      {narrow.value ? (
        <ul class="cards wide" aria-label="Studies">
          {Array.from(sorted(rows, table, sort), (row) => (
            <Card key={all[row].id} row={all[row]} />
          ))}
        </ul>
      ) : (
        <div class="wide">
          <Table
            name="studies"
            label="Studies"
            columns={table}
            rows={rows}
            sort={sort}
            height={Math.max(240, innerHeight - 170)}
            pinned={2}
            current={current}
            marked={new Set(rows.filter((row) => chosen.value.has(all[row].id)))}
            onSort={(next) => setQuery({ sort: orderAsText(next) })}
            onCurrent={setCurrent}
            onOpen={open}
          />
        </div>
      )}
    </div>
  );
}

function toggle(id: number): void {
  const next = new Set(chosen.value);
  if (!next.delete(id)) next.add(id);
  chosen.value = next;
}

function compare(): void {
  if (chosen.value.size > 1) go(href("compare", null, { studies: [...chosen.value].sort((a, b) => a - b).join(",") }));
}

function matches(row: StudyRow, filter: string): boolean {
  const texts = [row.name, row.standing, ...row.tags].map((text) => text.toLowerCase());
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => texts.some((text) => text.includes(word)));
}

function columnsOf(all: readonly StudyRow[]): TableColumn[] {
  const column = (
    key: string,
    title: string,
    width: number,
    cell: (row: StudyRow) => ComponentChildren,
    by?: (row: StudyRow) => number | string | undefined,
  ): TableColumn => ({ key, title, width, cell: (i) => cell(all[i]), by: by && ((i) => by(all[i])) });
  const numeric = (...of: Parameters<typeof column>): TableColumn => ({ ...column(...of), numeric: true });
  return [
    { ...column("chosen", "", 34, (row) => <Choose row={row} />), grow: 0 },
    column(
      "name",
      "study",
      200,
      (row) => <Name row={row} />,
      ({ name }) => name.toLowerCase(),
    ),
    column(
      "state",
      "state",
      96,
      (row) => <State row={row} />,
      ({ standing }) => standing,
    ),
    column(
      "objectives",
      "objective",
      150,
      (row) => (
        <span class="cut" title={objectives(row)}>
          {objectives(row)}
        </span>
      ),
      objectives,
    ),
    numeric(
      "best",
      "best",
      92,
      (row) => <Best row={row} />,
      ({ summary }) => num(summary?.value),
    ),
    column("progress", "best so far", 110, (row) => <Progress row={row} />),
    numeric(
      "trials",
      "trials",
      72,
      ({ summary }) => (summary ? count(summary.trials) : "–"),
      ({ summary }) => summary?.trials,
    ),
    column("states", "states", 100, ({ summary }) => summary && <StateBar counts={countsOf(summary.states)} />),
    numeric(
      "rate",
      "pace",
      104,
      ({ summary }) => pace(num(summary?.rate) || NaN),
      ({ summary }) => num(summary?.rate),
    ),
    numeric(
      "budget",
      "budget",
      74,
      (row) => <Used row={row} />,
      ({ budget }) => usedShare(budget),
    ),
    numeric(
      "eta",
      "left",
      92,
      ({ eta }) => duration(num(eta)),
      ({ eta }) => num(eta),
    ),
    numeric(
      "last",
      "last activity",
      112,
      ({ summary }) => <span title={moment(num(summary?.last_activity))}>{ago(num(summary?.last_activity))}</span>,
      ({ summary }) => num(summary?.last_activity),
    ),
  ];
}

const objectives = ({ summary }: StudyRow): string =>
  (summary?.objectives ?? []).map(({ name, direction }) => `${direction} ${visible(name)}`).join(", ");

function Choose({ row }: { row: StudyRow }) {
  return (
    <input
      type="checkbox"
      aria-label={`Choose ${visible(row.name)}`}
      checked={chosen.value.has(row.id)}
      onChange={() => toggle(row.id)}
    />
  );
}

function Name({ row }: { row: StudyRow }) {
  return (
    <span class="cut">
      <a href={href("overview", row.id)} title={visible(row.name)}>
        {visible(row.name)}
      </a>
      {row.tags.map((tag) => (
        <Fragment key={tag}>
          {" "}
          <Chip>{visible(tag)}</Chip>
        </Fragment>
      ))}
    </span>
  );
}

function State({ row }: { row: StudyRow }) {
  const { error, standing, workers } = row;
  const why = error ? visible(error) : standing === "running" ? plural(workers, "worker") : MEANING[standing];
  return (
    <span title={why}>
      <Standing of={standing} />
    </span>
  );
}

function Best({ row: { id, summary } }: { row: StudyRow }) {
  if (!summary) return <>–</>;
  if (summary.objectives.length > 1)
    return (
      <a href={href("tradeoffs", id)} title="Trials that no other one beats in all objectives">
        front of {count(summary.front.length)}
      </a>
    );
  return <span title={exact(num(summary.value))}>{number(num(summary.value))}</span>;
}

function Progress({ row: { summary } }: { row: StudyRow }) {
  return summary && <Sparkline values={summary.progress.map(num)} label="Best so far" />;
}

function Used({ row: { budget } }: { row: StudyRow }) {
  if (!budget?.trials) return <>–</>;
  return <span title={`${count(budget.used)} of ${plural(budget.trials, "trial")}`}>{percent(usedShare(budget))}</span>;
}

/** A study on a screen that is too narrow for the table. */
function Card({ row }: { row: StudyRow }) {
  const { summary, budget, eta, error } = row;
  return (
    <li class="panel">
      <p class="chips">
        <Choose row={row} /> <Name row={row} /> <span class="spring" /> <State row={row} />
      </p>
      {summary ? (
        <>
          <p class="note">{objectives(row)}</p>
          <p class="chips">
            <b>
              <Best row={row} />
            </b>{" "}
            <Progress row={row} />
          </p>
          <StateBar counts={countsOf(summary.states)} />
          <p class="note">
            {plural(summary.trials, "trial")}
            {summary.trials > 0 && `, ${ago(num(summary.last_activity))}`}
            {budget?.trials ? (
              <>
                , <Used row={row} /> of the budget
              </>
            ) : null}
            {eta !== null && `, ${duration(num(eta))} left`}
          </p>
        </>
      ) : (
        <p class="note bad">{visible(error ?? "")}</p>
      )}
    </li>
  );
}
