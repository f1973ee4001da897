"""A storage that goes away while its pages are open: they say why, keep what they show, and go on when it is back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.browser.conftest import Served

from kilter import Float, create_study
from kilter.plugins import open_storage


def test_a_storage_that_goes_away_and_comes_back(browse: Any, tmp_path: Path):
    path, away = tmp_path / "studies.db", tmp_path / "away.db"
    settings: Any = {"storage": f"sqlite:///{path}", "study_name": "s", "load_if_exists": True}
    with create_study(**settings, space={"x": Float(0, 1)}, seed=0) as study:
        study.optimize(lambda x: x, n_trials=3, progress="none")
    with Served(open_storage(f"sqlite:///{path}")) as served:
        page = browse(f"{served.url}#/1")
        page.get_by_text("3 trials").first.wait_for()
        os.rename(path, away)
        alert = page.locator("p.lost").filter(has_text="is gone")
        alert.wait_for()
        assert page.get_by_text("3 trials").first.is_visible()
        os.rename(away, path)
        alert.wait_for(state="detached")
        with create_study(**settings) as study:
            study.optimize(lambda x: x, n_trials=1, progress="none")
        page.get_by_text("4 trials").first.wait_for()
        browse.close()  # before the server ends, which would be one more thing that goes away
        browse.wrong[:] = [each for each in browse.wrong if "503" not in each]  # what was asked while it was gone
