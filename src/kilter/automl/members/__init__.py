"""What an ensemble is made of: one family of models in each file, all with the same few methods (member.py)."""

from __future__ import annotations

from kilter.automl.members.constant import Constant
from kilter.automl.members.lightgbm import LightGBM
from kilter.automl.members.linear import Linear
from kilter.automl.members.member import Member
from kilter.automl.members.mlp import MLP
from kilter.core.errors import UnknownName

PAIRS = LightGBM("lightgbm_pairs", "pairs")
"""LightGBM with sums, differences, products and ratios of numbers beside them."""
MEMBERS: dict[str, Member] = {each.name: each for each in (LightGBM(), MLP(), Linear(), PAIRS, Constant())}
NAMES = tuple(MEMBERS)
"""The names of all members that come along, those first that are used by default."""
DEFAULT = ("lightgbm", "mlp", "linear", "lightgbm_pairs")
"""What members="auto" stands for."""


def member(name: str) -> Member:
    """The member of that name; an unknown name is an error that holds the nearest one.

    >>> member("linear").view
    'dense'
    """
    if name not in MEMBERS:
        raise UnknownName.of("member", name, NAMES)
    return MEMBERS[name]
