"""Whether a text is what LightGBM writes, looked at before LightGBM reads it.

Its own parser, in C++, believes what it reads: a child out of bounds makes it read anywhere in memory, one that is its
own ancestor has no end, and a block of another length than it says ends the process. So a text from a file has to be,
line by line, what LightGBM's `Tree::ToString` and `GBDT::SaveModelToString` write (src/io/tree.cpp and
src/boosting/gbdt_model_text.cpp of version 4), and whatever it points to has to be there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kilter.automl.task import Task
from kilter.core.errors import InvalidInput
from kilter.core.text import one_line

WHOLE = r"\d{1,10}"
INTEGER = r"-?\d{1,10}"
NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
ANY_NUMBER = rf"(?:{NUMBER}|-?inf|-?nan)"
"""Of thresholds, which are infinite where gaps go one way and all values the other, and of what no prediction needs."""
MOST_LEAVES = 131_072
"""Of a tree: LightGBM's own limit."""
KINDS = 12
"""Of decisions: an odd one is by a set of levels, whose place is the threshold."""
OBJECTIVES = {"regression": "regression", "binary": "binary sigmoid:1", "multiclass": "multiclass num_class:{}"}
"""As LightGBM writes them for the kinds of tasks."""

HEAD = re.compile(
    r"tree\nversion=v\d\nnum_class=(?P<classes>\d{1,9})\nnum_tree_per_iteration=(?P<a_round>\d{1,9})\n"
    r"label_index=\d{1,9}\nmax_feature_idx=(?P<last>\d{1,9})\nobjective=(?P<objective>[^\n=]+)\n"
    r"feature_names=(?P<names>[!-<>-~]+(?: [!-<>-~]+)*)\nfeature_infos=(?P<infos>[!-<>-~]+(?: [!-<>-~]+)*)\n"
    r"tree_sizes=(?P<sizes>\d{1,9}(?: \d{1,9})*)\n\n"
)
TAIL = re.compile(
    r"end of trees\n\nfeature_importances:\n(?:[!-<>-~]+=\d+\n)*\nparameters:\n(?:\[[a-z0-9_]+: [\w.,:;+ -]*\]\n)*\n"
    r"end of parameters\n(?:\npandas_categorical:null\n?)?"
)


def _line(name: str, one: str) -> str:
    return f"{name}=(?P<{name}>(?:{one}(?: {one})*)?)\n"


SETS = _line("cat_boundaries", WHOLE) + _line("cat_threshold", WHOLE)
TREE = re.compile(
    r"Tree=(?P<number>\d{1,9})\nnum_leaves=(?P<leaves>\d{1,9})\nnum_cat=(?P<sets>\d{1,9})\n"
    + _line("split_feature", WHOLE)
    + _line("split_gain", ANY_NUMBER)
    + _line("threshold", ANY_NUMBER)
    + _line("decision_type", WHOLE)
    + _line("left_child", INTEGER)
    + _line("right_child", INTEGER)
    + _line("leaf_value", NUMBER)
    + _line("leaf_weight", ANY_NUMBER)
    + _line("leaf_count", INTEGER)
    + _line("internal_value", ANY_NUMBER)
    + _line("internal_weight", ANY_NUMBER)
    + _line("internal_count", INTEGER)
    + f"(?:{SETS})?is_linear=0\nshrinkage={NUMBER}\n\n\n"
)


def checked(text: str, rounds: int, task: Task) -> str:
    """The text, if it is that of so many rounds of trees for the task; raises InvalidInput otherwise."""
    try:
        _check(text, rounds, task)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"the trees in this file are not as LightGBM writes them: {one_line(error)}. "
            "The file was damaged or changed: save the model again"
        ) from error
    return text


def _check(text: str, rounds: int, task: Task) -> None:
    found = HEAD.match(text) if text.isascii() else None
    if found is None:
        raise ValueError("the first lines are not those of LightGBM")
    head, width = found.groupdict(), task.width if task.kind == "multiclass" else 1
    features = int(head["last"]) + 1
    _hold(head["objective"] == OBJECTIVES[task.kind].format(width), f"the objective is {head['objective']!r}")
    _hold(int(head["classes"]) == int(head["a_round"]) == width, f"a round has {head['a_round']} trees, not {width}")
    for name in ("names", "infos"):
        _hold(head[name].count(" ") + 1 == features, f"there are other {name} than for {features} features")
    trees, end = _trees(text, found.end(), [int(size) for size in head["sizes"].split(" ")])
    _hold(TAIL.fullmatch(text, end) is not None, "what comes after the trees are not its parameters")
    # A booster that finds no split in a round keeps none of its trees, and the fit that asked for it counts it.
    possible = {len(trees), len(trees) + width}
    _hold(type(rounds) is int and rounds * width in possible, f"it has {len(trees)} trees for {rounds!r} rounds")
    _check_trees(trees, features)


def _trees(text: str, begin: int, sizes: Sequence[int]) -> tuple[list[dict[str, str]], int]:
    """The lines of each tree, by name, and where the last one ends."""
    trees = []
    for number, size in enumerate(sizes):
        found = TREE.fullmatch(text, begin, begin + size)
        if found is None or int(found["number"]) != number:
            raise ValueError(f"tree {number} has other lines than those of LightGBM")
        trees.append(found.groupdict(""))
        begin += size
    return trees, begin


def _check_trees(trees: Sequence[Mapping[str, str]], features: int) -> None:
    """All trees at once, for there may be thousands of them."""
    leaves, sets = (np.array([int(tree[name]) for tree in trees]) for name in ("leaves", "sets"))
    _hold(leaves.min() >= 1 and leaves.max() <= MOST_LEAVES, f"a tree has {leaves.min()} or {leaves.max()} leaves")
    splits, several = leaves - 1, leaves > 1
    for name in ("split_gain", "internal_value", "internal_weight", "internal_count"):
        _counted(trees, name, splits)
    for name in ("leaf_weight", "leaf_count"):  # LightGBM does not read them where a tree is one leaf
        _counted([tree for tree in trees if tree["leaves"] != "1"], name, leaves[several])
    _hold(np.isfinite(_array(trees, "leaf_value", leaves, float)).all(), "leaf_value is not finite")
    _hold((_array(trees, "split_feature", splits) < features).all(), f"split_feature is beyond {features} features")
    _check_children(_array(trees, "left_child", splits), _array(trees, "right_child", splits), leaves)
    threshold, kind = _array(trees, "threshold", splits, float), _array(trees, "decision_type", splits)
    _hold((kind < KINDS).all(), "decision_type is no kind of decision")
    chosen, of_sets = threshold[kind & 1 == 1], np.repeat(sets, splits)[kind & 1 == 1]
    _hold(((chosen >= 0) & (chosen < of_sets) & (chosen == np.floor(chosen))).all(), "threshold is no set of levels")
    _check_sets(trees, sets)


def _check_children(left: np.ndarray, right: np.ndarray, leaves: np.ndarray) -> None:
    """Each split but the first, and each leaf, is below one split that was made before it: no circle, none twice."""
    splits = leaves - 1
    begin = np.repeat(np.cumsum(splits) - splits, splits)
    of_leaf = np.repeat(np.cumsum(leaves) - leaves, splits)
    own, below = np.arange(len(left)) - begin, np.stack([left, right])
    is_leaf, most = below < 0, np.repeat(splits, splits)
    _hold(np.where(is_leaf, ~below <= most, (below > own) & (below < most)).all(), "a child is out of bounds")
    for places, number in (((below + begin)[~is_leaf], len(left)), ((~below + of_leaf)[is_leaf], leaves.sum())):
        _hold(np.bincount(places, minlength=number).max(initial=0) <= 1, "a child is below two splits")


def _check_sets(trees: Sequence[Mapping[str, str]], sets: np.ndarray) -> None:
    """The sets of levels of a tree are words of 32 bits, of which each has those from one border to the next."""
    for tree, number in zip(trees, sets):
        if not number and not tree["cat_boundaries"]:
            continue
        borders = _array([tree], "cat_boundaries", np.array([number + 1]))
        _hold(borders[0] == 0 and (np.diff(borders) > 0).all(), "cat_boundaries do not grow from 0")
        words = _array([tree], "cat_threshold", borders[-1:])
        _hold((words < 2**32).all(), "cat_threshold is beyond 32 bits")


def _array(trees: Sequence[Mapping[str, str]], name: str, lengths: np.ndarray, of: type = int) -> np.ndarray:
    """The numbers of one line of all trees, one after the other; each has as many as it should."""
    _counted(trees, name, lengths)
    texts = " ".join(tree[name] for tree in trees if tree[name])
    return np.array([of(each) for each in texts.split()], of)


def _counted(trees: Sequence[Mapping[str, str]], name: str, lengths: np.ndarray) -> None:
    counts = [tree[name].count(" ") + 1 if tree[name] else 0 for tree in trees]
    _hold(np.array_equal(counts, lengths), f"{name} has more or less numbers than its tree needs")


def _hold(condition: Any, otherwise: str) -> None:
    if not condition:
        raise ValueError(otherwise)
