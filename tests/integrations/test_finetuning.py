"""A configuration of spaces.finetuning says of any model what is trained, how fast, and where LoRA sits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import kilter
from kilter import spaces
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.space import Space

torch = pytest.importorskip("torch", reason="pip install '.[torch]'")

from kilter.integrations.torch import adapt, lora_arguments, merged, parameter_groups, pooled  # noqa: E402

LAYERS, WIDTH, CLASSES = 2, 8, 3
LORA = {"lora_rank": 2, "lora_alpha": 8, "lora_dropout": 0.0, "lora_targets": "all-linear", "lora_learning_rate": 0.1}
IMAGES = (2, 3, 8, 8)


class Plain(torch.nn.Module):
    """PyTorch's own transformer, which in evaluation takes the weights of its parts instead of calling them."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(9, WIDTH)
        layer = torch.nn.TransformerEncoderLayer(WIDTH, 2, 16, batch_first=True)
        self.encoder = torch.nn.TransformerEncoder(layer, LAYERS)
        self.head = torch.nn.Linear(WIDTH, CLASSES)

    def forward(self, tokens: Any) -> Any:
        return self.head(pooled(self.encoder(self.embed(tokens))))


def tokens() -> Any:
    return torch.arange(10).reshape(2, 5) % 9


def bert() -> Any:
    transformers = pytest.importorskip("transformers", reason="pip install '.[transformers]'")
    sizes = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(vocab_size=9, num_labels=CLASSES, **sizes)
    return transformers.BertForSequenceClassification(config)


def vit() -> Any:
    transformers = pytest.importorskip("transformers", reason="pip install '.[transformers]'")
    sizes = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.ViTConfig(image_size=8, patch_size=4, num_labels=CLASSES, **sizes)
    return transformers.ViTForImageClassification(config)


MODELS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "PyTorch": (Plain, lambda model: model(tokens())),
    "BERT": (bert, lambda model: model(tokens()).logits),
    "ViT": (vit, lambda model: model(torch.ones(IMAGES)).logits),
}
every_model = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for networks as small as these more are slower
    yield
    torch.set_num_threads(threads)


def made(name: str) -> tuple[Any, Callable[[Any], Any]]:
    torch.manual_seed(0)
    make, outputs = MODELS[name]
    return make(), outputs


def residual() -> Any:
    """As a ResNet is made: a stem, stages of blocks that are attributes of their own, and a head."""

    def stage(inputs: int, outputs: int) -> Any:
        blocks = [(torch.nn.Conv2d(n, outputs, 3), torch.nn.BatchNorm2d(outputs)) for n in (inputs, outputs)]
        return torch.nn.Sequential(*(torch.nn.Sequential(*block) for block in blocks))

    model = torch.nn.Module()
    for name, module in {
        "stem": torch.nn.Conv2d(3, 4, 3),
        "stage1": stage(4, 4),
        "stage2": stage(4, 8),
        "head": torch.nn.Linear(8, CLASSES),
    }.items():
        model.add_module(name, module)
    return model


STAGES = ["stage1", "stage2"]


def trained(model: Any, outputs: Callable[[Any], Any], settings: dict[str, Any], steps: int = 2) -> None:
    optimizer = torch.optim.AdamW(parameter_groups(model, settings))
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(outputs(model), torch.tensor([0, 1])).backward()
        optimizer.step()


def before_and_after(name: str, settings: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Names of the parameters that stay as they are, and of those that do not."""
    model, outputs = made(name)
    adapt(model, settings)
    was = {key: value.detach().clone() for key, value in model.named_parameters()}
    trained(model, outputs, settings)
    stayed = {key for key, value in model.named_parameters() if torch.equal(value, was[key])}
    return stayed, was.keys() - stayed


@every_model
def test_whatever_is_drawn_can_be_trained_and_each_trained_parameter_is_in_one_group(name: str) -> None:
    space = Space(spaces.finetuning(LAYERS))
    rng = np.random.default_rng(0)
    for _ in range(6):
        settings = space.values(space.draw(rng))
        model, outputs = made(name)
        adapt(model, settings)
        grouped = [id(p) for group in parameter_groups(model, settings) for p in group["params"]]
        assert sorted(grouped) == sorted(id(p) for p in model.parameters() if p.requires_grad)
        trained(model, outputs, settings, 1)
        assert torch.isfinite(outputs(model)).all(), settings


@every_model
def test_the_defaults_train_all_of_the_model_at_one_rate(name: str) -> None:
    model, _ = made(name)
    settings = {**Space(spaces.finetuning(LAYERS)).defaults, "weight_decay": 0.1}
    adapt(model, settings)
    assert all(p.requires_grad for p in model.parameters())
    groups = parameter_groups(model, settings)
    assert {group["lr"] for group in groups} == {5e-5}
    assert all((group["weight_decay"] == 0.1) == (p.ndim > 1) for group in groups for p in group["params"])


@every_model
def test_frozen_layers_and_what_is_below_them_stay(name: str) -> None:
    for frozen in range(LAYERS + 1):
        stayed, changed = before_and_after(name, {"learning_rate": 0.1, "frozen_layers": frozen})
        assert not [key for i in range(frozen) for key in changed if f".{i}." in key]
        assert bool([key for key in stayed if "embed" in key]) == (frozen > 0)
        assert [key for key in changed if "head" in key or "classifier" in key]
        if frozen < LAYERS:
            assert [key for key in changed if f".{LAYERS - 1}." in key]


@every_model
def test_rates_fall_from_layer_to_layer_towards_the_bottom(name: str) -> None:
    model, _ = made(name)
    names = {id(p): key for key, p in model.named_parameters()}
    for group in parameter_groups(model, {"learning_rate": 1.0, "layer_decay": 0.5}):
        for key in (names[id(p)] for p in group["params"]):
            depth = next((i + 1 for i in range(LAYERS) if f".{i}." in key), 0 if "embed" in key else LAYERS + 1)
            assert group["lr"] == 0.5 ** (LAYERS + 1 - depth), key


@every_model
@pytest.mark.parametrize("targets", ["attention", "all-linear"])
def test_lora_begins_at_the_model_and_learns_beside_its_weights(name: str, targets: str) -> None:
    settings = {**LORA, "lora_targets": targets}
    model, outputs = made(name)
    expected = outputs(model.eval())
    assert torch.allclose(outputs(adapt(model, settings).eval()), expected, atol=1e-6)
    stayed, changed = before_and_after(name, settings)
    assert {key for key in changed if ".0." in key or ".1." in key} == {
        key for key in changed | stayed if key.endswith((".up", ".down"))
    }
    assert [key for key in changed if "head" in key or "classifier" in key]
    assert [key for key in stayed if "embed" in key]


@every_model
def test_a_merged_state_makes_the_plain_model_say_the_same(name: str) -> None:
    model, outputs = made(name)
    adapt(model, LORA)
    trained(model, outputs, LORA)
    plain, _ = made(name)
    before = outputs(plain.eval())
    plain.load_state_dict(merged(model.state_dict()))
    with torch.no_grad():  # where PyTorch's own transformer takes its fast path
        assert torch.allclose(outputs(plain.eval()), outputs(model.eval()), atol=1e-5)
    assert not torch.allclose(outputs(plain), before, atol=1e-3)


def test_attention_means_fewer_layers_than_all_of_them() -> None:
    model, _ = made("BERT")
    few, all_of_them = (
        lora_arguments(model, {**LORA, "lora_targets": t})["target_modules"] for t in ("attention", "all-linear")
    )
    assert len(few) == 4 * LAYERS and len(all_of_them) == 6 * LAYERS and set(few) < set(all_of_them)


def test_the_arguments_are_those_of_peft() -> None:
    peft = pytest.importorskip("peft", reason="pip install peft")
    settings = {**LORA, "lora_dropout": 0.2}
    model, outputs = made("BERT")
    own = sum(p.numel() for p in adapt(made("BERT")[0], settings).parameters() if p.requires_grad)
    config = peft.LoraConfig(**lora_arguments(model, settings), modules_to_save=["classifier", "pooler"])
    theirs = peft.get_peft_model(model, config)
    assert own == sum(p.numel() for p in theirs.parameters() if p.requires_grad)
    trained(theirs, outputs, settings)
    assert {group["lr"] for group in parameter_groups(theirs, settings)} == {0.1}


def test_layers_that_are_not_found_are_asked_for_and_can_be_named() -> None:
    with pytest.raises(InvalidInput, match=r"name their list, as in layers='encoder.layer'"):
        adapt(residual(), {"frozen_layers": 1})
    with pytest.raises(UnknownName, match="did you mean 'stage1'"):
        adapt(residual(), {"frozen_layers": 1}, ["stage_1"])
    model = adapt(residual(), {"frozen_layers": 1}, STAGES)
    assert {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad} == {"stage2", "head"}
    rates = [group["lr"] for group in parameter_groups(model, {"learning_rate": 1.0, "layer_decay": 0.5}, STAGES)]
    assert rates == [0.5, 1.0]
    assert len(parameter_groups(made("BERT")[0], {"learning_rate": 1.0}, "bert.encoder.layer")) == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"frozen_layers": LAYERS + 1}, "frozen_layers=3: the model has 2 layers"),
        ({"frozen_layers": -1}, "frozen_layers=-1: the model has 2 layers"),
        ({"method": "lora", "lora_rank": 2}, "no lora_alpha in"),
        ({"method": "zzz"}, "zzz"),
        ({**LORA, "lora_targets": "atention"}, "no targets of LoRA 'atention': did you mean 'attention'"),
    ],
)
def test_what_a_model_does_not_have_is_said(settings: dict[str, Any], words: str) -> None:
    with pytest.raises((InvalidInput, UnknownName), match=words):
        adapt(Plain(), settings)


def test_nothing_to_train_no_rate_and_no_linear_layer_are_said() -> None:
    with pytest.raises(InvalidInput, match="nothing of the model is trained"):
        parameter_groups(Plain().requires_grad_(False), {"learning_rate": 1.0})
    with pytest.raises(InvalidInput, match=r"no learning_rate in \{\}"):
        parameter_groups(Plain(), {})
    with pytest.raises(InvalidInput, match=r"no such torch.nn.Linear in the model's 2 layers"):
        adapt(residual(), LORA, STAGES)
    with pytest.raises(UnknownName, match="no pooling 'men': did you mean 'mean'"):
        pooled(torch.ones(1, 2, 3), None, "men")


def test_pooling_leaves_out_what_is_no_token() -> None:
    hidden = torch.tensor([[[1.0], [3.0], [100.0]]])
    assert pooled(hidden, torch.tensor([[1, 1, 0]])).item() == 2.0
    assert pooled(hidden, None, "first").item() == 1.0
    assert pooled(hidden[:, :2]).item() == 2.0


def test_what_is_shared_has_the_names_and_defaults_of_the_trainer() -> None:
    transformers = pytest.importorskip("transformers", "5", reason="pip install '.[transformers]'")
    defaults = {field.name: field.default for field in dataclasses.fields(transformers.TrainingArguments)}
    space = spaces.finetuning(LAYERS, ["full"])
    own = {"layer_decay", "frozen_layers", "pooling"}
    assert {name: p.default for name, p in space.items() if name not in own} == {
        name: defaults[name] for name in space.keys() - own
    }


def test_a_space_of_several_methods_has_the_parameters_of_each_where_it_is_chosen() -> None:
    both = spaces.finetuning(6)
    assert kilter.create_study(space=both, seed=0).ask().params.keys() == {"method", *spaces.finetuning(6, ["full"])}
    for method in ("full", "lora"):
        alone = spaces.finetuning(6, [method])
        assert not any(parameter.conditions for parameter in alone.values())
        assert alone.keys() < both.keys()
    assert spaces.finetuning(6, ["lora", "full"])["method"].default == "lora"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0,), "layers=0: give the number"),
        ((2.0,), "layers=2.0: give the number"),
        ((2, "lora"), "methods='lora': give a list"),
        ((2, []), r"methods=\[\]: give a list"),
        ((2, ["lorra"]), "no method of fine-tuning 'lorra': did you mean 'lora'"),
    ],
)
def test_bad_input_is_said(arguments: tuple[Any, ...], words: str) -> None:
    with pytest.raises((InvalidInput, UnknownName), match=words):
        spaces.finetuning(*arguments)


def quality(settings: dict[str, Any], best: float) -> float:
    """A loss as of fine-tuning, least for LoRA on all layers at 10 ** best and the mean of all tokens."""
    lora = settings["method"] == "lora"
    rate = np.log10(settings["lora_learning_rate"] / 10 if lora else settings["learning_rate"])
    loss = (rate - best) ** 2 + 0.3 * (settings["pooling"] == "first") + 0.2 * settings["warmup_steps"]
    return float(loss if lora else loss + 0.1 + abs(settings["layer_decay"] - 0.8))


def test_what_was_best_for_smaller_models_is_tried_first_for_a_larger_one() -> None:
    def tuned(layers: int, best: float, trials: int, **options: Any) -> kilter.Study:
        study = kilter.create_study(direction="minimize", space=spaces.finetuning(layers), seed=0, **options)
        study.optimize(lambda trial: quality(trial.params, best), trials, progress="none")
        return study

    earlier = [tuned(layers, best, 20, sampler="random") for layers, best in ((6, -3.7), (12, -3.5))]
    alone, taught = (tuned(24, -3.6, 5, transfer=transfer) for transfer in (None, earlier))
    assert alone.trials[0].params == taught.trials[0].params  # the defaults
    assert taught.best_value < alone.best_value / 2
