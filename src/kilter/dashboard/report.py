"""A study in one file that needs no server: the page of the dashboard with the answers that it would be given.

    <style> of the page · <div id="app"> · <footer> with where all this comes from
    <script> answers, the page's script: compressed, and text of base64 · <script> that unpacks the two

Its own policy lets these two scripts run, by their hashes, and has it fetch nothing from anywhere.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from html import escape
from typing import Any

from kilter.analysis.design import noted_design
from kilter.analysis.plain import plain
from kilter.core.attributes import CONFIRMS, DEFAULT, EVALUATION
from kilter.core.errors import KilterError
from kilter.core.events import RETRIES, Failure
from kilter.core.history import History, Record
from kilter.core.interfaces import Storage
from kilter.core.text import printable
from kilter.dashboard import documents
from kilter.dashboard.asking import Ask, Route
from kilter.dashboard.files import files
from kilter.dashboard.questions import QUESTIONS, STUDY
from kilter.dashboard.reading import Reading, Study

MOST_TRIALS = 30
"""So many trials can be opened in a report because they are good: the best, those of the front."""
MOST_FAILED = 50
"""So many because they failed: one of each sort, then the first."""
DIGITS = 7
"""Significant ones of numbers; those of columns have as many."""
KEPT = (RETRIES, CONFIRMS, DEFAULT)
"""Attributes of trials that say which other trial is meant, and stay where others are left out."""
VARIANTS: Mapping[str, tuple[str, ...]] = {f"{STUDY}/convergence": ("against=time", "against=cost")}
"""With what else a route is asked, beside what it takes where nothing is said."""


STYLE = ".provenance{padding:1rem;font-size:.75rem;opacity:.8;overflow-wrap:anywhere}"
LOADER = """(async () => {
  const unpacked = (id) => {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  window.__kilter_static = JSON.parse(await unpacked("answers"));
  if (!location.hash) location.replace(PAGE);
  const script = document.createElement("script");
  script.textContent = await unpacked("script");
  document.body.append(script);
})();"""


def report(storage: Storage, study: int, now: float, *, redact: bool = False) -> str:
    """The page of a study, as HTML.

    `now` is seconds since the epoch. With `redact` it has no attributes, notes, messages of failures, and no names of
    workers, hosts and files; names of the study, its parameters, options and metrics stay. Raises StudyNotFound.
    """
    reading = Reading(storage)
    read = reading.study(study)
    if redact:
        _redact(read)
    answers = dict(_answers(reading, read, now))
    told = answers[f"studies/{study}"]
    address = read.storage.url.partition(":")[0] if redact else reading.address
    recorded = {f"api/v1/{path}": _recorded(answer) for path, answer in answers.items()}
    return _page(read.name, _footer(read, told, address, now, redact), recorded, f"#/{study}")


# -- what is recorded -------------------------------------------------------------------------------------------------


def _answers(reading: Reading, study: Study, now: float) -> Iterator[tuple[str, Any]]:
    """Each address that the page asks, and the answer to it."""
    yield "server", {**documents.server_json(reading, read_only=True), "storage": "", "studies": 1}
    yield f"studies/{study.id}", {**documents.study_json(study, now), "workers": []}
    yield f"studies/{study.id}/columns", study.columns()
    for route in QUESTIONS:
        if route.path.startswith(STUDY) and route.path.count("{") == 1:
            yield from _analysis(route, reading, study, now)
    for number in _told_trials(study):
        yield f"studies/{study.id}/trials/{number}", {**documents.trial_json(study, number), "checkpoint": None}


def _analysis(route: Route, reading: Reading, study: Study, now: float) -> Iterator[tuple[str, Any]]:
    path = route.path.replace("{id:int}", str(study.id)).lstrip("/")
    for variant in ("", *VARIANTS.get(route.path, ())):
        said = dict(item.split("=") for item in variant.split("&") if item)
        ask = _Recorded(reading, now, {"id": study.id}, {**route.defaults, **said}, recorded=study)
        try:
            answer = {"v": 1, "revision": study.revision, **plain(route(ask))}
        except KilterError:  # nothing is known yet, or never will be: the page says so itself
            continue
        yield path + (f"?{variant}" if variant else ""), answer


@dataclasses.dataclass(frozen=True)
class _Recorded(Ask):
    """Asks for a study as it was read, without what came in since, and perhaps without what is nobody's business."""

    recorded: Study | None = None

    @property
    def study(self) -> Study:
        assert self.recorded is not None
        return self.recorded


def _told_trials(study: Study) -> list[int]:
    history = study.log.replica.history
    front = [trial.number for trial in history.front()][: MOST_TRIALS * 2 // 3]
    losses = history.values[:, 0]
    best = [number for number in losses.argsort().tolist() if history.is_candidate(number)][: MOST_TRIALS // 3]
    return sorted({*front, *best, *_told_failures(history)})


def _told_failures(history: History) -> list[int]:
    failed: dict[str, int] = {}
    for trial in history:
        if trial.failure is not None:
            failed.setdefault(trial.failure.sort, trial.number)
    every = [trial.number for trial in history if trial.failure is not None]
    return [*dict.fromkeys([*failed.values(), *every])][:MOST_FAILED]


def _recorded(answer: Any) -> Any:
    """An answer as the page takes it: JSON as it is, bytes packed."""
    return _packed(answer) if isinstance(answer, bytes) else _rounded(plain(answer))


def _packed(data: bytes) -> str:
    """Bytes as text: base64 of gzip."""
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()


def _rounded(data: Any) -> Any:
    if isinstance(data, float):
        return float(f"{data:.{DIGITS}g}")
    if isinstance(data, dict):
        return {name: _rounded(value) for name, value in data.items()}
    return [_rounded(item) for item in data] if isinstance(data, list) else data


# -- what is left out -------------------------------------------------------------------------------------------------


def _redact(study: Study) -> None:
    """Take what is nobody's business out of what was read, so that nothing that is made of it can tell."""
    replica = study.log.replica
    names: dict[str, str] = {}
    history = History(replica.problem)
    for trial in replica.history:
        if trial.worker is not None:
            names.setdefault(trial.worker, f"worker {len(names) + 1}")
        history.add(_redacted(trial, names))
    for number in replica.history.finished:
        history.settle(history[number])
    history.forgiven, history.reports = replica.history.forgiven, replica.history.reports
    replica.history = history
    design = noted_design(replica.attrs)
    replica.attrs = {} if design is None else {EVALUATION: design.to_json()}
    study.begin()


def _redacted(trial: Record, names: Mapping[str, str]) -> Record:
    attrs = {name: value for name, value in trial.attrs.items() if name in KEPT and isinstance(value, int)}
    failure = None if trial.failure is None else Failure(trial.failure.kind)
    worker = None if trial.worker is None else names[trial.worker]
    invalid = None if trial.invalid is None else "left out"
    return dataclasses.replace(trial, worker=worker, failure=failure, attrs=attrs, invalid=invalid)


# -- the file ---------------------------------------------------------------------------------------------------------


def _footer(study: Study, told: Mapping[str, Any], address: str, now: float, redacted: bool) -> str:
    """Where all this comes from, in one paragraph."""
    problem = json.dumps(study.log.replica.problem_json, sort_keys=True)
    digest = hashlib.blake2b(problem.encode(), digest_size=6).hexdigest()
    written = datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="seconds")
    made = ", ".join(f"{name} {version}" for name, version in documents.versions().items())
    parts = [
        f"Study {study.name!r} of {address}",
        f"{told['summary'].trials} trials, revision {study.revision}",
        f"seed {told['seed']}, sampler {told['sampler']}, scheduler {told['scheduler']}, problem {digest}",
        f"written {written} with {made}",
        *(["attributes, notes, messages and names of workers left out"] if redacted else []),
    ]
    return escape(printable(" · ".join(parts), keep=""))


def _page(name: str, footer: str, recorded: Mapping[str, Any], page: str) -> str:
    style = files()["report.css"].body.decode() + STYLE
    script = files()["report.js"].body
    answers = json.dumps(recorded, separators=(",", ":")).encode()
    loader = LOADER.replace("PAGE", json.dumps(page))
    policy = (
        f"default-src 'none'; script-src {_hash(loader)} {_hash(script.decode())}; style-src {_hash(style)}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{escape(printable(name, keep=""))} · kilter</title>
<style>{style}</style>
</head>
<body>
<div id="app"></div>
<noscript><p>This report draws with JavaScript.</p></noscript>
<footer class="provenance">{footer}</footer>
<script type="text/plain" id="answers">{_packed(answers)}</script>
<script type="text/plain" id="script">{_packed(script)}</script>
<script>{loader}</script>
</body>
</html>
"""


def _hash(text: str) -> str:
    """How a policy names an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
