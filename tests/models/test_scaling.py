"""What studies of other sizes say at this one: laws of moving, and bowls whose bottoms move by a known power."""

from dataclasses import replace
from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter import Choice, Float, Int, Learnt, Space
from kilter.core.earlier import EarlierStudy
from kilter.models.scaling import Scaling, is_of_another_size
from kilter.models.sources import Sources

WIDTHS = (16, 32, 64)
TARGET = 512
BEST = 0.003
"""The best lr at the target."""


def space_of(exponent: float | Learnt | None) -> Space:
    lr = Float(1e-5, 1.0, log=True)
    return Space(
        {
            "lr": lr if exponent is None else lr.scaling(width=exponent),
            "decay": Float(1e-5, 1.0, log=True),
            "kind": Choice(["a", "b"]),
        }
    )


def loss(config: dict, width: float, exponent: float) -> float:
    """A bowl whose best lr goes as width ^ exponent; the larger, the lower."""
    best = np.log10(BEST) + exponent * np.log10(width / TARGET)
    bowl = (np.log10(config["lr"]) - best) ** 2 + 0.1 * (np.log10(config["decay"]) + 2.0) ** 2
    return float(bowl + 0.3 * (config["kind"] == "b") + width**-0.5)


def study_of(width: float, exponent: float, seed: int = 0, n: int = 16, space: Space | None = None) -> EarlierStudy:
    rng = np.random.default_rng([seed, int(width)])
    configs = tuple((space or space_of(None)).draw(rng) for _ in range(n))
    losses = [loss(config, width, exponent) for config in configs]
    order = np.argsort(losses)
    return EarlierStudy(
        f"width {width}",
        tuple(configs[i] for i in order),
        tuple(losses[i] for i in order),
        trials=n,
        doublings={"width": log2(width / TARGET)},
    )


def of_size(study: EarlierStudy, **doublings: float) -> EarlierStudy:
    return replace(study, doublings=doublings)


def studies_of(exponent: float, seed: int = 0, n: int = 16) -> list[EarlierStudy]:
    return [study_of(width, exponent, seed, n) for width in WIDTHS]


def first_of(scaling: Scaling) -> dict:
    return scaling.encoding.config(scaling.points[0])


@pytest.mark.parametrize("true", [-1.0, -0.5, 0.0, 0.5])
def test_an_exponent_is_learnt_within_its_uncertainty(true: float) -> None:
    scaling = Scaling(studies_of(true), space_of(Learnt(0.0, sd=0.7)))
    (tilt,) = scaling.tilts
    assert abs(tilt.exponent - true) < 3 * tilt.sd and tilt.sd < 0.35
    config = first_of(scaling)
    assert abs(np.log10(config["lr"] / BEST)) < 0.5 and config["kind"] == "a"


@pytest.mark.parametrize("true", [-1.0, 0.5])
def test_a_given_exponent_is_gone_by(true: float) -> None:
    scaling = Scaling(studies_of(true), space_of(true))
    assert scaling.tilts[0].exponent == true and scaling.tilts[0].sd == 0.0
    assert len(scaling.points) == 1
    assert abs(np.log10(first_of(scaling)["lr"] / BEST)) < 0.4


def test_without_exponents_nothing_is_moved() -> None:
    scaling, studies = Scaling(studies_of(-1.0), space_of(None)), studies_of(-1.0)
    assert scaling.tilts == () and [scaling.moved(study) for study in studies] == studies
    assert np.log10(first_of(scaling)["lr"] / BEST) > 0.5  # as good as at the largest width that was seen


def test_where_the_exponent_is_uncertain_both_sides_are_tried() -> None:
    studies = [study_of(64, -0.5), study_of(56, -0.5)]
    scaling = Scaling(studies, space_of(Learnt(-0.5, sd=0.4)))
    first, lower, higher = (scaling.encoding.config(point)["lr"] for point in scaling.points)
    assert lower < first < higher


@pytest.mark.parametrize(
    ("studies", "said"),
    [
        ([study_of(64, -1.0)], "studies of two sizes, with 8 trials each"),
        ([study_of(32, -1.0, n=7), study_of(64, -1.0)], "studies of two sizes, with 8 trials each"),
        ([study_of(64, -1.0), study_of(64, -1.0, seed=1)], "studies of two sizes"),
    ],
)
def test_what_cannot_be_learnt_is_as_believed_and_said(studies: list[EarlierStudy], said: str) -> None:
    (tilt,) = Scaling(studies, space_of(Learnt(-0.7, sd=0.3))).tilts
    assert (tilt.exponent, tilt.sd) == (-0.7, 0.3) and said in str(tilt)


def test_an_optimum_at_the_border_tells_nothing_of_how_it_moves() -> None:
    narrow = Space({**space_of(None).parameters, "lr": Float(1e-5, 1e-3, log=True)})
    studies = [study_of(width, -1.0, space=narrow) for width in WIDTHS]
    to_learn = Space({**narrow.parameters, "lr": Float(1e-5, 1e-3, log=True).scaling(width=Learnt(-0.7, sd=0.3))})
    scaling = Scaling(studies, to_learn)
    assert scaling.tilts[0].exponent == -0.7
    assert "the best lr of width 16, width 32 and width 64 lies at the border" in scaling.why(scaling.points[0])


def test_far_beyond_what_was_seen_it_is_said() -> None:
    far = [of_size(study, width=study.doublings["width"] - 3) for study in studies_of(0.0)]
    scaling = Scaling(far, space_of(-0.5))
    assert "width is 64 times as large as any of theirs" in scaling.why(scaling.points[0])
    near = Scaling(studies_of(0.0), space_of(-0.5))
    assert "times" not in near.why(near.points[0])


def test_of_another_size_means_any_doubling() -> None:
    assert not is_of_another_size(EarlierStudy("same", (), doublings={"width": 0.0}))
    assert is_of_another_size(EarlierStudy("small", (), doublings={"width": 0.0, "tokens": -1.0}))


@given(st.floats(-4, 4), st.floats(-2, 2), st.integers(0, 20))
@settings(max_examples=20, deadline=None)
def test_moving_keeps_rows_and_multiplies_by_a_power(doublings: float, exponent: float, seed: int) -> None:
    space = Space({"lr": Float(1e-5, 1.0, log=True).scaling(width=exponent), "n": Int(1, 8)})
    rng = np.random.default_rng(seed)
    study = EarlierStudy(
        "s", tuple(space.draw(rng) for _ in range(5)), (1.0, 2.0, 3.0, 4.0, 5.0), doublings={"width": doublings}
    )
    moved = Scaling([study], space).moved(study)
    assert moved.losses == study.losses and [c["n"] for c in moved.configs] == [c["n"] for c in study.configs]
    ratios = [new["lr"] / old["lr"] for new, old in zip(moved.configs, study.configs)]
    assert ratios == pytest.approx([2.0 ** (-exponent * doublings)] * 5)


def test_sizes_that_are_worlds_apart_are_outside_of_the_range_and_no_error() -> None:
    far = [of_size(study, width=-1900.0) for study in studies_of(0.0)]
    assert Sources(far, space_of(1.0)).teaching == []


def test_sources_of_other_sizes_are_as_they_would_be_at_this_one() -> None:
    sources = Sources(studies_of(-1.0), space_of(-1.0))
    assert len(sources.teaching) == 3
    assert (sources.given[:1] == sources.scaling.points).all()
    assert sources.owed(sources.given[0]) == sources.scaling.studies
    best = [source.points(source.order[:1])[0, 0] for source in sources.teaching]
    assert np.ptp(best) * 5 * np.log(10) / np.log(2) < 3.0  # octaves; unmoved they are 2 apart at the least, and biased
    unmoved = Sources([EarlierStudy(s.name, s.configs, s.losses) for s in studies_of(-1.0)], space_of(-1.0))
    assert not len(unmoved.given)


def test_many_trials_and_two_sizes_stay_quick_and_within_the_space() -> None:
    studies = [
        of_size(study_of(width, -0.5, n=48), width=log2(width / TARGET), tokens=log2(tokens / 9))
        for width, tokens in ((16, 1), (32, 2), (64, 8))
    ]
    lr = Float(1e-5, 1.0, log=True).scaling(width=Learnt(-0.5, sd=0.3), tokens=Learnt(0.0, sd=0.3))
    space = Space({**space_of(None).parameters, "lr": lr})
    scaling = Scaling(studies, space)
    assert len(scaling.tilts) == 2
    for point in scaling.points:
        config = scaling.encoding.config(point)
        assert all(space[name].contains(value) for name, value in config.items())
