"""What users hand in for a study to learn from, made into digests in its own names.

    Earlier      a study, and what is to be known of it: other names, what it never varied, whether it is the same task
    of_study     a study's history
    of_rows      configurations, with values or without

What cannot be is refused here, before there is a study.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kilter.core.border import as_real
from kilter.core.compound import Compound
from kilter.core.earlier import EarlierStudy
from kilter.core.errors import NAME, InvalidInput, UnknownName
from kilter.core.history import History
from kilter.core.options import Choice
from kilter.core.problem import Problem
from kilter.core.space import Config, Space
from kilter.core.text import one_line, shown
from kilter.transfer.digest import digest, renaming, translated, whittled


@dataclass(frozen=True)
class Earlier:
    """An earlier study to learn from, as in `transfer=[kilter.Earlier("cancer", same=True)]`.

    study     its name in the same storage, a study, the path of an exported file, or a list of configurations, each
              alone or with its value
    same      whether it is of the same task, as where only the space has changed since: its values are comparable
              then, and count as observations; else only which configuration is better than which
    fixed     {name: value} of parameters that it did not vary: what it ran with
    renamed   {its name: the name here} of parameters

    Raises InvalidInput, where the new study is made, for names that are not there and values that cannot be.

    >>> import kilter
    >>> old = kilter.create_study(space={"rate": kilter.Float(0, 1)})
    >>> old.optimize(lambda rate: rate, n_trials=3, progress="none")
    >>> earlier = kilter.Earlier(old, renamed={"rate": "lr"}, fixed={"depth": 3})
    >>> space = {"lr": kilter.Float(0, 1), "depth": kilter.Int(1, 9)}
    >>> study = kilter.create_study(space=space, transfer=[earlier])
    >>> study.history.earlier[0].configs[0].keys() == space.keys()
    True
    """

    study: Any
    same: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.same, bool):
            raise InvalidInput(f"Earlier(same={shown(self.same, 40)}): give True or False")
        for word in ("fixed", "renamed"):
            given = getattr(self, word)
            if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
                raise InvalidInput(f"Earlier({word}={shown(given, 60)}): give a dict of names, as in {word}={{…}}")
        if not all(isinstance(name, str) for name in self.renamed.values()):
            raise InvalidInput(f"Earlier(renamed={shown(self.renamed, 60)}): give {{its name: the name here}}")

    def applied(self, study: EarlierStudy, own: Mapping[str, Any], problem: Problem) -> EarlierStudy:
        """A digest of a study with these parameters of its `own`, in the names of the one that learns."""
        self._check_renamed(study, set(own), problem)
        fixed = _plain_fixed(self.fixed, problem)
        names = {self.renamed.get(name, name) for name in own}
        for name in self.fixed.keys() & names:
            raise InvalidInput(f"{_named(study)}: fixed={{{name!r}: …}}: it varied that parameter, leave it out")
        return replace(translated(study, self._parts(own), fixed), same=self.same)

    def _check_renamed(self, study: EarlierStudy, own: set[str], problem: Problem) -> None:
        for old, new in self.renamed.items():
            if old not in own:
                raise UnknownName.of(f"parameter of {_named(study)}, as renamed= says,", old, own)
            if new not in problem.space.declared and not problem.is_open:
                raise UnknownName.of("parameter of the new space, as renamed= says,", new, problem.space.declared)
        landed = [self.renamed.get(name, name) for name in sorted(own)]
        for name in landed:
            if landed.count(name) > 1:
                raise InvalidInput(f"{_named(study)}: renamed= gives two of its parameters the name {name!r}")

    def _parts(self, own: Mapping[str, Any]) -> dict[str, str]:
        """What is renamed, with the parts of compounds."""
        parts = dict(self.renamed)
        for old, new in self.renamed.items():
            if isinstance(own[old], Compound):
                parts |= zip(own[old].names(old), own[old].names(new))
        return parts


def _plain_fixed(fixed: Mapping[str, Any], problem: Problem) -> Config:
    plain: Config = {}
    for name, value in fixed.items():
        if name not in problem.space.declared and not problem.is_open:
            raise UnknownName.of("parameter of the new space, as fixed= says,", name, problem.space.declared)
        try:
            plain |= _plain_value(name, value, problem.space)
        except InvalidInput as error:
            raise InvalidInput(f"fixed={{{name!r}: {shown(value, 40)}}}: {error}") from None
    return plain


def _plain_value(name: str, value: Any, space: Space) -> Config:
    """A value as a log has it; one of a parameter that the space does not have is taken on trust."""
    return space.plain_of({name: value}) if name in space.declared else {name: Choice([value]).plain(value)}


def of_study(name: str, history: History, problem: Problem, asked: Earlier) -> EarlierStudy:
    """What a study teaches one of this problem; raises InvalidInput where it cannot."""
    theirs = history.problem
    check_one_objective(name, problem, theirs)
    ours, goal = problem.objectives[0], theirs.objectives[0]
    if asked.same and ours != goal:
        raise InvalidInput(
            f"the study {name!r} cannot be the same task: it is to {goal.direction} {goal.name}, and the new one to "
            f"{ours.direction} {ours.name}; leave out same=True"
        )
    made = asked.applied(digest(name, history), theirs.space.declared, problem)
    _check_common(made, theirs.space, asked, problem)
    return made


def hint_of(name: str, history: History, problem: Problem, asked: Earlier) -> str | None:
    """What seems to be called otherwise here, where nobody said of any name what it is here."""
    return None if asked.renamed else renaming(name, history.problem.space, problem.space)


def check_one_objective(name: str, *problems: Problem) -> None:
    """Raise InvalidInput where one of the problems has several objectives."""
    if any(len(problem.objectives) > 1 for problem in problems):
        raise InvalidInput(
            f"transfer: {name!r}: between studies with several objectives nothing can be learnt yet: give the best "
            "configurations as a list, which are tried first"
        )


def _check_common(made: EarlierStudy, theirs: Space, asked: Earlier, problem: Problem) -> None:
    own = {asked.renamed.get(name, name) for name in theirs.declared}
    if own and not problem.is_open and not own & set(problem.space.declared):
        raise InvalidInput(
            f"{_named(made)} has no parameter in common with the new space: it has {', '.join(sorted(own))}, and the "
            f"new one {', '.join(problem.space.declared)}; say what is called otherwise, as in kilter.Earlier("
            f"{made.name!r}, renamed={{{min(own)!r}: {next(iter(problem.space.declared))!r}}})"
        )


def of_rows(name: str, rows: Sequence[Any], problem: Problem, asked: Earlier) -> EarlierStudy:
    """Configurations, each alone or as (configuration, value), in the objective's own unit."""
    pairs = [row if _is_pair(row) else (row, None) for row in rows]
    for config, _ in pairs:
        if not isinstance(config, Mapping) or not all(isinstance(key, str) for key in config):
            raise InvalidInput(f"transfer: {shown(config, 60)} is no configuration: give a dict of names and values")
    valued = [value is not None for _, value in pairs]
    if any(valued) and not all(valued):
        raise InvalidInput(f"transfer: {sum(valued)} of {len(rows)} configurations of {name} have a value: all or none")
    if not any(valued):
        listed = EarlierStudy(name, tuple(_legal(config, problem) for config, _ in pairs), trials=len(pairs))
        return replace(listed, same=asked.same)
    check_one_objective(name, problem)
    sign = problem.objectives[0].sign
    losses = [sign * as_real(value) for _, value in pairs]
    configs = [_plain(config, problem.space) for config, _ in pairs]
    good = [(config, loss) for config, loss in zip(configs, losses) if math.isfinite(loss)]
    failed = [config for config, loss in zip(configs, losses) if not math.isfinite(loss)]
    made = whittled(name, good, failed, len(rows), problem.space)
    return asked.applied(made, {key: None for config in configs for key in config}, problem)


def _is_pair(row: Any) -> bool:
    is_two = isinstance(row, (list, tuple)) and len(row) == 2
    return is_two and isinstance(row[0], Mapping) and not isinstance(row[1], Mapping)


def is_row(given: Any) -> bool:
    """Whether this is a configuration, alone or with a value."""
    return isinstance(given, Mapping) or _is_pair(given)


def _legal(config: Mapping[str, Any], problem: Problem) -> Config:
    """A configuration to be tried: who asks for what cannot be is told at once."""
    if problem.is_open:
        return _plain(config, problem.space)
    try:
        return problem.space.plain(config, partial=True)
    except InvalidInput as error:
        raise InvalidInput(f"transfer: {shown(config, 60)}: {error}") from None


def _plain(config: Mapping[str, Any], space: Space) -> Config:
    """Values as a log has them; those that are not of the space stay as they are, and their rows are left out later."""
    plain: Config = {}
    for name, value in config.items():
        try:
            plain |= _plain_value(name, value, space)
        except InvalidInput:
            plain |= _plain_value(name, value, Space())
    return plain


def _named(study: EarlierStudy) -> str:
    return f"the earlier study {one_line(study.name, NAME)!r}"
