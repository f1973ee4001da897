"""Published laws of how hyperparameters move with the size of a model and of its data, by name; none is ever applied
unless you ask for it.

Each gives exponents for `.scaling()`, by what they are for. They disagree with each other, since they hold for other
parameterisations and schedules than yours may have. So take them as what you believe beforehand: with `sd` the
exponents are learnt from your own smaller studies.

>>> import kilter
>>> law = kilter.laws.step_law(sd=0.2)
>>> kilter.Float(1e-5, 1e-1, log=True).scaling(law.learning_rate)
Float(1e-05, 0.1, log=True, exponents={'parameters': Learnt(mean=-0.713, sd=0.2), 'tokens': Learnt(mean=0.307, sd=0.2)})
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kilter.core.errors import InvalidInput
from kilter.core.scaling import Exponent, Learnt

__all__ = ["Law", "complete_p", "mup", "power_lines", "step_law"]


@dataclass(frozen=True)
class Law:
    """The exponents of one law, by the name of a size, for each hyperparameter that it is about."""

    source: str
    """Where it was published."""
    learning_rate: Mapping[str, Exponent] = field(default_factory=dict)
    batch_size: Mapping[str, Exponent] = field(default_factory=dict)
    weight_decay: Mapping[str, Exponent] = field(default_factory=dict)


def mup(optimizer: str = "adam", sd: float | None = None) -> Law:
    """The maximal update parameterisation: the learning rate of hidden layers by `width`.

    With Adam it falls as 1/width, with SGD it stays (Yang et al. 2022, arXiv 2203.03466, table 3). A network that
    already is in this parameterisation needs no scaling of its base learning rate. With `sd` the exponents are learnt.
    Raises InvalidInput for another optimizer.

    >>> mup("sgd").learning_rate
    {'width': 0.0}
    """
    exponents = {"adam": -1.0, "adamw": -1.0, "sgd": 0.0}
    if optimizer not in exponents:
        raise InvalidInput(f"optimizer={optimizer!r} of mup: give one of {', '.join(exponents)}")
    return _law("Yang et al. 2022, arXiv 2203.03466", sd, learning_rate={"width": exponents[optimizer]})


def complete_p(sd: float | None = None) -> Law:
    """CompleteP: as `mup` with AdamW by `width`, and nothing moves with `depth`, where residuals are divided by it.

    The learning rate of hidden layers goes as width⁻¹ · depth^(α - 1), α = 1 (Dey et al. 2025, arXiv 2505.01618).

    >>> complete_p().learning_rate
    {'width': -1.0, 'depth': 0.0}
    """
    return _law("Dey et al. 2025, arXiv 2505.01618", sd, learning_rate={"width": -1.0, "depth": 0.0})


def step_law(sd: float | None = None) -> Law:
    """Step Law: learning rate 1.79 · parameters^-0.713 · tokens^0.307, batch of 0.58 · tokens^0.571 tokens.

    Of pre-training language models in the standard parameterisation; parameters without the vocabulary (Li et al.
    2025, arXiv 2503.04715).

    >>> step_law().batch_size
    {'tokens': 0.571}
    """
    rate = {"parameters": -0.713, "tokens": 0.307}
    return _law("Li et al. 2025, arXiv 2503.04715", sd, learning_rate=rate, batch_size={"tokens": 0.571})


def power_lines(sd: float | None = None) -> Law:
    """Power Lines: the weight decay of AdamW, where learning rate η and batch size B are given.

    The timescale τ = B / (η · λ · tokens) should go as (tokens / parameters)^-0.527, so the weight decay λ goes as
    parameters^-0.527 · tokens^-0.473, and as B / η, which are no sizes: in proportion to `batch` where the scale has
    it, while η stays (Bergsma et al. 2025, arXiv 2505.13738).

    >>> power_lines().weight_decay
    {'parameters': -0.527, 'tokens': -0.473, 'batch': 1.0}
    """
    decay = {"parameters": -0.527, "tokens": -0.473, "batch": 1.0}
    return _law("Bergsma et al. 2025, arXiv 2505.13738", sd, weight_decay=decay)


def _law(source: str, sd: float | None, **exponents: Mapping[str, float]) -> Law:
    if sd is None:
        return Law(source, **exponents)
    return Law(source, **{role: {n: Learnt(e, sd) for n, e in given.items()} for role, given in exponents.items()})


def __dir__() -> list[str]:
    return list(__all__)
