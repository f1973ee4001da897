"""What an ensemble is made of: one family of models in each file, all with the same few methods (member.py)."""

from __future__ import annotations

from typing import Any

from kilter.automl.members.catboost import CatBoost
from kilter.automl.members.constant import Constant
from kilter.automl.members.forest import Forest
from kilter.automl.members.in_context import LIBRARIES, InContext
from kilter.automl.members.lightgbm import LightGBM
from kilter.automl.members.linear import Linear
from kilter.automl.members.member import Member
from kilter.automl.members.mlp import MLP
from kilter.automl.members.own import Own
from kilter.automl.members.xgboost import XGBoost
from kilter.core.errors import UnknownName

PAIRS = LightGBM("lightgbm_pairs", "pairs")
"""LightGBM with sums, differences, products and ratios of numbers beside them."""
MEMBERS: dict[str, Member] = {
    each.name: each for each in (LightGBM(), MLP(), Linear(), PAIRS, CatBoost(), XGBoost(), Forest(), Constant())
}
NAMES = tuple(MEMBERS)
"""The names of all members that come along, those first that are used by default."""
UNCHECKED = ("catboost", "xgboost")
"""Members whose models only their libraries' own parsers in C++ read, which a forged one may lead anywhere."""
DEFAULT = ("lightgbm", "mlp", "linear", "lightgbm_pairs")
"""What members="auto" stands for."""


def member(given: Any) -> Member:
    """A member by its name, by (name, estimator, space) of a user's own, by (name, path to weights), or as it is.

    An unknown name is an error that holds the nearest one.

    >>> member("linear").view
    'dense'
    """
    if isinstance(given, tuple):
        return InContext(*given) if given[0] in LIBRARIES else Own(*given)
    if not isinstance(given, str):
        return given  # type: ignore[no-any-return]
    if given not in MEMBERS:
        path = f"give it as ({given!r}, path to weights)" if given in LIBRARIES else ""
        raise UnknownName.of("member", given, NAMES, path)
    return MEMBERS[given]
