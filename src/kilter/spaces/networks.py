"""The space of fine-tuning a pre-trained network, of text or images.

The ranges hold what was published: rates, batches and epochs of BERT (Devlin et al. 2019, appendix A.3) and ELECTRA
(Clark et al. 2020, table 7), which also scales rates by layer, as ULMFiT (Howard and Ruder 2018, a factor of 2.6 from
layer to layer) and BEiT (Bao et al. 2022) do; frozen layers of Lee, Tang and Lin 2019 ("What would Elsa do?"); LoRA of
Hu et al. 2021, with the rate at ten times that of training all weights and with all linear layers as targets as in
"LoRA without regret" (Schulman et al. 2025).
"""

from __future__ import annotations

from collections.abc import Sequence

from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice
from kilter.core.parameter import Parameter

METHODS = ("full", "lora")


def finetuning(layers: int = 12, methods: Sequence[str] = METHODS) -> dict[str, Parameter]:
    """For fine-tuning a model of so many layers: its own weights, "full", or a change of low rank beside them, "lora".

    What all share has the names and the defaults of transformers.TrainingArguments, and LoRA the defaults of peft, so
    that the first trial is the Trainer as it comes. `kilter.integrations.torch.adapt` and `parameter_groups` make of a
    configuration what is trained, and how fast, in any PyTorch model.

        learning_rate       of all that is trained with "full"; below the head it falls by layer_decay
        layer_decay         rate of a layer over that of the layer above it
        frozen_layers       layers from the bottom that stay as they are, with the embedding if it is one or more;
                            with all of them only the head is trained
        lora_learning_rate  of all that is trained with "lora"
        lora_rank           columns of the change's two factors
        lora_alpha          the change is scaled by lora_alpha / lora_rank
        lora_dropout        share of the inputs that the change does not see
        lora_targets        which linear layers get one: those of the attention, or all
        pooling             what stands for a text or an image: its first token, or the mean of all
        warmup_steps        share of the steps in which the rate rises (Transformers before 5: name it warmup_ratio)

    Models without tokens have no pooling, and some no linear layers: `finetuning(4, ["full"])` without "pooling" is for
    a ResNet, with its stages as layers. Where epochs are a Fidelity take out "num_train_epochs".

    Raises InvalidInput for fewer than one layer and for no method, UnknownName for another method.

    >>> finetuning(layers=6)["lora_rank"]
    Int(1, 64, log=True, default=8).when({'method': ['lora']})
    >>> list(finetuning(6, ["lora"]))[:3]
    ['lora_learning_rate', 'lora_rank', 'lora_alpha']
    """
    _check(layers, methods)
    spaces = {"full": _full(layers), "lora": _lora()}
    if len(methods) == 1:
        return spaces[methods[0]] | _shared()
    own = {name: p.when(method=method) for method in methods for name, p in spaces[method].items()}
    return {"method": Choice(list(methods), default=methods[0]), **own, **_shared()}


def _full(layers: int) -> dict[str, Parameter]:
    return {
        "learning_rate": Float(5e-6, 1e-3, log=True, default=5e-5),
        "layer_decay": Float(0.6, 1.0, default=1.0),
        "frozen_layers": Int(0, layers, default=0),
    }


def _lora() -> dict[str, Parameter]:
    return {
        "lora_learning_rate": Float(5e-5, 1e-2, log=True, default=5e-4),
        "lora_rank": Int(1, 64, log=True, default=8),
        "lora_alpha": Int(1, 128, log=True, default=8),
        "lora_dropout": Float(0.0, 0.3, default=0.0),
        "lora_targets": Choice(["attention", "all-linear"], default="attention"),
    }


def _shared() -> dict[str, Parameter]:
    return {
        "pooling": Choice(["first", "mean"], default="first"),
        "warmup_steps": Float(0.0, 0.3, default=0.0),
        "weight_decay": Float(0.0, 0.1, default=0.0),
        "num_train_epochs": Int(1, 10, log=True, default=3),
        "per_device_train_batch_size": Int(4, 64, log=True, default=8),
    }


def _check(layers: int, methods: Sequence[str]) -> None:
    if isinstance(layers, bool) or not isinstance(layers, int) or layers < 1:
        raise InvalidInput(f"layers={layers!r}: give the number of the model's layers, 1 or more")
    if isinstance(methods, str) or not methods or len(set(methods)) < len(methods):
        raise InvalidInput(f"methods={methods!r}: give a list of {' and '.join(METHODS)}, or of one of them")
    for method in methods:
        if method not in METHODS:
            raise UnknownName.of("method of fine-tuning", method, METHODS)
