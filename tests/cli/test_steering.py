"""The verbs by which a study is steered from a shell."""

from __future__ import annotations

from tests.cli.conftest import URL, document, kilter, ok

from kilter import Float, Study, create_study
from kilter.cli import group
from kilter.core.events import TrialState


def made(name: str = "digits", trials: int = 4) -> Study:
    study = create_study(study_name=name, storage=URL, space={"x": Float(0, 1)}, sampler="random", seed=0)
    study.optimize(lambda x: x, n_trials=trials, progress="none")
    return study


def test_pause_unpause_and_stop() -> None:
    study = made()
    assert "kilter unpause digits lets it go on" in ok("pause")
    assert "paused already" in ok("pause", "digits")
    assert "digits, paused" in ok("status")
    assert document("status")["control"] == "paused"
    assert ok("unpause") == "its workers go on\n"
    assert ok("unpause") == "it was neither paused nor stopped\n"
    assert ok("stop") == "stopped; nothing runs\n"
    assert "stopped no more" in ok("unpause")
    ok("stop")
    study.ask()
    assert document("stop", "--now") == {"study": "digits", "control": "stopped", "running": 1}
    assert document("pause")["control"] == "paused"


def test_resume_lifts_a_pause() -> None:
    words = ["-p", "x=float(0,1)", "--minimize", "loss", "-s", "echo", "--progress", "none", "--", "echo", "{x}"]
    ok("run", "-n", "2", *words)
    ok("pause")
    assert "no longer paused" in ok("resume", "-n", "3", "--progress", "none")
    assert document("status")["trials"] == 3


def test_budget() -> None:
    study = made()
    assert "20 trials and 1:30:00 more" in ok("budget", "-n", "20", "-t", "1h30m")
    assert study.log.read()[-1].event.seconds == 5400.0
    assert document("budget", "-n", "2") == {"study": "digits", "trials": 2, "seconds": 0.0}
    assert kilter("budget").exit_code == group.USAGE
    assert "must read like" in kilter("budget", "-t", "soon").stderr


def test_invalidate_and_retry() -> None:
    study = made()
    best = str(study.best_trial.number)
    assert f"trial {best} no longer counts" in ok("invalidate", "digits", best, "-m", "wrong data")
    assert ok("invalidate", best, "-m", "again") == "no news\n"
    assert "invalidated: wrong data" in ok("trial", best)
    assert document("invalidate", best, "-m", "x") == {"study": "digits", "invalidated": []}
    assert "4" in ok("retry", best)
    assert ok("retry", "--failed") == "no trial has failed\n"
    assert kilter("invalidate", "77", "-m", "x").exit_code == group.NOT_FOUND
    assert kilter("invalidate", "digits", "-m", "x").exit_code == group.USAGE
    assert "only a finished trial" in kilter("invalidate", "4", "-m", "x").stderr
    assert study.trials[4].state is TrialState.WAITING


def test_notes_and_tags() -> None:
    made()
    assert ok("note", "-m", "all of it") == "study: all of it\n"
    ok("note", "digits", "2", "-m", "look")
    assert ok("note", "digits") == "study: all of it\ntrial 2: look\n"
    assert ok("note", "2") == "trial 2: look\n"
    assert document("note") == {"study": "digits", "note": "all of it", "trials": {"2": "look"}}
    ok("note", "2", "-m", "")
    assert document("note", "2")["trials"] == {}
    assert ok("tag", "digits", "paper", "two words") == "paper\ntwo words\n"
    assert document("tag", "-s", "digits", "paper", "--remove")["tags"] == ["two words"]
    assert "tags" in ok("status") and "two words" in ok("status") and "two words" in ok("ls")
    ok("note", "2", "-m", "look")
    ok("invalidate", "2", "-m", "wrong")
    assert "note: look\nits result counts no more: wrong\n" in ok("trial", "2")
    assert (document("trial", "2")["note"], document("trial", "2")["invalid"]) == ("look", "wrong")


def test_they_need_no_plug_in_and_show_nothing_that_a_terminal_obeys() -> None:
    hostile = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e"
    made(f"s{hostile}")
    verbs = [
        *(["pause"], ["unpause"], ["stop"], ["budget", "-n", "1"], ["invalidate", "0", "-m", hostile]),
        *(["note", "-m", hostile], ["note", "0", "-m", hostile], ["tag", f"s{hostile}", hostile], ["retry", "0"]),
        *(["note"], ["tag"], ["status"], ["trial", "0"], ["trials"], ["ls"]),
    ]
    for words in [*verbs, *([*words, "--json"] for words in verbs)]:
        result = kilter(*words)
        shown = result.stdout + result.stderr
        assert result.exit_code == 0, shown
        assert all(c.isprintable() or c in "\n" for c in shown), words


def test_a_long_note_and_many_tags_are_shown_by_their_beginnings() -> None:
    study = made()
    study.set_note("n" * 5_000)
    study.add_tags(*(f"{k}" * 150 for k in range(9)))
    for shown in (ok("status", "digits"), ok("ls", "--wide")):
        assert all(len(line) < 300 for line in shown.splitlines()) and "…" in shown
