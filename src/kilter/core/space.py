"""A search space: named parameters in order, conditions between them, and forbidden combinations.

    config   {name: plain value}, the active parameters only            {"model": "svm", "C": 0.1}
    values   the same with the Python objects that the objective wants
    matrix   (n, d) floats in [0, 1], a row per configuration, a column per parameter, NaN where inactive

A parent always stands before its children, whatever order they were declared in. A compound parameter `w` is declared
as one, has one value, and is its parts `w.…` in configurations and matrices (core/compound.py).
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np

from kilter.core.compound import Compound
from kilter.core.declared import expanded, flattened, in_order, parents_first, parts_alone, with_plain_conditions
from kilter.core.errors import InvalidInput, SpaceChanged, UnknownName
from kilter.core.kinds import parameter_from_json
from kilter.core.options import Boolean, Choice, Named
from kilter.core.parameter import UNSET, Condition, Parameter, Plain, same
from kilter.core.seeds import rng as stream_of

Config = dict[str, Plain]
"""A configuration: the plain values of the active parameters."""

REJECTIONS = 2_000
"""How often a draw that hits a forbidden clause is repeated before we say that too little is allowed."""
SHORT = 1_000
"""A parameter with so many values at most has a short list of them."""


class Space:
    """Named parameters; see the module's first lines. `forbidden` lists combinations that are never proposed.

    >>> from kilter import Float
    >>> space = Space({"model": Choice(["svm", "forest"]), "C": Float(0.1, 10, log=True).when(model="svm")})
    >>> space.decode([0.1, 0.5]), space.decode([0.9, 0.5])
    ({'model': 'svm', 'C': 1.0}, {'model': 'forest'})

    Raises InvalidInput for unknown parents or values, cycles, and names declared twice in different ways.
    """

    def __init__(
        self,
        parameters: Mapping[str, Parameter] | None = None,
        forbidden: Iterable[Mapping[str, Any]] = (),
        *,
        known: Mapping[str, str] | None = None,
    ) -> None:
        declared = flattened(parameters or {})
        parts = expanded(declared)
        self.declared: dict[str, Parameter] = {
            name: with_plain_conditions(name, declared[name], parts) for name in parents_first(declared)
        }
        """What was declared, compounds as they are; by their names objectives get values."""
        self.parameters: dict[str, Parameter] = expanded(self.declared)
        """The dimensions: compounds as their parts."""
        self.names: tuple[str, ...] = tuple(self.parameters)
        self._compounds = {name: p for name, p in self.declared.items() if isinstance(p, Compound)}
        self._owner = {part: name for name, p in self._compounds.items() for part in p.names(name)}
        self.forbidden: tuple[dict[str, tuple[Plain, ...]], ...] = tuple(map(self._clause, forbidden))
        self.known: Mapping[str, str] = known or {}
        """Which ready-made spaces are in it, by the prefix of their parameters; only a new study asks."""

    # -- asking ---------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.parameters or name in self._compounds

    def __getitem__(self, name: str) -> Parameter:
        return self.parameters[name] if name in self.parameters else self._compounds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        inner = ", ".join(f"{name!r}: {parameter!r}" for name, parameter in self.declared.items())
        clauses = [{n: list(v) for n, v in clause.items()} for clause in self.forbidden]
        return f"Space({{{inner}}}{f', forbidden={clauses!r}' if clauses else ''})"

    def _repr_html_(self) -> str:
        """What a notebook shows: a parameter a line, with its range and when it is active."""
        from kilter.core import html

        rows = []
        for name, parameter in self.declared.items():
            when = " and ".join(f"{c.parent} in {list(c.values)!r}" for c in parameter.conditions)
            rows.append([name, replace(parameter, conditions=()), when or "always"])
        forbidden = [["forbidden", dict(clause), ""] for clause in self.forbidden]
        return html.table(["parameter", "range", "active where"], [*rows, *forbidden])

    @cached_property
    def _text(self) -> str:
        return json.dumps(self.to_json())

    @cached_property
    def is_flat(self) -> bool:
        """Whether no parameter has a condition."""
        return not any(parameter.conditions for parameter in self.parameters.values())

    @cached_property
    def has_priors(self) -> bool:
        """Whether some parameter has a prior."""
        return any(parameter.prior is not None for parameter in self.parameters.values())

    @cached_property
    def _pairs(self) -> tuple[tuple[str, Parameter], ...]:
        return tuple(self.parameters.items())

    def is_active(self, name: str, config: Mapping[str, Plain]) -> bool:
        """Whether the parameter is active, given a configuration that holds its active ancestors."""
        return all(condition.holds(config) for condition in self[name].conditions)

    def is_forbidden(self, config: Mapping[str, Plain]) -> bool:
        """Whether the configuration matches a forbidden clause."""
        return any(
            all(name in config and any(same(config[name], v) for v in values) for name, values in clause.items())
            for clause in self.forbidden
        )

    @property
    def size(self) -> float:
        """How many configurations there are, forbidden ones left out; math.inf with a continuous parameter.

        >>> Space({"a": Boolean(), "b": Choice([1, 2, 3]).when(a=True)}).size
        4
        """
        return Grid(self, None).size

    def grid(self, n: int = 10) -> Grid:
        """All configurations with at most n values a parameter, as a sequence that is computed where it is read."""
        if n < 1:
            raise InvalidInput(f"grid({n!r}): at least one value a parameter")
        return Grid(self, n)

    @cached_property
    def nameless(self) -> list[str]:
        """Parameters with options that are objects of which only the name is known here."""
        return [
            name
            for name, parameter in self.declared.items()
            if any(isinstance(value, Named) for value in parameter.values)
        ]

    # -- between representations ----------------------------------------------------------------------------------

    def decode(self, row: Sequence[float] | np.ndarray) -> Config:
        """The configuration at a point of the cube; positions of inactive parameters are ignored, NaN reads 0.5."""
        config: Config = {}
        for (name, parameter), u in zip(self._pairs, row):
            if not parameter.conditions or self.is_active(name, config):
                config[name] = parameter.from_unit(0.5 if u != u else float(u))
        return self.canonical(config)

    @cached_property
    def folded(self) -> dict[str, Compound]:
        """The compounds of which several forms stand for one value, by name."""
        return {name: compound for name, compound in self._compounds.items() if not compound.is_unique}

    def canonical(self, config: Config) -> Config:
        """The configuration in the one form by which it is known, among those of its compounds.

        >>> from kilter import Simplex
        >>> Space({"w": Simplex(3)}).canonical({"w.1": 0.7, "w.2": 0.2})
        {'w.1': 0.2, 'w.2': 0.7}
        """
        for name, compound in self.folded.items():
            if (plains := compound.taken(name, config)) is not None:
                config = {**config, **compound.named(name, compound.canonical(plains))}
        return config

    def whole(self, config: Mapping[str, Plain]) -> dict[str, Any]:
        """A configuration by declared names, in plain values; those of compounds are JSON that is no scalar.

        Parts in another form than the canonical one were a worker's who had another compound of that name: they stay.
        """
        taken = ((name, compound, compound.taken(name, config)) for name, compound in self.folded.items())
        foreign = [name for name, compound, plains in taken if plains and compound.canonical(plains) != plains]
        return self._joined(config, lambda compound, value: compound.plain(value), foreign)

    def _joined(
        self, config: Mapping[str, Any], made: Callable[[Compound, Any], Any], foreign: Iterable[str] = ()
    ) -> dict[str, Any]:
        """A configuration with a value for each compound of which all parts are there, where the first of them was.

        Parts of one that has more parts than ours belong to another compound of that name, as `foreign` ones do.
        """
        if not self._compounds:
            return dict(config)
        joined: dict[str, Any] = {}
        unknown = [name for name in config if name not in self]
        foreign = {*foreign, *(owner for owner in self._compounds for name in unknown if name.startswith(f"{owner}."))}
        for name, plain in config.items():
            owner = self._owner.get(name, "")
            if owner in joined:
                continue
            compound = self._compounds.get(owner)
            if compound is None or owner in foreign or (plains := compound.taken(owner, config)) is None:
                joined[name] = plain
            else:
                joined[owner] = made(compound, compound.assemble(plains))
        return joined

    def plain_of(self, values: Mapping[str, Any]) -> Config:
        """Plain values of parameters of this space, active or not; those of compounds as their parts.

        Raises InvalidInput where one is not legal.
        """
        config: Config = {}
        for name, value in values.items():
            parameter = self[name]
            try:
                if isinstance(parameter, Compound):
                    config |= parameter.named(name, parameter.dissolve(value))
                else:
                    config[name] = parameter.plain(value)
            except InvalidInput as error:
                raise InvalidInput(f"{name}: {error}") from None
        return config

    def encode(self, configs: Sequence[Mapping[str, Plain]]) -> np.ndarray:
        """Configurations as a matrix (n, d); a parameter that a configuration lacks counts with its default."""
        matrix = np.full((len(configs), len(self)), np.nan)
        filled = list(configs)
        for column, (name, parameter) in enumerate(self._pairs):
            fallback: Any = parameter.plain(parameter.default) if parameter.has_default else UNSET
            rows, plains = [], []
            for row, config in enumerate(filled):
                plain: Any = config.get(name, UNSET)
                if plain is UNSET and fallback is not UNSET and self.is_active(name, config):
                    plain = fallback
                    filled[row] = {**config, name: fallback}  # its children may be active now
                if plain is not UNSET:
                    rows.append(row)
                    plains.append(plain)
            if rows:
                matrix[rows, column] = _units(parameter, plains)
        return matrix

    def values(self, config: Mapping[str, Plain]) -> dict[str, Any]:
        """The Python objects that a configuration, its compounds in parts or whole, stands for; see `value`."""
        joined = self._joined(config, lambda _, value: value)
        return {name: self.value(name, plain) if name in config else plain for name, plain in joined.items()}

    def value(self, name: str, plain: Any) -> Any:
        """The Python object that a plain value stands for; what the space does not know is kept as it is."""
        return self[name].value(plain) if name in self and self[name].contains(plain) else plain

    def plain(self, values: Mapping[str, Any], partial: bool = False) -> Config:
        """The configuration that the given values stand for.

        With `partial`, active parameters may be missing; without it, a missing one takes its default. Values of
        inactive parameters are dropped. Raises InvalidInput for illegal values, missing ones and forbidden
        combinations, UnknownName for unknown names.
        """
        for name in values:
            if name not in self:
                raise UnknownName.of("parameter", name, self.declared)
        values = {**values, **self.plain_of({name: values[name] for name in values if name in self._compounds})}
        config: Config = {}
        for name, parameter in self._pairs:
            if not self.is_active(name, config):
                continue
            if name in values:
                try:
                    config[name] = parameter.plain(values[name])
                except InvalidInput as error:
                    raise InvalidInput(f"{name}: {error}") from None
            elif partial:
                continue
            elif parameter.has_default:
                config[name] = parameter.plain(parameter.default)
            else:
                of = self._owner.get(name, name)
                raise InvalidInput(f"the parameter {of!r} is missing: give it a value, or a default in the space")
        for name, compound in self.folded.items():
            given = [part for part in compound.names(name) if part in config]
            if given and compound.taken(name, config) is None:
                raise InvalidInput(
                    f"{given[0]!r} is given without the other parts of {name!r}: give {name!r} as a whole"
                )
        config = self.canonical(config)
        if self.is_forbidden(config):
            raise InvalidInput(f"{config!r} is forbidden by a clause of the space")
        return config

    def is_legal(self, config: Mapping[str, Plain]) -> bool:
        """Whether a plain configuration has exactly the active parameters, each with a legal value, none forbidden."""
        active = [name for name in self.names if self.is_active(name, config)]
        return (
            config.keys() == set(active)
            and all(self.parameters[name].contains(config[name]) for name in active)
            and not self.is_forbidden(config)
        )

    @property
    def defaults(self) -> dict[str, Any]:
        """The defaults that were given, by name."""
        return {name: p.default for name, p in self.parameters.items() if p.has_default}

    @property
    def plain_defaults(self) -> Config:
        """The defaults that were given, plain."""
        return {name: self[name].plain(value) for name, value in self.defaults.items()}

    def with_defaults(self, config: Config) -> Config:
        """The defaults that were given, completed from a configuration."""
        return self.from_uniforms([0.5] * len(self), {**config, **self.plain_defaults})

    def fits(self, config: Config) -> bool:
        """Whether the space, which may be older than the configuration, knows all of its names and values."""
        return all(name in self and self[name].contains(value) for name, value in config.items())

    # -- drawing --------------------------------------------------------------------------------------------------

    def sample(self, n: int | None = None, *, seed: int = 0) -> Any:
        """A random configuration as an objective gets it, or with `n` a list of so many; the same seed draws the same.

        Raises InvalidInput for a negative n, and where the forbidden clauses leave too little.

        >>> from kilter import Choice, Float
        >>> space = Space({"lr": Float(1e-5, 1e-1, log=True), "optimizer": Choice(["adam", "sgd"])})
        >>> space.sample(seed=1)
        {'lr': 0.089512839179, 'optimizer': 'sgd'}
        >>> len(space.sample(3))
        3
        """
        if n is None:
            return self.sample(1, seed=seed)[0]
        if n < 0:
            raise InvalidInput(f"sample({n!r}): give the number of configurations, from 0 on")
        stream = stream_of(seed, "sample")
        return [self.values(self.draw(stream)) for _ in range(n)]

    def draw(self, rng: np.random.Generator, known: Mapping[str, Plain] | None = None) -> Config:
        """A random configuration from the priors, uniform where there are none; `known` values are kept.

        Where a thousand draws in a row are forbidden, every value of a finite parameter is as likely as another and
        priors count no more, for what is allowed may be what they hardly draw. Raises InvalidInput where two thousand
        are.
        """
        for turn in range(REJECTIONS):
            if 2 * turn < REJECTIONS:
                config = self.from_uniforms(rng.random(len(self)), known)
            else:
                even = {name: p.from_unit(rng.random()) for name, p in self._pairs if p.prior is not None}
                even |= {name: values[int(rng.integers(len(values)))] for name, values in self._short.items()}
                config = self.from_uniforms(rng.random(len(self)), {**even, **(known or {})})
            if not self.forbidden or not self.is_forbidden(config):
                return config
        raise InvalidInput(f"{REJECTIONS} draws in a row were forbidden: loosen the forbidden clauses of the space")

    @cached_property
    def _short(self) -> dict[str, Sequence[Plain]]:
        """The values of each parameter that has few."""
        return {name: p.grid(int(p.size)) for name, p in self._pairs if p.size <= SHORT}

    def from_uniforms(self, row: Sequence[float] | np.ndarray, known: Mapping[str, Plain] | None = None) -> Config:
        """The configuration at quantiles `row` of the priors; `known` values are kept where they are active."""
        config: Config = {}
        uniforms = row.tolist() if isinstance(row, np.ndarray) else row
        for (name, parameter), u in zip(self._pairs, uniforms):
            if parameter.conditions and not self.is_active(name, config):
                continue
            if known and name in known:
                config[name] = known[name]
            else:
                config[name] = parameter.from_unit(u) if parameter.prior is None else parameter.from_uniform(u)
        return self.canonical(config)

    # -- growing --------------------------------------------------------------------------------------------------

    def extended(self, parameters: Mapping[str, Parameter]) -> Space:
        """This space with parameters added, or widened to hold the given ones too (what a define-by-run trial met)."""
        joined = dict(self.declared)
        for name, parameter in flattened(parameters).items():
            try:
                joined[name] = joined[name].merged(parameter) if name in joined else parameter
            except InvalidInput as error:
                raise SpaceChanged(
                    f"the parameter {name!r} cannot change so in a running study: {error}; "
                    "give it another name, or start a new study"
                ) from None
        return self._with(joined, self.forbidden)

    def met(self, name: str, parameter: Parameter, before: Config) -> Parameter:
        """The parameter in the branch that a define-by-run trial met it in: the options that were chosen before it.

        Met under a third option of a choice it is taken not to depend on that choice, and `extended` then drops the
        condition (docs/decisions/0007).

        >>> from kilter import Float
        >>> space = Space({"model": Choice(["svm", "net", "trees", "knn"])})
        >>> for model in ("svm", "net"):
        ...     space = space.extended({"C": space.met("C", Float(0, 1), {"model": model})})
        >>> space["C"]
        Float(0.0, 1.0).when({'model': ['svm', 'net']})
        >>> space.extended({"C": space.met("C", Float(0, 1), {"model": "knn"})})["C"]
        Float(0.0, 1.0)
        """
        known = {c.parent: c.values for c in self[name].conditions} if name in self else None
        branch = [
            Condition(other, (value,))
            for other, value in before.items()
            if other != name
            and other in self.declared
            and not self.declared[other].is_ordered
            and (known is None or len(known.get(other, ())) == 1 or any(same(value, v) for v in known.get(other, ())))
        ]
        return parameter.under(tuple(branch))

    @classmethod
    def _with(cls, parameters: Mapping[str, Parameter], clauses: Iterable[Mapping[str, Sequence[Plain]]]) -> Space:
        """A space whose forbidden clauses are plain already."""
        space = cls(parameters)
        space.forbidden = tuple({name: tuple(values) for name, values in clause.items()} for clause in clauses)
        return space

    def growth(self, new: Space) -> dict[str, Parameter]:
        """What to add to this space to get `new`, which may widen ranges, add options and parameters with defaults.

        Raises SpaceChanged, with what changed, where old trials would not stay usable.
        """
        if self.forbidden != new.forbidden:
            raise SpaceChanged("the forbidden clauses of its space have changed")
        grown: dict[str, Parameter] = {}
        for name, old in self.declared.items():
            if name not in new.declared:
                raise SpaceChanged(f"it has a parameter {name!r} that the new space lacks")
            now = new.declared[name]
            if now == old:
                continue
            if now.conditions != old.conditions:
                raise SpaceChanged(f"the conditions of {name!r} have changed")
            try:
                joined = old.merged(now)
            except InvalidInput as error:
                raise SpaceChanged(f"{name!r} has changed: {error}") from None
            if not (now.covers(old) and now.covers(joined)):
                raise SpaceChanged(
                    f"{name!r} was {old!r} and is now {now!r}, which leaves out values that old trials may have"
                )
            grown[name] = now
        for name, parameter in new.declared.items():
            if name not in self.declared:
                if not parameter.has_default:
                    raise SpaceChanged(
                        f"the new parameter {name!r} has no default, as {type(parameter).__name__}(..., default=...), "
                        "which would be the value that the old trials ran with"
                    )
                grown[name] = parameter
        return grown

    def recalled(self, known: Space) -> Space:
        """This space with the objects that it knows by name alone taken from `known`."""
        return self.extended(
            {name: replace(known[name], conditions=self[name].conditions) for name in self.nameless if name in known}
        )

    # -- making ---------------------------------------------------------------------------------------------------

    @classmethod
    def from_signature(cls, function: Callable[..., Any]) -> Space:
        """The space that a function's annotations declare.

        A parameter may be the annotation itself or stand in Annotated; a Literal is a Choice, bool a Boolean where it
        has a default. The function's defaults are the defaults of the parameters. Other arguments are left out.

        >>> from kilter import Float
        >>> def train(lr: Float(1e-5, 1e-1, log=True) = 1e-3, optimizer: Literal["adam", "sgd"] = "adam"): ...
        >>> Space.from_signature(train)["lr"]
        Float(1e-05, 0.1, log=True, default=0.001)
        """
        found = {}
        for name, argument in inspect.signature(function, eval_str=True).parameters.items():
            parameter = _annotated(argument.annotation, argument.default)
            if parameter is not None:
                given = argument.default is not inspect.Parameter.empty and not parameter.has_default
                found[name] = replace(parameter, default=argument.default) if given else parameter
        if not found:
            raise InvalidInput(
                f"{getattr(function, '__name__', function)}() declares no parameter: "
                "annotate its arguments, as in lr: kilter.Float(1e-5, 1e-1)"
            )
        return cls(found)

    def to_json(self) -> dict[str, Any]:
        """This space as JSON-serialisable data."""
        data: dict[str, Any] = {"parameters": {name: p.to_json() for name, p in self.declared.items()}}
        if self.forbidden:
            data["forbidden"] = [{name: list(values) for name, values in clause.items()} for clause in self.forbidden]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Space:
        """The space that `to_json` wrote."""
        parameters = {name: parameter_from_json(spec) for name, spec in data["parameters"].items()}
        return cls._with(parameters, data.get("forbidden", ()))

    def _clause(self, clause: Mapping[str, Any]) -> dict[str, tuple[Plain, ...]]:
        if not clause:
            raise InvalidInput("an empty forbidden clause would forbid everything: name at least one parameter")
        plain: dict[str, tuple[Plain, ...]] = {}
        for name, values in clause.items():
            if name not in self.parameters:
                if name in self._compounds:
                    raise parts_alone(name, self._compounds[name], "a forbidden clause", "{%r: ...}")
                raise UnknownName.of("parameter", name, self.names, "It stands in a forbidden clause.")
            listed = values if isinstance(values, (list, set, frozenset, range)) else (values,)
            try:
                plain[name] = in_order(self.parameters[name], listed)
            except InvalidInput as error:
                raise InvalidInput(f"the forbidden clause {dict(clause)!r}: {name}: {error}") from None
        return plain


@dataclass(frozen=True)
class Grid(Sequence[Config]):
    """The configurations of a space with at most n values a parameter, in order, by number; none is stored.

    With n=None it can only be counted: values that no condition or clause mentions are counted in one go.

    >>> list(Space({"a": Boolean(), "b": Choice([1, 2]).when(a=True)}).grid())
    [{'a': False}, {'a': True, 'b': 1}, {'a': True, 'b': 2}]
    """

    space: Space
    n: int | None

    @cached_property
    def _blocks(self) -> list[list[tuple[Config, float]]]:
        """What is decided at once: the values of a parameter or compound, each with how many it stands for."""
        blocks: list[list[tuple[Config, float]]] = []
        for name, declared in self.space.declared.items():
            if name in self.space.folded:
                blocks.append(self._forms(name, self.space.folded[name]))
            else:
                parts = expanded({name: declared}).items()
                blocks += [[({part: v}, times) for v, times in self._values(part, p)] for part, p in parts]
        return blocks

    def _values(self, name: str, parameter: Parameter) -> list[tuple[Plain, float]]:
        """The values of a parameter, each with how many it stands for."""
        if self.n is not None:
            return [(value, 1) for value in parameter.grid(self.n)]
        mentioned = [value for value in self._mentioned.get(name, []) if parameter.contains(value)]
        others = parameter.size - len(mentioned)
        return [(value, 1) for value in mentioned] + ([(_OTHER, others)] if others > 0 else [])

    def _forms(self, name: str, compound: Compound) -> list[tuple[Config, float]]:
        """Likewise the canonical forms of a compound."""
        parts = compound.names(name)
        if self.n is None and (compound.size == math.inf or self._mentioned.keys().isdisjoint(parts)):
            return [(dict.fromkeys(parts, _OTHER), compound.size)]
        return [(compound.named(name, form), 1) for form in compound.forms(self.n)]

    @cached_property
    def _mentioned(self) -> dict[str, list[Plain]]:
        """Values that conditions or clauses ask about, by parameter."""
        mentioned: dict[str, list[Plain]] = {}
        asked = [(c.parent, c.values) for p in self.space.parameters.values() for c in p.conditions]
        asked += [item for clause in self.space.forbidden for item in clause.items()]
        for name, values in asked:
            known = mentioned.setdefault(name, [])
            known += [value for value in values if not any(same(value, other) for other in known)]
        return mentioned

    @cached_property
    def _last_asked(self) -> dict[str, int]:
        """The place of the last block whose activity depends on this parameter; clauses ask at the end."""
        last: dict[str, int] = {}
        for place, block in enumerate(self._blocks):
            last |= {c.parent: place for c in self.space.parameters[next(iter(block[0][0]))].conditions}
        return last | {name: len(self._blocks) for clause in self.space.forbidden for name in clause}

    @cached_property
    def _counts(self) -> dict[tuple[int, str], float]:
        return {}

    def _count(self, place: int, config: Config) -> float:
        """How many configurations continue one whose first `place` blocks are decided."""
        if place == len(self._blocks):
            return 0 if self.space.is_forbidden(config) else 1
        # Two beginnings count alike where they agree in what later conditions and the clauses ask about.
        decided = [name for block in self._blocks[:place] for name in block[0][0]]
        key = place, repr([(n, config.get(n, _OTHER)) for n in decided if self._last_asked.get(n, 0) >= place])
        if key not in self._counts:
            block = self._blocks[place]
            if not self.space.is_active(next(iter(block[0][0])), config):
                self._counts[key] = self._count(place + 1, config)
            elif self._mentioned.keys().isdisjoint(block[0][0]):
                rest = self._count(place + 1, config)
                self._counts[key] = rest * sum(times for _, times in block) if rest else 0
            else:
                branches = ((times, self._count(place + 1, {**config, **values})) for values, times in block)
                self._counts[key] = sum(times * rest for times, rest in branches if rest)
        return self._counts[key]

    @property
    def size(self) -> float:
        """The length, also where it is too large for len() or infinite."""
        return self._count(0, {})

    def __len__(self) -> int:
        return int(self.size)

    def __getitem__(self, number: int) -> Config:  # type: ignore[override]
        if not 0 <= number < self.size:
            raise IndexError(f"{number} is not in a grid of {self.size} configurations")
        config: Config = {}
        for place, block in enumerate(self._blocks):
            if not self.space.is_active(next(iter(block[0][0])), config):
                continue
            for values, _ in block:
                rest = self._count(place + 1, {**config, **values})
                if number < rest:
                    config |= values
                    break
                number -= int(rest)
        return config


_OTHER: Any = "\0other"
"""Stands for all the values of a parameter that nothing mentions, where configurations are only counted."""


def _units(parameter: Parameter, plains: list[Any]) -> np.ndarray:
    """Positions of plain values; NaN for one that is not legal, which two workers at odds over a name may leave."""
    try:
        return parameter.units(plains)
    except (KeyError, TypeError, ValueError):
        return np.array([parameter.unit(plain) if parameter.contains(plain) else np.nan for plain in plains])


def _annotated(annotation: Any, default: Any) -> Parameter | None:
    if get_origin(annotation) is Annotated:
        return next((extra for extra in get_args(annotation)[1:] if isinstance(extra, Parameter)), None)
    if isinstance(annotation, Parameter):
        return annotation
    if get_origin(annotation) is Literal:
        return Choice(list(get_args(annotation)))
    return Boolean() if annotation is bool and isinstance(default, bool) else None
