"""What a machine gives to each trial that runs on it: a slot, threads of numeric libraries, a share of the devices."""

from __future__ import annotations

import os
from collections.abc import Sequence

from kilter.core.errors import InvalidInput
from kilter.core.events import Failure
from kilter.core.interfaces import Resources

CPU_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

UNLIMITED = Resources()
"""What a trial may use where nobody said."""


def check_slots(slots: object, executor: str) -> None:
    """Raise InvalidInput where an executor has no number of slots, as where it was given the objective first."""
    if callable(slots):
        raise InvalidInput(
            f"{executor}({slots!r}): the objective goes to start(), as in {executor}(4).start(objective, space), or to "
            f"optimize(objective, executor={executor}(4))"
        )
    if isinstance(slots, bool) or not isinstance(slots, int) or slots < 1:
        raise InvalidInput(f"slots={slots!r} of {executor}: give a whole number from 1 on")


def environments(slots: int, resources: Resources, gpus: Sequence[int | str] | None = None) -> list[dict[str, str]]:
    """What to add to the environment of each slot: threads of numeric libraries, and its share of the devices."""
    if resources.seconds is not None and not resources.seconds > 0:
        raise InvalidInput(f"seconds={resources.seconds!r}: the time limit of a trial must be positive")
    if resources.memory is not None and not resources.memory > 0:
        raise InvalidInput(f"memory={resources.memory!r}: the memory limit of a trial must be positive bytes")
    threads = str(max(1, int(resources.cpus)))
    common = {name: threads for name in CPU_VARIABLES if name not in os.environ}
    if not resources.gpus:
        return [dict(common) for _ in range(slots)]
    shares = shared_out(slots, resources.gpus, visible_gpus() if gpus is None else [str(gpu) for gpu in gpus])
    return [{**common, "CUDA_VISIBLE_DEVICES": ",".join(share)} for share in shares]


def shared_out(slots: int, each: float, devices: Sequence[str]) -> list[list[str]]:
    """The devices of each slot, where a slot gets `each` of them.

    >>> shared_out(4, 0.5, ["0", "1"]), shared_out(2, 2, ["0", "1", "2", "3"])
    ([['0'], ['1'], ['0'], ['1']], [['0', '1'], ['2', '3']])
    """
    if not each > 0 or (each > 1 and each != int(each)):
        raise InvalidInput(f"gpus={each!r}: a trial takes a fraction of one device, or a whole number of them")
    per_device = int(1 / each + 1e-9)
    fits = len(devices) * per_device if each < 1 else len(devices) // int(each)
    if not devices:
        raise InvalidInput(f"a trial asks for {each:g} GPU, and none was found: leave GPUs out, or name the devices")
    found = f"{len(devices)} GPU ({', '.join(devices)})"
    if not fits:
        raise InvalidInput(f"{found} is not enough for one trial of {each:g} GPU: ask for less")
    if slots > fits:
        what = "one trial" if fits == 1 else f"{fits} trials"
        raise InvalidInput(
            f"{found} is enough for {what} of {each:g} GPU at a time, not {slots}: use workers={fits}, or a smaller "
            "share for each trial"
        )
    if each < 1:
        return [[devices[slot % len(devices)]] for slot in range(slots)]
    return [list(devices[slot * int(each) : (slot + 1) * int(each)]) for slot in range(slots)]


def visible_gpus() -> list[str]:
    """The ids of the devices that this process may use."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        ids = [part.strip() for part in listed.split(",") if part.strip()]
        return ids[: ids.index("-1")] if "-1" in ids else ids
    try:
        return [str(i) for i in range(len(os.listdir("/proc/driver/nvidia/gpus")))]
    except OSError:
        return []


def out_of_time(seconds: float) -> Failure:
    """The failure of a trial that ran too long."""
    return Failure("timeout", f"ran longer than its limit of {seconds:g} seconds")


def out_of_memory(used: int, limit: int) -> Failure:
    """The failure of a trial that took too much memory."""
    return Failure("memory", f"used {used / 2**20:.0f} MiB of memory; the limit is {limit / 2**20:.0f} MiB")
