"""Small studies teach a large one, from what users write to what the log keeps."""

from __future__ import annotations

from math import log10
from pathlib import Path
from typing import Any

import pytest

import kilter
from kilter import Float, Learnt
from kilter.core.errors import InvalidInput, UnknownName

SPACE = {"lr": Float(1e-5, 1.0, log=True).scaling(width=Learnt(-0.7, sd=0.3)), "decay": Float(1e-5, 1.0, log=True)}


def loss(trial: Any, width: float) -> float:
    """Best at lr = 0.01 · 64 / width."""
    lr, decay = trial.params["lr"], trial.params["decay"]
    return float((log10(lr) + 2 + log10(width / 64)) ** 2 + 0.1 * (log10(decay) + 2) ** 2 + width**-0.5)


def study_of(url: str, width: float, **options: Any) -> kilter.Study:
    return kilter.create_study(
        storage=url, study_name=f"width {width}", space=SPACE, scale={"width": width}, seed=0, **options
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/studies.db"
    for width in (16, 32, 64):
        small = study_of(url, width, transfer=None)
        small.optimize(lambda trial, width=width: loss(trial, width), n_trials=12, progress="none")
    return url


def test_the_first_trial_is_right_for_the_size_and_the_same_when_the_small_ones_are_gone(url: str) -> None:
    large = study_of(url, 512, transfer=[f"width {width}" for width in (16, 32, 64)])
    first = large.ask()
    assert abs(log10(first.params["lr"]) - log10(0.01 / 8)) < 0.25
    told = str(large.explain(0))
    assert "the best at this size by" in told and "lr goes as width^-" in told and "width 64" in told
    for width in (16, 32, 64):
        kilter.delete_study(study_name=f"width {width}", storage=url)
    again = kilter.load_study(study_name="width 512", storage=url)
    assert str(again.explain(0)) == told


def test_no_large_model_is_trained_for_comparison_alone(url: str) -> None:
    large = study_of(url, 512, transfer=[f"width {width}" for width in (16, 32, 64)])
    large.optimize(lambda trial: loss(trial, 512), n_trials=5, progress="none")
    rates = [trial.params["lr"] for trial in large.trials]
    assert len(set(rates)) == 5 and all(abs(log10(rate) - log10(0.01 / 8)) < 0.6 for rate in rates)


def test_a_size_that_is_not_given_is_asked_for(url: str) -> None:
    with pytest.raises(UnknownName, match=r"no size 'width': did you mean 'widths'.*lr moves with it"):
        kilter.create_study(space=SPACE, scale={"widths": 512})
    with pytest.raises(InvalidInput, match="give a size above 0"):
        kilter.create_study(space=SPACE, scale={"width": 0})
