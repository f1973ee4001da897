"""What a configuration of `kilter.spaces.finetuning` makes of a pre-trained model: what is trained, and how fast.

    def objective(trial):
        model = adapt(pretrained(), trial.params)                    # frozen layers, or LoRA
        optimizer = torch.optim.AdamW(parameter_groups(model, trial.params))
        ...

A model is seen as what it registers before its layers (an embedding), its layers from the bottom up, and what comes
after them (norms, poolers, the head). The layers are its longest list of modules of one kind, or named by the user.

    symbol  shape                what
    W       (outputs, inputs)    the weight of a linear layer, which stays as it is
    A       (rank, inputs)       `down`, drawn at random
    B       (outputs, rank)      `up`, zero at first, so that training begins at the pre-trained model
    x       (…, inputs)          W x + alpha / rank · B A dropout(x) is what the layer gives (Hu et al. 2021, section 4)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from kilter.core.errors import InvalidInput, UnknownName
from kilter.spaces.networks import METHODS

ATTENTION = ("attention", "attn")
"""One of them is in the path of each linear layer of an attention, in Transformers, timm and PyTorch."""


def adapt(model: nn.Module, settings: Mapping[str, Any], layers: str | Sequence[str] | None = None) -> nn.Module:
    """The model itself, with its lower layers frozen, or with LoRA in its linear layers, as the settings say.

    `settings` is a configuration of `kilter.spaces.finetuning`; of it `frozen_layers` and those that begin with "lora"
    count here. With `frozen_layers` above zero what lies below the layers is frozen too. With LoRA all layers and what
    is below them stay as they are, and the changes and what lies above are trained. `layers` names the list of layers,
    or the layers from the bottom up, where they are not found.

    Batch norms of frozen layers keep counting means while the model is in training mode.

    Raises InvalidInput where the layers are not found, or fewer than are to be frozen, and where no linear layer is a
    target; UnknownName for layers and targets that there are not.

    >>> model = nn.Sequential(nn.Embedding(9, 4), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), nn.Linear(4, 2))
    >>> adapted = adapt(model, {"lora_rank": 1, "lora_alpha": 2, "lora_dropout": 0.0, "lora_targets": "all-linear"})
    >>> [name for name, value in adapted.named_parameters() if value.requires_grad]
    ['1.0.down', '1.0.up', '1.1.down', '1.1.up', '2.weight', '2.bias']
    """
    stack = Stack(model, layers)
    if not _has_lora(settings):
        frozen = settings.get("frozen_layers", 0)
        if not 0 <= frozen <= len(stack):
            raise InvalidInput(f"frozen_layers={frozen}: the model has {len(stack)} layers; finetuning(layers=…) says")
        stack.freeze(frozen)
        return model
    for name in ("lora_rank", "lora_alpha", "lora_dropout", "lora_targets"):
        if name not in settings:
            raise InvalidInput(f"no {name} in {dict(settings)!r}")
    targets = target_modules(model, settings["lora_targets"], layers)
    stack.freeze(len(stack))
    for name in targets:
        low_rank = LowRank(
            model.get_submodule(name), settings["lora_rank"], settings["lora_alpha"], settings["lora_dropout"]
        )
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, low_rank)
    return model


def parameter_groups(
    model: nn.Module, settings: Mapping[str, Any], layers: str | Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Groups for an optimizer: all that is trained, each with its learning rate and weight decay.

    With LoRA all of it has `lora_learning_rate`. Else the head has `learning_rate`, the highest
    layer that times `layer_decay`, the one below that times its square, and so on down to the embedding. Biases, and
    the weights of norms, have no weight decay. `layers` is as in `adapt`, which comes first.

    Raises InvalidInput where there is no learning rate, nothing to train, or the layers are not found.

    >>> model = nn.Sequential(nn.Embedding(9, 4), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), nn.Linear(4, 2))
    >>> groups = parameter_groups(model, {"learning_rate": 0.1, "layer_decay": 0.5})
    >>> [group["lr"] for group in groups]
    [0.0125, 0.025, 0.05, 0.1]
    """
    stack = Stack(model, layers)
    has_lora = _has_lora(settings)
    name = "lora_learning_rate" if has_lora else "learning_rate"
    decay = 1.0 if has_lora else settings.get("layer_decay", 1.0)
    if name not in settings:
        raise InvalidInput(f"no {name} in {dict(settings)!r}")
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for place, parameter in model.named_parameters():
        if parameter.requires_grad:
            own_rate = settings[name] * decay ** (len(stack) + 1 - stack.depth(place))
            own_decay = settings.get("weight_decay", 0.0) if parameter.ndim > 1 else 0.0
            groups.setdefault((own_rate, own_decay), []).append(parameter)
    if not groups:
        raise InvalidInput("nothing of the model is trained: all of its parameters are frozen, and it has no head")
    return [{"params": found, "lr": lr, "weight_decay": decay} for (lr, decay), found in groups.items()]


def lora_arguments(
    model: nn.Module, settings: Mapping[str, Any], layers: str | Sequence[str] | None = None
) -> dict[str, Any]:
    """The arguments of `peft.LoraConfig` for a configuration with LoRA, for those who let peft put it in place.

    `parameter_groups` takes the model that peft makes as it takes any other.

    >>> model = nn.Sequential(nn.Embedding(9, 4), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), nn.Linear(4, 2))
    >>> lora_arguments(model, {"lora_rank": 1, "lora_alpha": 2, "lora_dropout": 0.1, "lora_targets": "all-linear"})
    {'r': 1, 'lora_alpha': 2, 'lora_dropout': 0.1, 'target_modules': ['1.0', '1.1']}
    """
    return {
        "r": settings["lora_rank"],
        "lora_alpha": settings["lora_alpha"],
        "lora_dropout": settings["lora_dropout"],
        "target_modules": target_modules(model, settings["lora_targets"], layers),
    }


def target_modules(model: nn.Module, targets: str, layers: str | Sequence[str] | None = None) -> list[str]:
    """Names of the linear layers that LoRA changes: those of the "attention", or "all-linear" ones, of all layers.

    Raises UnknownName for other targets, and InvalidInput where there is none.
    """
    if targets not in ("attention", "all-linear"):
        raise UnknownName.of("targets of LoRA", targets, ("attention", "all-linear"))
    stack = Stack(model, layers)
    found = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and 0 < stack.depth(name) <= len(stack)
        and (targets == "all-linear" or any(word in name for word in ATTENTION))
    ]
    if not found:
        raise InvalidInput(f"lora_targets={targets!r}: no such torch.nn.Linear in the model's {len(stack)} layers")
    return found


def pooled(hidden: torch.Tensor, mask: torch.Tensor | None = None, pooling: str = "mean") -> torch.Tensor:
    """One row for each text or image, of hidden states (rows, tokens, width): its "first" token, or the "mean" of all.

    `mask` (rows, tokens) is 1 where there is a token. Raises UnknownName for another pooling.

    >>> pooled(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[1, 1, 0]]))
    tensor([[2.]])
    """
    if pooling == "first":
        return hidden[:, 0]
    if pooling != "mean":
        raise UnknownName.of("pooling", pooling, ("first", "mean"))
    if mask is None:
        return hidden.mean(1)
    return (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


class Stack:
    """The layers of a model, and how deep in it each parameter lies: 0 below the layers, then from 1 on, then above.

    Raises InvalidInput where no list of modules of one kind has most of the model's parameters, embeddings aside;
    UnknownName for a layer that there is not.
    """

    def __init__(self, model: nn.Module, layers: str | Sequence[str] | None = None) -> None:
        self.model = model
        self.names = _named(model, layers) if layers else _found(model)
        """Of the layers, from the bottom up."""
        if not self.names:
            raise InvalidInput(f"layers={layers!r}: there are none in it")
        order = [name for name, _ in model.named_parameters()]
        first = min((i for i, name in enumerate(order) if is_in(name, self.names[0])), default=0)
        self._below = set(order[:first])

    def __len__(self) -> int:
        return len(self.names)

    def depth(self, name: str) -> int:
        """Of a parameter or module, by its name."""
        for i, layer in enumerate(self.names):
            if is_in(name, layer):
                return i + 1
        return 0 if name in self._below else len(self) + 1

    def freeze(self, layers: int) -> None:
        """So many layers from the bottom, and what lies below them, stay as they are; nothing does with 0."""
        for name, parameter in self.model.named_parameters():
            if layers and self.depth(name) <= layers:
                parameter.requires_grad_(False)


class LowRank(nn.Module):
    """A linear layer that stays as it is, and beside it a change of low rank that is learnt.

    In a state dict it has the tensors of the linear layer under "base", and `down`, `up` and `scale`, which `merged`
    makes one weight of.
    """

    scale: torch.Tensor

    def __init__(self, base: nn.Module, rank: int, alpha: float, dropout: float) -> None:
        super().__init__()
        assert isinstance(base, nn.Linear)
        self.base = base
        self.down = nn.Parameter(base.weight.new_empty(rank, base.in_features))
        self.up = nn.Parameter(base.weight.new_zeros(base.out_features, rank))
        self.register_buffer("scale", base.weight.new_tensor(alpha / rank))
        self.dropout = nn.Dropout(dropout)
        nn.init.kaiming_uniform_(self.down, math.sqrt(5))  # as the linear layer itself begins

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What the linear layer gives, and the change."""
        change = functional.linear(functional.linear(self.dropout(x), self.down), self.up)
        given: torch.Tensor = self.base(x)
        return given + self.scale * change

    @property
    def weight(self) -> torch.Tensor:
        """Of both together, for modules that take the weights of their parts instead of calling them."""
        return self.base.weight + self.scale * self.up @ self.down

    @property
    def bias(self) -> torch.Tensor | None:
        """Of the linear layer."""
        return self.base.bias


def merged(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state dict of a model with LoRA as one of the model without: the changes are in the weights.

    >>> model = nn.Sequential(LowRank(nn.Linear(2, 1), 1, 1, 0.0))
    >>> list(merged(model.state_dict()))
    ['0.weight', '0.bias']
    """
    changed = {name.removesuffix(".base.weight") for name in state if name.endswith(".base.weight")}
    changed = {place for place in changed if f"{place}.down" in state}
    plain = {}
    for name, tensor in state.items():
        place, _, last = name.rpartition(".")
        if place.removesuffix(".base") in changed and place.endswith(".base"):
            place = place.removesuffix(".base")
            if last == "weight":
                tensor = tensor + state[f"{place}.scale"] * state[f"{place}.up"] @ state[f"{place}.down"]
            plain[f"{place}.{last}"] = tensor
        elif place not in changed:
            plain[name] = tensor
    return plain


def _has_lora(settings: Mapping[str, Any]) -> bool:
    """Of settings without a method, by whether there is a rank."""
    if "method" not in settings:
        return "lora_rank" in settings
    if settings["method"] not in METHODS:
        raise UnknownName.of("method", settings["method"], METHODS)
    return bool(settings["method"] == "lora")


def _named(model: nn.Module, layers: str | Sequence[str]) -> list[str]:
    known = {name for name, _ in model.named_modules() if name}
    names = [layers] if isinstance(layers, str) else list(layers)
    for name in names:
        if name not in known:
            raise UnknownName.of("module of the model", name, known)
    if isinstance(layers, str):
        return [f"{layers}.{name}" for name, _ in model.get_submodule(layers).named_children()]
    return names


def _found(model: nn.Module) -> list[str]:
    lists = {
        name: list(module.named_children())
        for name, module in model.named_modules()
        if isinstance(module, (nn.ModuleList, nn.Sequential)) and len({type(part) for part in module}) == 1
    }
    name = max(lists, key=lambda each: len(lists[each]), default="")
    embeddings = sum(_size(module) for module in model.modules() if isinstance(module, nn.Embedding))
    if not lists or _size(model.get_submodule(name)) <= (_size(model) - embeddings) / 2:
        raise InvalidInput(
            f"the layers of this {type(model).__name__} are not found: name their list, as in "
            "layers='encoder.layer', or the layers from the bottom up, as in layers=['layer1', 'layer2']"
        )
    return [f"{name}.{part}" if name else part for part, _ in lists[name]]


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def is_in(name: str, place: str) -> bool:
    """Whether a parameter or module of that name is the place, or in it."""
    return name == place or name.startswith(f"{place}.")
