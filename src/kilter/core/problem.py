"""What is to be solved: a space, named objectives, constraints on metrics, and fidelities."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any

from kilter.core.border import as_real
from kilter.core.errors import InvalidInput, NotANumber, UnusableResult
from kilter.core.space import Space
from kilter.core.standing import Standing, excess_as_share
from kilter.core.text import shown

DIRECTIONS = ("minimize", "maximize")


class StudyDirection(str, Enum):
    """The directions by name; each equals its text, and prints as it.

    >>> StudyDirection.MINIMIZE == "minimize"
    True
    """

    NOT_SET = "not set"
    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"

    def __str__(self) -> str:
        return self.value


DEFAULT_METRIC = "value"
"""The name of the only number that an objective returns."""


@dataclass(frozen=True)
class Objective:
    """A named metric and the direction in which it is better."""

    name: str
    direction: str = "minimize"

    def __post_init__(self) -> None:
        # Optuna hands out an enum whose name is the direction in capitals.
        direction = str(getattr(self.direction, "name", self.direction)).lower()
        if direction not in DIRECTIONS:
            raise InvalidInput(f"direction={self.direction!r} of {self.name!r}: choose 'minimize' or 'maximize'")
        object.__setattr__(self, "direction", direction)

    @property
    def sign(self) -> float:
        """+1 where smaller is better, -1 where larger is: sign · value is always to be minimised."""
        return 1.0 if self.direction == "minimize" else -1.0

    def loss(self, metrics: Mapping[str, float]) -> float:
        """The metric times the sign; NaN where it is missing."""
        return (1.0 if self.direction == "minimize" else -1.0) * metrics.get(self.name, math.nan)


@dataclass(frozen=True)
class Constraint:
    """A bound on a metric: feasible where `metric` <= bound, or >= bound.

    >>> Constraint.parse("latency_ms", "<= 20").is_met({"latency_ms": 12.0})
    True
    """

    metric: str
    relation: str
    bound: float

    @classmethod
    def parse(cls, metric: str, text: str) -> Constraint:
        """The constraint that "<= 20" or ">= 0.9" says about a metric."""
        found = re.fullmatch(r"\s*(<=|>=)\s*(\S+)\s*", str(text))
        try:
            bound = float(found[2]) if found else math.nan
        except ValueError:
            bound = math.nan
        if not found or not math.isfinite(bound):
            raise InvalidInput(
                f"the constraint {metric} {text!r} must read '<= number' or '>= number', the number finite"
            )
        return cls(metric, found[1], bound)

    def is_met(self, metrics: Mapping[str, float]) -> bool:
        """Whether the metrics have this one within its bound; a missing metric or NaN has not."""
        value = metrics.get(self.metric, math.nan)
        return value <= self.bound if self.relation == "<=" else value >= self.bound

    def beyond(self, metrics: Mapping[str, float]) -> float:
        """How far the metric is beyond its bound, at most 0 where it is within; NaN where it is missing or NaN."""
        excess = metrics.get(self.metric, math.nan) - self.bound
        return excess if self.relation == "<=" else -excess

    def violation(self, metrics: Mapping[str, float]) -> float:
        """By how much it is missed, as `core.standing` counts: 0 where it is met, inf where the metric is unknown."""
        return excess_as_share(self.beyond(metrics), self.bound)

    def __str__(self) -> str:
        return f"{self.metric} {self.relation} {self.bound:g}"


SET = "constraint "
"""In front of the name of a constraint that trials set themselves, met at 0 and below: what its metric is called."""


@dataclass(frozen=True)
class Fidelity:
    """An axis along which a cheaper, rougher evaluation is possible, such as epochs from 1 to 81.

    Where both ends are whole numbers so is all in between. Each level costs about `eta` times the one below.

    >>> Fidelity("epochs", 1, 81).levels()
    [1, 3, 9, 27, 81]
    >>> Fidelity("rows", 0.1, 1.0).levels()
    [0.1111111111111111, 0.3333333333333333, 1.0]
    """

    name: str
    low: float
    high: float
    eta: float = 3.0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InvalidInput(f"{self!r}: the name must be the argument of the objective that takes the budget")
        if not (0 < self.low <= self.high and math.isfinite(self.high)) or not 1 < self.eta < math.inf:
            raise InvalidInput(f"{self!r}: needs 0 < low <= high and eta > 1")

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        return float(self.low).is_integer() and float(self.high).is_integer()

    def at(self, share: float) -> float:
        """The value that is this share of the highest one, at least the lowest."""
        value = min(max(self.high * share, self.low), self.high)
        return max(int(self.low), round(value)) if self.is_whole else float(value)

    def levels(self) -> list[float]:
        """Values from the lowest to the highest, each about `eta` times the one before, counted down from the end."""
        shares = [1.0]
        while self.high * shares[-1] / self.eta >= self.low * (1 - 1e-9):
            shares.append(shares[-1] / self.eta)
        return sorted({self.at(share) for share in shares})

    def step(self, value: float) -> int:
        """The step at which a result at this value is reported: the value, or thousandths of the highest one."""
        return round(value) if self.is_whole else max(1, round(1000 * value / self.high))


@dataclass(frozen=True)
class Problem:
    """A space, one or more objectives, constraints and fidelities; frozen, hashable, JSON.

    >>> Problem(Space(), (Objective("loss"),)).objectives
    (Objective(name='loss', direction='minimize'),)
    """

    space: Space = field(default_factory=Space)
    objectives: tuple[Objective, ...] = (Objective("value"),)
    constraints: tuple[Constraint, ...] = ()
    fidelities: tuple[Fidelity, ...] = ()
    is_open: bool = False
    """Whether the objective declares parameters as it runs, so that the space may grow with any trial."""

    def __post_init__(self) -> None:
        self._check_fidelities()
        names = [objective.name for objective in self.objectives]
        if not names:
            raise InvalidInput("a problem needs at least one objective: say what to minimize or maximize")
        if len(set(names)) < len(names):
            raise InvalidInput(f"the objectives {names!r} name one metric twice: name each once")

    @classmethod
    def of(
        cls,
        space: Space,
        direction: Any = None,
        directions: Sequence[Any] | Mapping[str, Any] | None = None,
        subject_to: Mapping[str, str] | None = None,
        fidelity: Fidelity | Sequence[Fidelity] | None = None,
    ) -> Problem:
        """The problem in the words of create_study: one direction, a list of them, or {metric: direction}.

        Without parameters it is open: the objective suggests them.
        """
        if direction is not None and directions is not None:
            raise InvalidInput("give direction= or directions=, not both")
        if isinstance(directions, str):
            directions = [directions]
        if isinstance(directions, Mapping):
            objectives = [Objective(name, way) for name, way in directions.items()]
        elif directions is None or len(directions) == 1:
            objectives = [Objective(DEFAULT_METRIC, directions[0] if directions else direction or "minimize")]
        else:
            objectives = [Objective(f"value_{i}", way) for i, way in enumerate(directions)]
        if subject_to is not None and not isinstance(subject_to, Mapping):
            raise InvalidInput(f"subject_to={subject_to!r}: give a dict of bounds, as in {{'latency_ms': '<= 20'}}")
        constraints = tuple(Constraint.parse(metric, text) for metric, text in (subject_to or {}).items())
        if fidelity is not None and not isinstance(fidelity, (Fidelity, list, tuple)):
            raise InvalidInput(f"fidelity={fidelity!r}: give kilter.Fidelity('epochs', 1, 81), or a list of such")
        fidelities = () if fidelity is None else (fidelity,) if isinstance(fidelity, Fidelity) else tuple(fidelity)
        return cls(space, tuple(objectives), constraints, fidelities, is_open=not len(space))

    def _check_fidelities(self) -> None:
        names = [fidelity.name for fidelity in self.fidelities if isinstance(fidelity, Fidelity)]
        if len(names) < len(self.fidelities):
            raise InvalidInput(
                f"fidelity={self.fidelities!r}: give kilter.Fidelity('epochs', 1, 81), or a list of such"
            )
        taken = [name for name in names if name in self.space or names.count(name) > 1]
        if taken:
            raise InvalidInput(f"the fidelity {taken[0]!r} is a parameter, or there twice: give each a name of its own")

    def budget(self, share: float) -> dict[str, float]:
        """Every fidelity at a share of the budget: the first at that share of its high end, others as far down.

        >>> Problem(fidelities=(Fidelity("epochs", 1, 81), Fidelity("rows", 0.1, 1.0))).budget(1 / 9)
        {'epochs': 9, 'rows': 0.31622776601683794}
        """
        if not self.fidelities:
            return {}
        first, *others = self.fidelities
        reach = math.log(first.high / first.low)
        depth = min(-math.log(share) / reach, 1.0) if reach else 0.0
        return {
            first.name: first.at(share),
            **{other.name: other.at((other.low / other.high) ** depth) for other in others},
        }

    @property
    def full_budget(self) -> dict[str, float]:
        """Every fidelity at its high end."""
        return self.budget(1.0)

    @property
    def objective_names(self) -> list[str]:
        """The names of the objectives, in order."""
        return [objective.name for objective in self.objectives]

    @cached_property
    def metric_names(self) -> tuple[str, ...]:
        """The objectives, then the constrained metrics that are no objective."""
        return tuple(dict.fromkeys([o.name for o in self.objectives] + [c.metric for c in self.constraints]))

    def metrics(self, returned: Any) -> dict[str, float]:
        """What an objective returned, as {metric: float}.

        Takes a number for a single objective, a list in the order of the objectives, or a dict of named metrics.
        Raises UnusableResult for anything else, for a missing metric, and for NaN.
        """
        objectives = self.objectives
        if isinstance(returned, Mapping):
            metrics = {str(name): _number(value, f"the metric {name!r}") for name, value in returned.items()}
        elif isinstance(returned, (list, tuple)):
            if len(returned) != len(objectives):
                raise UnusableResult(
                    f"the objective returned {len(returned)} values, {shown(returned)}; "
                    f"the study needs {len(objectives)}: "
                    "return one for each objective, or create the study with directions=[…]"
                )
            metrics = {o.name: _number(value, f"the value of {o.name!r}") for o, value in zip(objectives, returned)}
        elif len(objectives) > 1:
            raise UnusableResult(
                f"the objective returned {shown(returned)}; "
                f"the study has {len(objectives)} objectives: return one value each"
            )
        else:
            metrics = {objectives[0].name: _number(returned, "the value that the objective returned")}
        for name in self.metric_names:
            if name not in metrics and name.startswith(SET):
                continue  # other trials have set it; where it is not known it is not met
            if name not in metrics:
                raise UnusableResult(self._without(name, list(metrics)))
            if math.isnan(metrics[name]):
                raise NotANumber(
                    f"the metric {name!r} is nan: return a number, or raise an exception to fail the trial"
                )
        return metrics

    def _without(self, name: str, returned: Sequence[str]) -> str:
        """What there is to say where an objective returned metrics of these names, and not one that is needed."""
        said = f"the objective returned {', '.join(map(shown, returned[:10])) or 'no metric'}, and not {name!r}"
        if not returned:
            return f"{said}: return it"
        near = difflib.get_close_matches(name, returned, n=1)
        ways = {objective.name: f"{objective.direction}=" for objective in self.objectives}
        if near:
            return f"{said}: did you mean {ways.get(name, 'the metric ')}{shown(near[0])}?"
        if name == DEFAULT_METRIC and len(self.objectives) == 1:
            return f"{said}: say minimize={shown(returned[0])} or maximize={shown(returned[0])}"
        return f"{said}: return it, or name what it returns in {ways.get(name, 'subject_to=')}"

    def standing(self, metrics: Mapping[str, float], so_far: bool = False) -> Standing:
        """How good metrics are, to be compared with others of this problem.

        The worst of all where an objective is missing, NaN or infinitely bad. `so_far` says that the metrics are those
        of a report: a constrained metric that is not among them yet is not held against it.

        >>> problem = Problem.of(Space(), directions={"error": "minimize"}, subject_to={"ms": "<= 20"})
        >>> problem.standing({"error": 0.1, "ms": 12.0})
        Standing(violation=0.0, losses=(0.1,))
        """
        losses = tuple([objective.loss(metrics) for objective in self.objectives])
        if not all(loss < math.inf for loss in losses):
            return Standing.worst(len(losses))
        return Standing(self.violation(metrics, so_far), losses)

    def violation(self, metrics: Mapping[str, float], so_far: bool = False) -> float:
        """By how much the constraints are missed, over all of them: see `core.standing`."""
        if not self.constraints:  # most problems have none, and each trial is asked
            return 0.0
        return sum((c.violation(metrics) for c in self.constraints if not so_far or c.metric in metrics), 0.0)

    def is_feasible(self, metrics: Mapping[str, float]) -> bool:
        """Whether the metrics meet every constraint."""
        return self.violation(metrics) == 0.0

    def with_space(self, space: Space) -> Problem:
        """The same problem over another space."""
        return replace(self, space=space)

    def to_json(self) -> dict[str, Any]:
        """This problem as JSON-serialisable data."""
        data: dict[str, Any] = {
            "space": self.space.to_json(),
            "objectives": [[o.name, o.direction] for o in self.objectives],
            "open": self.is_open,
        }
        if self.constraints:
            data["constraints"] = [[c.metric, c.relation, c.bound] for c in self.constraints]
        if self.fidelities:
            data["fidelities"] = [[f.name, f.low, f.high, f.eta] for f in self.fidelities]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Problem:
        """The problem that `to_json` wrote."""
        return cls(
            Space.from_json(data["space"]),
            tuple(Objective(*entry) for entry in data["objectives"]),
            tuple(Constraint(*entry) for entry in data.get("constraints", ())),
            tuple(Fidelity(*entry) for entry in data.get("fidelities", ())),
            bool(data.get("open", not data["space"]["parameters"])),  # studies of before begin without parameters
        )


def _number(value: Any, what: str) -> float:
    try:
        return as_real(value)
    except ValueError:
        raise UnusableResult(f"{what} is {shown(value)}: return a number") from None
