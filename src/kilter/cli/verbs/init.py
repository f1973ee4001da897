"""kilter init."""

from __future__ import annotations

import shutil
import sys

import click

from kilter.cli import options, show

TEMPLATE = """\
# A study of kilter: kilter run {file}
# Lines that begin with # are options; docs/reference/file.md explains each.

# study = "my-study"                      # its name; else that of this file
# storage = "sqlite:///kilter.db"         # where the results are
# seed = 0
# sampler = "auto"                        # or gp, tpe, random, ...
# scheduler = "auto"                      # or asha, hyperband, median, ...; a table [scheduler] has settings
# transfer = "auto"                       # earlier studies of the storage teach it; "none", or a list of their names
# tags = {{ model = "svm" }}                # those that have another value of a name do not
# task = {{ data = "wine" }}                # what may differ between them
# scale = {{ width = 64 }}                  # how large what is tuned is

# The program, once per trial. {{lr}} is the value of a parameter, left out with its option where it is not active.
#   {{x:flag=--x}}   --x where x is true    {{file:yaml}}   the path of a file with all parameters; also json, toml
#   {{dir}} {{seed}} {{trial}} {{attempt}}    {{{{ and }}}}       braces
# It prints its metrics as a line of JSON, {{"loss": 0.5}}, or one number as its last line. A line with a "step",
# {{"step": 3, "loss": 0.7}}, is a report while it runs. Put your own here: "python train.py --lr {{lr}} --opt {{opt}}"
[command]
argv = [
    "{python}", "-c", "print(abs({{lr}} - 0.01) + 1 / {{width}})",
    "--opt", "{{opt}}", "--momentum", "{{momentum}}",
]
# cwd = "."                               # where it runs
# shell = false                           # true: argv is one text for the shell
# env = {{ OMP_NUM_THREADS = "1" }}         # environment variables; placeholders work here too
# gpus_per_trial = 0
# cpus_per_trial = 1
# files = {{ "config.ini" = "lr = {{lr}}" }}  # files that are written into {{dir}} before it starts

[objective]
minimize = "loss"                         # or maximize; a list for several
# constraints = ["latency_ms <= 20"]

[space]
lr = "log(1e-5, 1e-1)"                    # or {{ log = [1e-5, 1e-1] }}
width = "int(16, 512, log)"               # or {{ int = [16, 512], log = true, default = 64 }}
opt = ["adam", "sgd"]                     # a choice
momentum = "float(0, 0.99) if opt == 'sgd'"
# batch = "ordinal(16, 32, 64)"           # values with an order
# amp = "bool"

[budget]
n_trials = 20                             # in total; without any limit it runs until Ctrl-C
# workers = 2                             # trials at once; -1: one a core
# timeout = "2h30m"                       # of one run; what runs then goes on next time
# trial_timeout = "10m"                   # of one trial
# target = 0.01                           # stop once the objective is this good
# patience = 50                           # ... after so many trials without a better one
# steps = 10000                           # ... after so many reported steps in total
# cost = "10h"                            # ... after so much time of trials in total
# gain = 0.001                            # ... once the next hour is expected to bring less than this

# [fidelity]
# epochs = [1, 81]                        # a budget: {{epochs}} in the command, small for most trials

# [report]
# loss = 'loss=(\\S+)'                     # where the program prints no JSON: the number in its output

# [[forbidden]]                           # combinations that are never run
# opt = "sgd"
# width = 512
"""


@click.command("init")
@click.argument("file", required=False, type=click.Path())
@options.debug
def command(file: str | None) -> None:
    """Write a study's file to start from, with all options explained; it runs as it is.

    \b
    kilter init sweep.toml && kilter run sweep.toml
    """
    from kilter.core.errors import InvalidInput

    python = "python" if shutil.which("python") else sys.executable.replace("\\", "/")
    text = TEMPLATE.format(file=file or "FILE", python=python)
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        with open(file, "x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise InvalidInput(f"{file} is there already: give another name") from None
    except OSError as error:
        raise InvalidInput(f"cannot write {file}: {error.strerror}") from None
    show.note(f"wrote {file}: put your program into it, then kilter run {file}")
