"""Reports: one file with the answers that the server would give, its own policy, and nothing that is private."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.browser.studies import BEGAN, HOSTILE
from tests.dashboard.conftest import NAMES
from tests.dashboard.decoding import decoded

from kilter import Float, create_study, read_study
from kilter.core.attributes import DEFAULT
from kilter.core.errors import InvalidInput, StudyNotFound
from kilter.dashboard.report import report
from kilter.storage.sqlite import SQLiteStorage

SECRETS = ("secret-attribute", "secret note", "secret message", "secret_place.py", "secret-host", "secret tag")


def unpacked(page: str, block: str) -> bytes:
    [text] = re.findall(rf'<script type="text/plain" id="{block}">([^<]*)</script>', page)
    return gzip.decompress(base64.b64decode(text))


def recorded(page: str) -> dict[str, Any]:
    return json.loads(unpacked(page, "answers"))


@pytest.fixture(scope="module")
def storage(studies_file: Path) -> SQLiteStorage:
    return SQLiteStorage(studies_file)


@pytest.mark.parametrize("number", range(1, len(NAMES) + 1))
def test_the_page_has_what_it_asks_for(storage: SQLiteStorage, number: int):
    answers = recorded(report(storage, number, BEGAN))
    study = f"api/v1/studies/{number}"
    assert {"api/v1/server", study, f"{study}/columns", f"{study}/convergence", f"{study}/generalisation"} <= set(
        answers
    )
    assert answers["api/v1/server"]["read_only"] is True
    told = decoded(gzip.decompress(base64.b64decode(answers[f"{study}/columns"])))
    assert told.header["trials"] == answers[study]["summary"]["trials"]
    best = answers[study]["summary"]["best"]
    assert best is None or f"{study}/trials/{best}" in answers


def test_its_policy_lets_its_own_scripts_run_and_nothing_else(storage: SQLiteStorage):
    page = report(storage, 2, BEGAN)
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    allowed = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert allowed["default-src"] == "'none'" and "unsafe" not in policy

    def digest(data: bytes) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(data).digest()).decode()}'"

    [loader] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert allowed["script-src"].split() == [digest(loader.encode()), digest(unpacked(page, "script"))]
    assert allowed["style-src"] == digest(style.encode())


def test_names_are_text_wherever_they_stand(storage: SQLiteStorage):
    page = report(storage, NAMES.index(HOSTILE) + 1, BEGAN)
    assert page.count("<script") == 3 and "onerror" not in page.replace("&lt;img src=x onerror", "")
    assert "\x1b" not in page and "\u202e" not in page


def secretive(path: Path) -> None:
    def objective(x: float) -> float:
        if x > 0.5:
            exec(compile("raise RuntimeError('secret message')", "/home/me/secret_place.py", "exec"))
        return x

    with create_study(storage=f"sqlite:///{path}", study_name="s", space={"x": Float(0, 1)}, seed=0) as study:
        study.optimize(objective, n_trials=12, progress="none")
        study.set_user_attr("secret-attribute", "secret-attribute")
        study.set_note("secret note")
        study.set_note("secret note", study.best_trial)
        study.add_tags("secret tag")
        study.invalidate(study.best_trial, "secret message")


@pytest.mark.parametrize("redact", [False, True])
def test_what_is_nobodys_business_is_left_out_where_that_is_wanted(
    tmp_path: Path, redact: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("kilter.runtime.leases.uuid.uuid4", lambda: type("Named", (), {"hex": "secret-host"}))
    path = tmp_path / "studies.db"
    secretive(path)
    with read_study(study_name="s", storage=f"sqlite:///{path}") as study:
        study.report(tmp_path / "report.html", redact=redact)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    answers = recorded(page)
    columns = gzip.decompress(base64.b64decode(answers.pop("api/v1/studies/1/columns"))).decode(errors="replace")
    whole = page + json.dumps(answers) + columns
    found = {secret for secret in (*SECRETS, str(tmp_path)) if secret in whole}
    assert found == (set() if redact else {*SECRETS, str(tmp_path)})
    assert "left out" in page if redact else str(tmp_path) in page
    failed = [a for path, a in answers.items() if "/trials/" in path and a["failure"]]
    assert failed and all(answer["failure"]["kind"] for answer in failed)
    assert len(failed) == answers["api/v1/studies/1"]["summary"]["states"]["FAIL"]
    raised = [answer["failure"] for answer in failed if not answer["invalid"]]
    assert all(bool(failure[part]) is not redact for failure in raised for part in ("message", "traceback"))
    assert all(("secret_place.py" in failure["call"]) is not redact for failure in raised)


def test_what_to_expect_is_the_same_without_what_is_private(tmp_path: Path):
    study, path, told = create_study(study_name="s", space={"x": Float(0, 1)}, seed=0), tmp_path / "report.html", []
    study.enqueue_trial({"x": 0.9}, {DEFAULT: True})
    study.optimize(lambda x: x, n_trials=8, progress="none")
    for redact in (False, True):
        study.report(path, redact=redact)
        told.append(recorded(path.read_text(encoding="utf-8"))["api/v1/studies/1/generalisation"])
    assert told[0] == told[1] and told[0]["winner"]["default"] == 0


def test_where_it_comes_from_is_said(storage: SQLiteStorage):
    [footer] = re.findall(r'<footer class="provenance">(.*?)</footer>', report(storage, 2, BEGAN), re.DOTALL)
    for said in ("two-hundred", "203 trials", "seed 0", "sampler tpe", "kilter 0.1", "numpy", "2025-10-09T"):
        assert said in footer


def test_a_report_that_cannot_be_written_or_is_of_nothing(tmp_path: Path, storage: SQLiteStorage):
    with pytest.raises(StudyNotFound):
        report(storage, 99, BEGAN)
    study = create_study(study_name="s", space={"x": Float(0, 1)})
    with pytest.raises(InvalidInput, match="cannot write"):
        study.report(tmp_path / "no" / "folder.html")
    study.report(tmp_path / "empty.html")
    assert recorded((tmp_path / "empty.html").read_text())["api/v1/studies/1"]["summary"]["trials"] == 0
