"""PyTorch: training loops that pause, retry and fork without losing a digit, and trials that many processes share.

    def objective(trial):
        torch.manual_seed(trial.number)
        model = network(trial.params["width"])
        optimizer = torch.optim.SGD(model.parameters(), trial.params["lr"])
        checkpoint = Checkpoint(trial, model=model, optimizer=optimizer)
        for epoch in checkpoint.epochs(20):
            train(model, optimizer)
            checkpoint.report(validate(model))
        return checkpoint.value

`Checkpoint` is for the loop of one process or of the ranks of DistributedDataParallel; `DistributedTrial` is the trial
as all ranks see it, and `optimize_distributed` runs a study on all of them. `adapt` and `parameter_groups` make of a
configuration of `kilter.spaces.finetuning` what of a pre-trained model is trained, and how fast; `starting_points` and
`load_weights` begin with what an earlier study left.

What is kept is one file written by torch.save, replaced as a whole. It is read with weights_only=True, so that nothing
in it is executed, after its checksums were verified, which torch.load does not do.
"""

from kilter.core.errors import needed

with needed("torch", "kilter.integrations.torch"):
    import torch
    import torch.distributed  # before the files of this package, which need it

from kilter.integrations.torch.checkpoint import (
    STATE,
    Checkpoint,
    array_of,
    check_archive,
    options,
    random_state,
    set_random_state,
    take,
    tensor_of,
    with_options,
)
from kilter.integrations.torch.distributed import (
    DistributedTrial,
    RankLost,
    check_initialized,
    gathered,
    optimize_distributed,
)
from kilter.integrations.torch.finetuning import adapt, lora_arguments, merged, parameter_groups, pooled
from kilter.integrations.torch.weights import load_weights, starting_points

__all__ = [
    "STATE",
    "Checkpoint",
    "DistributedTrial",
    "RankLost",
    "adapt",
    "array_of",
    "check_archive",
    "check_initialized",
    "gathered",
    "load_weights",
    "lora_arguments",
    "merged",
    "optimize_distributed",
    "options",
    "parameter_groups",
    "pooled",
    "random_state",
    "set_random_state",
    "starting_points",
    "take",
    "tensor_of",
    "torch",
    "with_options",
]
