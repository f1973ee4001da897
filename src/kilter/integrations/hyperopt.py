"""Spaces of Hyperopt as spaces of kilter, so that an objective written for `fmin` runs unchanged.

    import kilter
    from kilter.integrations.hyperopt import objective, to_kilter

    # fmin(function, expression, max_evals=100) becomes
    kilter.tune(objective(function, expression), to_kilter(expression), n_trials=100)

Labels become the names of parameters, and `hp.choice` a Choice under whose options the parameters inside are active. An
option that is a plain value is itself; options that are structures go by the first text in each, such as "svm" of
{"type": "svm", "C": …}, or by their numbers where that does not tell them apart.

Unbounded distributions become ranges: of 4 standard deviations to either side, all but 0.006 % of the draws, with a
Prior that draws the same bell. Weights of `hp.pchoice` become the nearest Prior. Bounds given as logarithms are rounded
to 12 digits, since log(1e-5) is not exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from kilter.core.errors import InvalidInput, UnknownName, needed
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice
from kilter.core.parameter import Parameter, Prior
from kilter.core.space import Space
from kilter.integrations.conversion import DEVIATIONS, Branch, believed, branch

with needed("hyperopt", "kilter.integrations.hyperopt"):
    import hyperopt
    from hyperopt.pyll import as_apply, rec_eval


def to_kilter(expression: Any) -> Space:
    """The kilter space of a Hyperopt expression: anything that `fmin` takes as its space.

    Raises InvalidInput, with the label and what to do, for a label that stands under options which no single condition
    describes, for quantised logarithms that reach 0, and for arguments that depend on other parameters.

    >>> from hyperopt import hp
    >>> to_kilter(hp.choice("model", [{"type": "svm", "C": hp.uniform("C", 0.1, 10)}, {"type": "forest"}]))
    Space({'model': Choice(['svm', 'forest']), 'C': Float(0.1, 10.0).when({'model': ['svm']})})
    """
    met: dict[str, _Met] = {}
    _walk(as_apply(expression), {}, met)
    return Space({label: _conditional(label, known) for label, known in met.items()})


def space_eval(expression: Any, params: Mapping[str, Any]) -> Any:
    """What a Hyperopt objective expects for a configuration of `to_kilter(expression)`, such as `trial.params`.

    >>> from hyperopt import hp
    >>> space_eval(hp.choice("model", [("svm", hp.uniform("C", 0, 1)), ("forest",)]), {"model": "svm", "C": 0.5})
    ('svm', 0.5)
    """
    return _evaluated(expression, to_kilter(expression), params)


def to_params(expression: Any, assignment: Mapping[str, Any]) -> dict[str, Any]:
    """A point as Hyperopt stores it (`trials.argmin`, a trial's vals) as values of `to_kilter(expression)`.

    For `study.enqueue_trial` or `study.add_trial`. Single values may stand in lists, as in a trial's vals; the empty
    lists of inactive labels are left out. Raises InvalidInput for a value outside its range.

    >>> from hyperopt import hp
    >>> to_params({"act": hp.choice("act", ["relu", "gelu"])}, {"act": [1]})
    {'act': 'gelu'}
    """
    space = to_kilter(expression)
    params = {}
    for label, given in assignment.items():
        if label not in space:
            raise UnknownName.of("label", label, space.names)
        values = list(given) if isinstance(given, (list, tuple)) else [given]
        if values:
            parameter, value = space[label], values[0]
            params[label] = parameter.values[int(value)] if parameter.labels else value
    return space.values(space.plain(params, partial=True))


def objective(function: Callable[[Any], Any], expression: Any) -> Callable[[Any], float]:
    """An objective for kilter that calls one written for Hyperopt with the structure that it expects.

    The function may return a loss or Hyperopt's dict: `loss` is minimised; the status "fail" fails the trial, with what
    stands beside it; other entries that JSON can hold are kept as attributes of the trial.

    >>> import kilter
    >>> from hyperopt import hp
    >>> expression = {"x": hp.uniform("x", -1, 1)}
    >>> study = kilter.create_study(space=to_kilter(expression), seed=0)
    >>> study.optimize(objective(lambda at: {"loss": at["x"] ** 2, "status": "ok"}, expression), 5, progress="none")
    >>> study.best_value < 1
    True
    """
    space = to_kilter(expression)

    def call(trial: Any) -> float:
        result = function(_evaluated(expression, space, trial.params))
        return _loss(trial, result) if isinstance(result, Mapping) else result

    call.__name__ = getattr(function, "__name__", "objective")
    return call


def _loss(trial: Any, result: Mapping[str, Any]) -> float:
    if result.get("status", hyperopt.STATUS_OK) != hyperopt.STATUS_OK:
        raise RuntimeError(f"the objective returned {dict(result)!r}")
    if "loss" not in result:
        raise InvalidInput(f"the objective returned a dict without 'loss'; it has {', '.join(map(repr, result))}")
    for key, value in result.items():
        if key not in ("loss", "status"):
            try:
                trial.set_user_attr(str(key), value)
            except InvalidInput:
                continue  # an attachment such as a fitted model, which no log can hold
    return float(result["loss"])


def _evaluated(expression: Any, space: Space, params: Mapping[str, Any]) -> Any:
    assignment = {}
    for name, plain in space.plain(params).items():
        parameter = space[name]
        assignment[name] = parameter.index(plain) if parameter.labels else plain
    return hyperopt.space_eval(expression, assignment)


# -- reading the expression -------------------------------------------------------------------------------------------


class _Met:
    """A label: the node that draws it, whether the draw is made whole, its options, and where it stands."""

    def __init__(self, node: Any, is_whole: bool, options: list[Any] | None) -> None:
        self.node = node
        self.is_whole = is_whole
        self.parameter: Parameter | None = None
        self.options = options
        self.places: list[Branch] = []


def _walk(node: Any, place: Branch, met: dict[str, _Met], is_whole: bool = False) -> None:
    """Note every label below a node, with the options under which it stands."""
    if node.name == "switch":
        chooser, *options = node.pos_args
        if chooser.name != "hyperopt_param":
            raise InvalidInput(f"a switch on {chooser.name!r}: use hp.choice, whose options kilter can list")
        parameter = _note(chooser, place, met, False, options)
        label = chooser.arg["label"].obj
        for option, plain in zip(options, parameter.labels):
            _walk(option, {**place, label: [plain]}, met)
    elif node.name == "hyperopt_param":
        _note(node, place, met, is_whole, None)
    else:
        for child in node.inputs():
            _walk(child, place, met, node.name == "int" or (is_whole and node.name == "float"))


def _note(node: Any, place: Branch, met: dict[str, _Met], is_whole: bool, options: list[Any] | None) -> Parameter:
    label = node.arg["label"].obj
    known = met.setdefault(label, _Met(node.arg["obj"], is_whole, options))
    if known.node is not node.arg["obj"]:
        raise InvalidInput(f"the label {label!r} stands for two different expressions: give each a label of its own")
    known.places.append(place)
    if known.parameter is None:
        known.parameter = _parameter(label, known)
    return known.parameter


def _conditional(label: str, known: _Met) -> Parameter:
    active = branch(known.places)
    if active is None:
        raise InvalidInput(
            f"{label!r} stands under {known.places!r}, which no single condition describes: "
            "give each place a label of its own"
        )
    assert known.parameter is not None
    return known.parameter.when(active) if active else known.parameter


def _parameter(label: str, known: _Met) -> Parameter:
    """The parameter that the node of a label draws from."""
    node = known.node
    arguments = {}
    for name, argument in node.arg.items():
        if getattr(argument, "name", None) == "literal":
            arguments[name] = argument.obj
        elif name == "p":
            arguments[name] = [weight.obj for weight in argument.pos_args]
    try:
        if known.options is not None:
            chosen = _choice(known.options)
            return believed(chosen, arguments["p"]) if node.name == "categorical" else chosen
        return _DISTRIBUTIONS[node.name](**arguments, is_whole=known.is_whole)
    except InvalidInput as error:
        raise InvalidInput(f"{label!r}: {error}") from None
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise InvalidInput(
            f"{label!r}, {node.name}, cannot be converted: {error!r}; give its arguments as numbers"
        ) from None


def _choice(options: list[Any]) -> Choice:
    if all(map(_is_constant, options)):
        try:
            return Choice([rec_eval(option) for option in options])
        except InvalidInput:
            pass  # objects without a name, or alike: they go by their numbers
    names = [next(_texts(option), None) for option in options]
    if None in names or len(set(names)) < len(names):
        return Choice([str(number) for number in range(len(options))])
    return Choice(names)


def _is_constant(option: Any) -> bool:
    """Whether this is a plain value, or a tuple of such."""
    return option.name == "literal" or (option.name == "pos_args" and all(map(_is_constant, option.inputs())))


def _texts(option: Any) -> Any:
    """The texts that stand in an option itself, in order."""
    for part in [option] if option.name == "literal" else option.inputs():
        if part.name == "literal" and isinstance(part.obj, str):
            yield part.obj


# -- distributions, with Hyperopt's names for their arguments ---------------------------------------------------------


def _randint(low: int, high: int | None = None, is_whole: bool = True) -> Parameter:
    return Int(0, low - 1) if high is None else Int(low, high - 1)


def _uniform(low: float, high: float, is_whole: bool) -> Parameter:
    return Float(low, high)


def _loguniform(low: float, high: float, is_whole: bool) -> Parameter:
    return Float(_exp(low), _exp(high), log=True)


def _normal(mu: float, sigma: float, is_whole: bool) -> Parameter:
    return Float(mu - DEVIATIONS * sigma, mu + DEVIATIONS * sigma, prior=Prior(mu, "high"))


def _lognormal(mu: float, sigma: float, is_whole: bool) -> Parameter:
    low, high = _exp(mu - DEVIATIONS * sigma), _exp(mu + DEVIATIONS * sigma)
    return Float(low, high, log=True, prior=Prior(_exp(mu), "high"))


def _quniform(low: float, high: float, q: float, is_whole: bool) -> Parameter:
    return _multiples(low, high, q, is_whole)


def _qloguniform(low: float, high: float, q: float, is_whole: bool) -> Parameter:
    return _multiples(_exp(low), _exp(high), q, is_whole, log=True)


def _qnormal(mu: float, sigma: float, q: float, is_whole: bool) -> Parameter:
    return _multiples(mu - DEVIATIONS * sigma, mu + DEVIATIONS * sigma, q, is_whole, centre=mu)


def _qlognormal(mu: float, sigma: float, q: float, is_whole: bool) -> Parameter:
    low, high = _exp(mu - DEVIATIONS * sigma), _exp(mu + DEVIATIONS * sigma)
    return _multiples(low, high, q, is_whole, log=True, centre=_exp(mu))


def _multiples(
    low: float, high: float, q: float, is_whole: bool, log: bool = False, centre: float | None = None
) -> Parameter:
    """The multiples of q to which numbers between low and high are rounded; the outermost may lie outside."""
    first = math.floor(low / q + 0.5)
    last = max(first, math.ceil(high / q - 0.5))
    if log and first < 1:
        raise InvalidInput(
            f"its smallest values, from {low:.3g} on, are rounded to 0 by q={q}, which has no logarithm: "
            f"have it begin at {q / 2:.3g} or above, or drop q"
        )
    prior = None if centre is None else Prior(min(max(round(centre / q), first), last) * q, "high")
    if is_whole and float(q).is_integer():
        whole = None if prior is None else Prior(int(prior.value), "high")
        return Int(int(first * q), int(last * q), step=int(q), log=log, prior=whole)
    return Float(first * q, last * q, step=q, log=log, prior=prior)


def _exp(logarithm: float) -> float:
    return float(f"{math.exp(logarithm):.12g}")


_DISTRIBUTIONS: dict[str, Callable[..., Parameter]] = {
    "randint": _randint,
    "uniform": _uniform,
    "loguniform": _loguniform,
    "normal": _normal,
    "lognormal": _lognormal,
    "quniform": _quniform,
    "qloguniform": _qloguniform,
    "qnormal": _qnormal,
    "qlognormal": _qlognormal,
}
