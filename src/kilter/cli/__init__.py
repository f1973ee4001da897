"""The command `kilter`: one verb a module in kilter.cli.verbs, each a few lines over kilter.api; loaded when called."""

from __future__ import annotations

import click

from kilter.cli.group import Verbs

VERBS = {
    "init": "Write a study's file to start from.",
    "run": "Tune a program: create a study, or go on with it.",
    "automl": "Find a model for a table of rows, and say what it will score.",
    "predict": "Predict the rows of a table with such a model.",
    "retry": "Queue failed trials to be run again.",
    "resume": "Go on with a study that `kilter run` made.",
    "worker": "Lend a hand to a study: run its trials beside other workers.",
    "pause": "Have no trial begin anywhere; what runs goes on.",
    "unpause": "Have trials begin again.",
    "stop": "End all runs of a study.",
    "budget": "Add trials or time to a study's budget.",
    "check": "Check a study file, show the command of one trial, or try it.",
    "doctor": "Say what is wrong with a storage and its workers, and what to do.",
    "ls": "List the studies.",
    "status": "Say where a study stands.",
    "top": "Show the studies that run, and keep up with them.",
    "best": "Print the best configuration.",
    "trials": "List the trials of a study.",
    "trial": "Show one trial with its reports and its failure.",
    "fetch": "Copy the artifacts and the checkpoint of a trial into a folder.",
    "dashboard": "Look at studies in a browser, and steer them.",
    "serve": "Serve studies to workers elsewhere, in any language.",
    "report": "Write a study as one HTML file.",
    "importance": "Say which parameters matter, and how much.",
    "diagnose": "Say what is wrong with a study, or worth a look, and what to do.",
    "compare": "Say which of several studies did better, and whether that is chance.",
    "transfer": "Say what a study learns from earlier ones, and what it owes to them.",
    "portfolio": "Choose the few configurations to try first on new data, from earlier studies.",
    "export": "Write all trials as CSV, JSON lines or Parquet, or for Optuna.",
    "import": "Import Optuna studies.",
    "enqueue": "Have a configuration tried next.",
    "invalidate": "Have the result of a trial count no more.",
    "note": "Note something on a study or a trial.",
    "tag": "Give a study tags.",
    "rm": "Remove a study.",
    "mcp": "Serve studies to an assistant (Model Context Protocol).",
    "bench": "Race samplers on test problems, or on your own objective.",
}


def _version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from kilter import __version__

        click.echo(f"kilter {__version__}")
        context.exit()


@click.group(cls=Verbs, verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Print the version."
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
def main() -> None:
    """Tune the parameters of any program.

    \b
    kilter run -p 'lr=log(1e-5,1e-1)' --minimize loss -n 50 -- \\
        python train.py --lr {lr}
    kilter best --format args

    Exit codes: 0 done, 1 internal error, 2 wrong usage, 3 no such study or trial, 4 no successful trial, 5 storage
    trouble, 6 target not reached (--strict), 130 and 143 interrupted, with everything saved.
    """
