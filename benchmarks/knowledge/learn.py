"""Knowledge that ships with a ready-made space: what to try after the defaults, learnt from tables of measurements.

    python benchmarks/knowledge/learn.py TABLES [--exclude digits iris ...] [--to src/kilter/spaces/knowledge]

Forward choice: what lowers the mean place over the tables most is tried next. The place of a setting on a table is the
share of settings that do better; the regret, which says what it is worth, is 0 for the best and 1 for the middle one.
Choice by the mean regret heeds the few tables where it is large, and comes to more on others.

TABLES are files of measure.py. Said is what such a list comes to on tables that it was not learnt from, each left out
once with its kind, beside settings by chance: both after the defaults. A list that leaves more than PAYS of the regret
there is not written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from tables import kind

from kilter.core.space import Space
from kilter.spaces.knowledge import LISTED

PAYS = 0.7
"""The share of the regret without knowledge that is left, at most, where it is worth shipping."""
WORST = 1.5
"""No setting loses more than so many times what lies between the best and the middle one."""
TURNS = 200
"""Lists by chance."""


def regrets(tables: dict[str, Any], exclude: list[str]) -> tuple[list[str], np.ndarray]:
    """Names of the tables on which settings differ, and regrets (tables x settings)."""
    found = {}
    for name, row in tables["losses"].items():
        losses = np.array([np.nan if loss is None else loss for loss in row])
        best, middle = np.nanmin(losses), np.nanmedian(losses)
        if name not in exclude and middle > best:
            found[name] = np.nan_to_num((losses - best) / (middle - best), nan=WORST).clip(0.0, WORST)
    return list(found), np.array(list(found.values()))


def chosen(regret: np.ndarray) -> list[int]:
    """The settings to try after the defaults, which are the first of all, in order."""
    place = (regret[:, :, None] > regret[:, None, :]).mean(axis=2)
    order = [0]
    while len(order) <= LISTED:
        reached = place[:, order].min(axis=1)
        after = np.minimum(reached[:, None], place).mean(axis=0)
        order.append(int(after.argmin()))
    return order[1:]


def left_out(names: list[str], regret: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least regret on each table by the defaults and a list learnt from other kinds, and by settings by chance."""
    kinds = np.array([kind(name) for name in names])
    chance = np.random.default_rng(0)
    lists = [chance.choice(np.arange(1, regret.shape[1]), LISTED, replace=False) for _ in range(TURNS)]
    known, blind = [], []
    for row, own in zip(regret, kinds):
        known.append(min(row[0], row[chosen(regret[kinds != own])].min()))
        blind.append(np.mean([min(row[0], row[those].min()) for those in lists]))
    return np.array(known), np.array(blind)


def interval(known: np.ndarray, blind: np.ndarray) -> tuple[float, float]:
    """95 % of the ratio of the means, over tables drawn again."""
    picks = np.random.default_rng(1).integers(len(known), size=(2000, len(known)))
    ratios = known[picks].mean(axis=1) / np.maximum(blind[picks].mean(axis=1), 1e-9)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)


def learnt(path: Path, exclude: list[str], to: Path | None) -> str:
    """One line on a file of measurements, of which knowledge is written where that pays."""
    from measure import ESTIMATORS

    raw = path.read_bytes()
    tables = json.loads(raw)
    names, regret = regrets(tables, exclude)
    known, blind = left_out(names, regret)
    ratio = known.mean() / blind.mean()
    low, high = interval(known, blind)
    line = (
        f"{tables['space']:26s} {len(names)} tables, {regret.shape[1]} settings: regret of the defaults "
        f"{regret[:, 0].mean():.2f}, after {LISTED} more by chance {blind.mean():.3f}, as learnt {known.mean():.3f}, "
        f"ratio {ratio:.2f} [{low:.2f}, {high:.2f}]"
    )
    if ratio > PAYS:
        return f"{line}: left out"
    if to is not None:
        space = Space(ESTIMATORS[tables["space"]][1]())
        configs = [plain(tables["settings"][place], space) for place in chosen(regret)]
        data = {"configs": configs, "provenance": provenance(tables, names, raw, ratio)}
        (to / f"{tables['space']}.json").write_text(json.dumps(data, indent=1) + "\n")
    return line


def plain(settings: dict[str, Any], space: Space) -> dict[str, Any]:
    """As the log has them; numbers to three digits, which is more than is known."""
    found = {}
    for name, value in settings.items():
        given = tuple(value) if isinstance(value, list) else value
        short = float(f"{given:.3g}") if isinstance(given, float) else given
        parameter = space.parameters[name]
        found[name] = parameter.plain(short if parameter.contains(short) else given)
    return found


def provenance(tables: dict[str, Any], names: list[str], raw: bytes, ratio: float) -> dict[str, Any]:
    """Where it is from."""
    return {
        "source": "measured by benchmarks/knowledge/measure.py on scikit-learn's data sets and generated tables",
        "licence": "that of this project: no table of others is in it",
        "tables": names,
        "trials": len(names) * len(tables["settings"]),
        "scikit-learn": tables["scikit-learn"],
        "date": tables["date"],
        "sha256": hashlib.sha256(raw).hexdigest(),
        "regret left on tables left out": round(float(ratio), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("--exclude", nargs="*", default=[], help="names of tables that are not to be learnt from")
    parser.add_argument("--to", type=Path, help="the folder of what ships")
    given = parser.parse_args()
    for path in sorted(given.tables.glob("*.json")):
        print(learnt(path, given.exclude, given.to), flush=True)


if __name__ == "__main__":
    main()
