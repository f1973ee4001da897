"""A training may begin with the weights that an earlier study left, wherever names and shapes agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import kilter
from kilter.core.errors import InvalidInput, NotReady

torch = pytest.importorskip("torch", reason="pip install '.[torch]'")

from kilter.integrations.torch import Checkpoint, adapt, load_weights, starting_points  # noqa: E402

LORA = {"lora_rank": 2, "lora_alpha": 8, "lora_dropout": 0.0, "lora_targets": "all-linear"}


def network(classes: int = 3) -> Any:
    layers = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    return torch.nn.Sequential(torch.nn.Linear(2, 4), layers, torch.nn.Linear(4, classes))


def state_of(model: Any) -> dict[str, Any]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def agree(model: Any, state: dict[str, Any]) -> set[str]:
    return {name for name, value in model.state_dict().items() if torch.equal(value, state.get(name, value + 1))}


BODY = {name for name in network().state_dict() if not name.startswith("2.")}
HEAD = {"2.weight", "2.bias"}


def test_names_and_shapes_that_agree_are_taken_and_the_rest_stays(tmp_path: Path) -> None:
    left, model = network(5), network(3)
    torch.save(left.state_dict(), tmp_path / "weights.pt")
    own = state_of(model)
    assert set(load_weights(model, tmp_path / "weights.pt")) == BODY
    assert agree(model, left.state_dict()) == BODY and agree(model, own) == HEAD


def test_a_head_of_as_many_classes_stays_where_it_is_named(tmp_path: Path) -> None:
    left, model = network(), network()
    torch.save(left.state_dict(), tmp_path / "weights.pt")
    assert set(load_weights(model, tmp_path, but=["2"])) == BODY
    assert set(load_weights(model, tmp_path)) == BODY | HEAD


def test_changes_of_lora_are_merged_on_the_way(tmp_path: Path) -> None:
    left = adapt(network(), LORA, "1")
    for name, value in left.named_parameters():
        if name.endswith(".up"):
            torch.nn.init.ones_(value)
    torch.save(left.state_dict(), tmp_path / "weights.pt")
    model = network()
    assert set(load_weights(model, tmp_path)) == BODY | HEAD
    rows = torch.ones(1, 2)
    assert torch.allclose(model(rows), left(rows), atol=1e-6)


def test_what_a_checkpoint_keeps_beside_the_model_is_passed_over() -> None:
    left = {}

    def objective(trial: kilter.Trial) -> Any:
        model = network()
        optimizer = torch.optim.AdamW(model.parameters())
        checkpoint = Checkpoint(trial, optimizer=optimizer, net=model)
        for _ in checkpoint.epochs(1):
            optimizer.zero_grad()
            model(torch.ones(1, 2)).sum().backward()
            optimizer.step()
            checkpoint.report(float(trial.number))
        left[trial.number] = state_of(model)
        return checkpoint.value

    study = kilter.create_study(study_name="small", direction="maximize", space={"x": kilter.Float(0, 1)}, seed=0)
    study.optimize(objective, 3, progress="none")
    starts = starting_points(study, n=2)
    assert list(starts) == ["small/2", "small/1"]
    for number in (2, 1):
        model = network()
        load_weights(model, starts[f"small/{number}"])
        assert agree(model, left[number]) == BODY | HEAD


def test_what_a_trainer_saved_is_read_and_what_it_noted_is_where() -> None:
    transformers = pytest.importorskip("transformers", reason="pip install '.[transformers]'")
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}

    def bert(labels: int) -> Any:
        return transformers.BertForSequenceClassification(
            transformers.BertConfig(vocab_size=9, num_labels=labels, **sizes)
        )

    def objective(trial: kilter.Trial) -> float:
        folder = Path(trial.checkpoint_dir) / "checkpoint-1"
        bert(3).save_pretrained(folder)
        trial.set_user_attr("checkpoint", str(folder))
        return float(trial.number)

    study = kilter.create_study(study_name="trained", space={"x": kilter.Float(0, 1)}, seed=0)
    study.optimize(objective, 2, progress="none")
    model = bert(2)
    head = {name for name in model.state_dict() if name.startswith("classifier")}
    assert set(load_weights(model, starting_points(study)["trained/0"])) == model.state_dict().keys() - head


def test_a_study_that_left_nothing_has_no_start() -> None:
    study = kilter.create_study(study_name="bare", space={"x": kilter.Float(0, 1)}, seed=0)
    study.optimize(lambda trial: trial.params["x"], 2, progress="none")
    with pytest.raises(NotReady, match="no trial of the study 'bare' is complete and has left weights"):
        starting_points(study)
    with pytest.raises(InvalidInput, match="several objectives"):
        starting_points(kilter.create_study(directions=["minimize", "minimize"], seed=0))


def test_what_cannot_be_weights_of_this_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no weights in .*nowhere \(no such folder\)"):
        load_weights(network(), tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(InvalidInput, match=r"no weights in .* \(notes.txt\): there should be model\*.safetensors"):
        load_weights(network(), tmp_path)
    torch.save({"other": torch.ones(1)}, tmp_path / "weights.pt")
    with pytest.raises(InvalidInput, match=r"no name and shape agrees .* named other, …"):
        load_weights(network(), tmp_path)
    (tmp_path / "weights.pt").write_bytes(b"damaged")
    with pytest.raises(InvalidInput, match="cannot be read as weights"):
        load_weights(network(), tmp_path)
