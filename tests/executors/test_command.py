"""Commands: what they are given, how their metrics are found, how they end."""

import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from kilter.core.actions import Verdict
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.events import TrialState
from kilter.core.interfaces import Outcome, Progress, Resources, Task
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice
from kilter.core.problem import Objective, Problem
from kilter.core.space import Space
from kilter.executors.command import Command, Program
from kilter.executors.command.files import nested, toml
from kilter.testing.executor import ExecutorSuite

SPACE = Space(
    {
        "lr": Float(0, 1),
        "optim.name": Choice(["sgd", "adam"]),
        "optim.momentum": Float(0, 1),
        "depth": Choice([1, 2, None]),
        "amp": Boolean(),
    }
)
PARAMS = {"lr": 0.1, "optim.name": "it's", "optim.momentum": 0.9, "depth": 2, "amp": True}


def task(directory=None, may_be_stopped=False, metrics=("loss",), **params):
    problem = Problem(SPACE, tuple(Objective(name) for name in metrics))
    return Task(4, 1, {**PARAMS, **params}, problem, 7, directory, may_be_stopped)


def python(code, *arguments, settings=None, **options):
    words = [sys.executable, "-c", code.replace("{", "{{").replace("}", "}}"), *arguments]
    return (settings or Command()).start(Program(words, **options))


def run(command, one=None, answer=lambda progress: Verdict.CONTINUE):
    try:
        command.submit(one or task())
        return ExecutorSuite().until_end(command, answer)
    finally:
        command.close()


def outcome_of(command, one=None):
    return run(command, one)[1]


# -- arguments


@pytest.mark.parametrize(
    ("argv", "params", "expected"),
    [
        (["a", "--lr", "{lr}"], {}, ["a", "--lr", "0.1"]),
        (["a", "--lr={lr}", "{trial}-{seed}"], {}, ["a", "--lr=0.1", "4-7"]),
        (["a", "{amp:flag=--amp}", "b"], {}, ["a", "--amp", "b"]),
        (["a", "{amp:flag=--amp}", "b"], {"amp": False}, ["a", "b"]),
        (["a", "{amp:flag}"], {}, ["a", "--amp"]),
        (["a", "--amp", "{amp}"], {"amp": False}, ["a", "--amp", "false"]),
        (["a", "--depth", "{depth}", "b"], {"depth": None}, ["a", "b"]),
        (["a", "--depth={depth}", "b"], {"depth": None}, ["a", "b"]),
        (["a", "--", "{depth}"], {"depth": None}, ["a", "--"]),
        (["a", "{{lr}}", "{{{lr}}}"], {}, ["a", "{lr}", "{0.1}"]),
        ("a --name {optim.name} 'x y'", {}, ["a", "--name", "it's", "x y"]),
        (["a", "{dir}/x", "{file:json}"], {}, ["a", "/t/x", "/t/params.json"]),
    ],
)
def test_templates(argv, params, expected):
    assert Program(argv).expand(task("/t", **params)) == expected


def test_a_shell_gets_quoted_values():
    command = Program("echo {optim.name} --depth {depth} {amp:flag=--amp} | cat", shell=True)
    assert command.expand(task(depth=None)) == ["echo 'it'\"'\"'s'  --amp | cat"]
    found = outcome_of(Command().start(Program("echo $((1 + {depth}))", shell=True)))
    assert found.metrics == {"loss": 3.0}


@pytest.mark.parametrize(
    ("argv", "error", "words"),
    [
        (["a", "{optim.nme}"], UnknownName, "did you mean 'optim.name'"),
        (["a", "{lr:x}"], InvalidInput, "flag=--option"),
        (["a", "{file:jsn}"], UnknownName, "did you mean 'json'"),
        (["a", '{"lr'], InvalidInput, "double a brace"),
        (["a", "x{amp:flag=--amp}"], InvalidInput, "argument of its own"),
        ([], InvalidInput, "empty"),
        (["a", "{}"], InvalidInput, "names no parameter"),
    ],
)
def test_wrong_templates_are_refused_before_any_trial(argv, error, words):
    with pytest.raises(error, match=words):
        Program(argv).check(SPACE)


def test_submit_checks_too():
    with pytest.raises(UnknownName):
        Command().start(["a", "{rl}"]).submit(task())


def test_a_parameter_and_a_branch_of_one_name_fit_no_file():
    with pytest.raises(InvalidInput, match=r"optim\.name"):
        Program(["a", "{file:json}"]).check(Space({"optim": Int(0, 1), "optim.lr": Float(0, 1)}))


def test_bad_patterns_are_refused():
    with pytest.raises(InvalidInput, match="no group"):
        Program(["a"], metric_patterns={"loss": "loss=.*"})
    with pytest.raises(InvalidInput, match="not a regular expression"):
        Program(["a"], metric_patterns={"loss": "("})


# -- files and environment


READERS = {
    "json": "import json; d = json.load(open(sys.argv[1]))",
    "yaml": "import yaml; d = yaml.safe_load(open(sys.argv[1]))",
}


@pytest.mark.parametrize("fmt", READERS)
def test_a_file_holds_all_parameters(fmt, tmp_path):
    code = f"import sys; {READERS[fmt]}; print(d['lr'] + d['optim']['momentum'] + (d['optim']['name'] == \"it's\"))"
    assert outcome_of(python(code, "{file:" + fmt + "}"), task(str(tmp_path))).metrics == {"loss": 2.0}


def test_toml():
    tree = nested({"lr": 1e-05, "a.b.c": 'x"\n', "a.odd key": True, "n": None, "a.l": [1, 2.5]})
    text = toml(tree)
    tomllib = pytest.importorskip("tomllib")
    assert tomllib.loads(text) == {"lr": 1e-05, "a": {"b": {"c": 'x"\n'}, "odd key": True, "l": [1, 2.5]}}


def test_the_environment_and_files(tmp_path):
    code = (
        "import os, json; e = os.environ; print(json.dumps({'loss': 1, 'trial': int(e['KILTER_TRIAL']),"
        "'attempt': int(e['KILTER_ATTEMPT']), 'lr': float(e['KILTER_PARAM_LR']),"
        "'m': float(e['KILTER_PARAM_OPTIM_MOMENTUM']), 'own': float(e['OWN']), 'none': int('NONE' in e),"
        "'file': float(open(e['KILTER_CHECKPOINT_DIR'] + '/sub/x.txt').read()),"
        "'cwd': int(os.getcwd().endswith('run-4'))}))"
    )
    command = python(
        code, env={"OWN": "{seed}.5", "NONE": "{depth}"}, files={"sub/x.txt": "{lr}"}, cwd=str(tmp_path / "run-{trial}")
    )
    outcome = outcome_of(command, task(str(tmp_path / "dir"), depth=None))
    assert outcome.metrics == {
        "loss": 1,
        "trial": 4,
        "attempt": 1,
        "lr": 0.1,
        "m": 0.9,
        "own": 7.5,
        "none": 0,
        "file": 0.1,
        "cwd": 1,
    }


def test_output_is_kept_in_the_directory(tmp_path):
    outcome_of(python("import sys; print('hello'); print('oops', file=sys.stderr); print(1)"), task(str(tmp_path)))
    assert (tmp_path / "stdout.log").read_text() == "hello\n1\n"
    assert (tmp_path / "stderr.log").read_text() == "oops\n"


# -- metrics


@pytest.mark.parametrize(
    ("code", "options", "expected"),
    [
        ("print(0.25)", {}, {"loss": 0.25}),
        ("print('''{\"level\": 3}\\n{\"loss\": 0.5, \"acc\": 1}\\nbye''')", {}, {"loss": 0.5, "acc": 1.0}),
        ('print(\'\'\'{"loss": 2, "step": 0}\\n{"loss": 1, "step": 1}\'\'\')', {}, {"loss": 1.0}),
        ("print('loss=3\\nloss=2 done')", {"metric_patterns": {"loss": r"loss=(\S+)"}}, {"loss": 2.0}),
        ("print('1: loss 3\\n2: loss 2')", {"metric_patterns": {"loss": r"(?P<step>\d+): loss (\S+)"}}, {"loss": 2.0}),
        ("import os; open(os.environ['KILTER_REPORT'], 'w').write('{\"loss\": 4}')", {}, {"loss": 4.0}),
    ],
)
def test_where_metrics_are_found(code, options, expected):
    assert outcome_of(python(code, **options)).metrics == expected


@pytest.mark.parametrize("way", ["stdout", "file", "pattern"])
def test_reports_arrive(way):
    line = {"stdout": "print(json.dumps(dict(loss=i, step=i)))", "pattern": "print(f'{i}: {i}')"}.get(
        way, "open(os.environ['KILTER_REPORT'], 'a').write(json.dumps(dict(loss=i, step=i)) + chr(10))"
    )
    patterns = {"loss": r"(?P<step>\d+): (\d+)"} if way == "pattern" else {}
    progress, outcome = run(python(f"import json, os\nfor i in range(5): {line}", metric_patterns=patterns))
    steps = [r for p in progress for r in p.reports] + list(outcome.reports)
    assert [(r.step, r.metrics["loss"]) for r in steps] == [(i, float(i)) for i in range(5)]


ENDLESS = """
import time, itertools
for i in itertools.count():
    print('{"loss": 1, "step": %d}' % i, flush=True)
    time.sleep(0.02)
"""


def test_an_answer_prunes():
    _, outcome = run(python(ENDLESS), task(may_be_stopped=True), answer=lambda progress: Verdict.STOP)
    assert outcome.state is TrialState.PRUNED
    assert outcome.metrics == {"loss": 1.0}


# -- ends


def test_an_exit_code_fails_with_the_last_words():
    outcome = outcome_of(python("import sys; print(1); print('a', file=sys.stderr); sys.exit('bad data')"))
    assert outcome.failure.kind == "exit"
    assert outcome.failure.message == "exit code 1: bad data"
    assert outcome.failure.traceback == "a\nbad data\n"


def test_a_missing_metric_says_where_it_was_looked_for():
    outcome = outcome_of(python("print('done')", metric_patterns={"loss": r"loss=(\S+)"}))
    assert outcome.failure.kind == "return"
    for words in ("'loss'", "KILTER_REPORT", "loss=", "last line was 'done'"):
        assert words in outcome.failure.message


def test_several_metrics_are_all_needed():
    one = task(metrics=("loss", "time"))
    assert "'time'" in outcome_of(python("print('{\"loss\": 1}')"), one).failure.message
    assert outcome_of(python('print(\'{"loss": 1, "time": 2}\')'), one).metrics == {"loss": 1.0, "time": 2.0}


def test_nan_fails():
    assert outcome_of(python("print('nan')")).failure.kind == "nan"


def test_a_program_that_is_not_there_fails():
    assert outcome_of(Command().start(["/no/such/program"])).failure.kind == "FileNotFoundError"


STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
print('{"loss": %d, "step": 0}' % child.pid, flush=True)
time.sleep(600)
"""


def test_stop_kills_the_group_of_a_program_that_ignores_it():
    command = python(STUBBORN, settings=Command(grace=0.3))
    command.submit(task())
    progress = next(ExecutorSuite().messages(command))
    assert isinstance(progress, Progress)
    child = int(progress.reports[0].metrics["loss"])
    command.stop(4)
    outcome = ExecutorSuite().until_end(command)[1]
    command.close()
    assert outcome.failure.kind == "stopped"
    try:
        psutil.Process(child).wait(timeout=20)
    except psutil.NoSuchProcess:
        pass
    except psutil.TimeoutExpired:
        assert psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_close_ends_what_runs():
    before = psutil.Process().children()  # a server that other tests use may be among them
    command = python(ENDLESS)
    command.submit(task())
    next(ExecutorSuite().messages(command))
    command.close()
    assert not [p for p in psutil.Process().children() if p not in before and p.status() != psutil.STATUS_ZOMBIE]


def test_limits():
    wait = "import time; time.sleep(600)"
    assert outcome_of(python(wait, settings=Command(resources=Resources(seconds=0.5)))).failure.kind == "timeout"
    swell = "x = bytearray(b'1') * (300 << 20); " + wait
    assert outcome_of(python(swell, settings=Command(resources=Resources(memory=200 << 20)))).failure.kind == "memory"


def test_many_tasks_over_few_slots():
    command = Command(3).start(["echo", "{trial}"])
    waiting = [replace(task(), number=n) for n in range(12)]
    for one in waiting[:3]:
        command.submit(one)
    rest, ended = iter(waiting[3:]), {}
    for message in ExecutorSuite().messages(command):
        if isinstance(message, Outcome):
            ended[message.number] = message.metrics["loss"]
            if (following := next(rest, None)) is not None:
                command.submit(following)
        if len(ended) == 12:
            break
    command.close()
    assert ended == {n: float(n) for n in range(12)}


# -- values in a shell's text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo '{optim.name}'", "within quotes"),
        ('echo "{optim.name}"', "within quotes"),
        ("echo 'a {optim.name} b'", "within quotes"),
        ('echo "it\'s {optim.name}"', "within quotes"),
        ("echo 'a' \"b\" '{lr}'", "within quotes"),
        ('echo "a \\" {lr}"', "within quotes"),
        ("echo $'a\\' {lr}'", "within quotes"),
        ("echo `cat {lr}`", "within backticks"),
        ("echo \\{lr}", "after a backslash"),
        ("echo ${lr}", "after a \\$"),
        ("echo a # {lr}", "in a comment"),
        ("cat <<END\n{lr}\nEND", "here-document"),
        ("cat <<-'END'\n{lr}\nEND", "here-document"),
        ('echo "{dir}/x"', "within quotes"),
        ('echo "{file:json}"', "within quotes"),
    ],
)
def test_a_value_whose_quotes_the_shell_would_take_apart_is_refused(text, said):
    with pytest.raises(InvalidInput, match=f"stands .*{said}.*quotes values itself: write"):
        Program(text, shell=True)


HOSTILE_OPTIONS = [
    "$(touch x)",
    "'; touch x; '",
    "`touch x`",
    '"; touch x; "',
    "\\'; touch x #",
    "a\ntouch x",
    "*",
    "!!",
]


@pytest.mark.parametrize(
    "text",
    [
        "printf %s {x}",
        "printf %s 'a'{x}\"b\"",
        'printf %s "it\'s" {x}',
        "printf %s a#{x}",
        "printf %s \\\\{x}",
        "cat <<< {x}",
        "printf %s $(printf %s {x})",
        "printf %s 'a' # a comment\nprintf %s {x}",
    ],
)
def test_whatever_an_option_holds_the_shell_sees_one_word(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    problem = Problem(Space({"x": Choice(HOSTILE_OPTIONS)}), (Objective("loss"),))
    for option in HOSTILE_OPTIONS:
        command = Program(text, shell=True)
        one = Task(0, 1, {"x": option}, problem, 7, None, False)
        [line] = command.expand(one)
        subprocess.run(["bash", "-c", line], check=False, capture_output=True, timeout=20)
        assert not list(tmp_path.iterdir()), line


def test_a_text_is_refused_in_arithmetic():
    with pytest.raises(InvalidInput, match=r"\{x\} stands in \$\(\("):
        Program("echo $((1 + {x}))", shell=True).check(Space({"x": Choice([1, "a[$(touch x)]"])}))
    Program("echo $((1 + {x})) {y}", shell=True).check(Space({"x": Int(1, 3), "y": Choice(["a"])}))
