"""Runs trials on a Ray cluster, in long-lived actors: one a slot, placed by Ray.

    study.optimize(objective, n_trials=100, executor=RayExecutor(slots=8, gpus=0.5))

Each actor keeps a worker process for the objective, see executors.remote: so a trial that is killed, or runs out of
memory, costs that process and not the actor. Ray places and moves; what is tried, retried and ended is decided where
the study is. So Ray restarts no actor and repeats no call by itself.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import InitVar, dataclass, field, replace
from typing import Any, TypeVar

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from kilter.core.errors import ClusterUnreachable, InvalidInput
from kilter.core.interfaces import Draw, Resources
from kilter.core.space import Space
from kilter.executors import records
from kilter.executors.machine import UNLIMITED, check_slots
from kilter.executors.payload import packed
from kilter.executors.remote import RunningRemote, Slot

log = logging.getLogger("kilter")

S = TypeVar("S")
T = TypeVar("T")

GROUP = "KILTER_PLACEMENT_GROUP"
"""The variable that tells an objective the placement group of its slot."""

PATIENCE = 10.0
"""Seconds in which a cluster has to answer."""

STRATEGIES = ("PACK", "STRICT_PACK", "SPREAD", "STRICT_SPREAD")


@dataclass(frozen=True)
class RayExecutor:
    """Runs trials in `slots` actors of a Ray cluster, each within `resources`.

    Ray reserves the cpus, gpus (a fraction of one, or whole ones) and memory of `resources` for a slot and chooses its
    machine; seconds and memory (bytes) are enforced by ending the trial. `cpus` and `gpus` are another way to say
    those two. Without `slots` there are as many as the cluster has room for. Slots for which there is no room yet join
    once there is, as on a cluster that grows.

    `address` is a cluster's, as `ray.init` takes it; without one it is that of this process, of RAY_ADDRESS or of this
    machine, and where there is none Ray is started here until the run ends. `runtime_env` is what Ray is to set up on
    the machines: packages, files, variables. `custom_resources` are others that a slot takes, as {"TPU": 4}.

    With `bundles` a slot is a placement group: itself, and these resources beside it, for tasks and actors that an
    objective starts by Ray (see `kilter.integrations.ray.current_group`). The `strategy` says where they are to be,
    as "STRICT_PACK" for all on one machine.

    >>> RayExecutor(4, gpus=0.5).resources, RayExecutor(4, gpus=0.5).demands
    (Resources(cpus=1, gpus=0.5, memory=None, seconds=None), [{'CPU': 1, 'GPU': 0.5}])
    """

    slots: int | None = None
    resources: Resources = UNLIMITED
    address: str | None = field(default=None, kw_only=True)
    runtime_env: Mapping[str, Any] | None = field(default=None, kw_only=True)
    custom_resources: Mapping[str, float] | None = field(default=None, kw_only=True)
    bundles: Sequence[Mapping[str, float]] = field(default=(), kw_only=True)
    strategy: str = field(default="PACK", kw_only=True)
    cpus: InitVar[float | None] = field(default=None, kw_only=True)
    gpus: InitVar[float | None] = field(default=None, kw_only=True)

    def __post_init__(self, cpus: float | None, gpus: float | None) -> None:
        if self.slots is not None:
            check_slots(self.slots, "RayExecutor")
        if self.strategy not in STRATEGIES:
            raise InvalidInput(f"strategy={self.strategy!r} of RayExecutor: give one of {', '.join(STRATEGIES)}")
        known = self.resources
        cpus, gpus = known.cpus if cpus is None else cpus, known.gpus if gpus is None else gpus
        object.__setattr__(self, "resources", replace(known, cpus=cpus, gpus=gpus))
        if self.slots is None and not any(self.demands):
            raise InvalidInput("a slot of RayExecutor takes no resources, so there is no telling how many: give slots=")

    def start(
        self, objective: Callable[..., Any], space: Space | None = None, draw: Draw | None = None
    ) -> RunningRemote[_Place]:
        """Have an objective run on the cluster, to which it is sent once.

        Raises InvalidInput where it cannot be sent, and ClusterUnreachable where no cluster answers.
        """
        payload = packed(objective, space)
        cluster = _RayCluster(self, payload)
        return RunningRemote(cluster, self.slots or cluster.room, grows=self.slots is None)

    @property
    def demands(self) -> list[dict[str, float]]:
        """What Ray reserves for a slot, in its words: for the slot itself, and for each bundle beside it."""
        asked = self.resources
        own = {"CPU": asked.cpus, "GPU": asked.gpus, "memory": asked.memory or 0, **(self.custom_resources or {})}
        return [{name: amount for name, amount in one.items() if amount} for one in (own, *self.bundles)]


@dataclass(frozen=True)
class _Place:
    """A slot as the driver knows it."""

    actor: Any
    group: PlacementGroup | None


class SlotActor:
    """A slot in a process of Ray, whose environment tells the objective where the cluster is, and its group.

    What is called and answered goes as bytes, which Ray carries as they are: objects cost a sixth of a call.
    """

    def __init__(self, payload: bytes, resources: Resources, logging: Mapping[str, Any], group: str | None) -> None:
        os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
        if group is not None:
            os.environ[GROUP] = group
        self._slot = Slot(payload, resources, logging=logging)

    def call(self, method: str, arguments: bytes) -> bytes:
        """Call a method of the slot."""
        return pickle.dumps(getattr(self._slot, method)(*pickle.loads(arguments)))  # noqa: S301 - our own


class _RayCluster:
    """Slots as actors of Ray; see executors.remote.Cluster."""

    name = "Ray"

    def __init__(self, settings: RayExecutor, payload: bytes) -> None:
        self._settings = settings
        self._is_ours = _connect(settings)
        self._demands = settings.demands
        self._payload = ray.put(payload)
        self._places: dict[int, _Place] = {}
        self._warn_of_what_is_nowhere()

    @property
    def room(self) -> int:
        """How many slots the cluster has room for, were it empty; at least one."""
        there, needs = (sum(map(Counter, each), Counter()) for each in (_machines(), self._demands))
        return max(1, min(int(there[name] / need + 1e-9) for name, need in needs.items()))

    def open(self, index: int) -> Future[_Place]:
        """Make an actor, as soon as Ray has room for it."""
        if index in self._places:
            self.drop(self._places[index])
        place = self._places[index] = self._placed()
        return _translated(place.actor.__ray_ready__.remote().future(), lambda ready: place)

    def call(self, slot: _Place, method: str, *arguments: Any) -> Future[Any]:
        """Call a method of a slot; all but its steps in a thread beside that of the step."""
        call = slot.actor.call if method == "step" else slot.actor.call.options(concurrency_group="beside")
        return _translated(call.remote(method, pickle.dumps(arguments)).future(), pickle.loads)

    def drop(self, slot: _Place) -> None:
        """Kill an actor, whose worker process ends with it."""
        ray.kill(slot.actor)
        if slot.group is not None:
            remove_placement_group(slot.group)

    def close(self) -> None:
        """Kill all actors, and end Ray where it was started for this run."""
        for place in self._places.values():
            self.drop(place)
        self._places.clear()
        if self._is_ours:
            ray.shutdown()

    def _placed(self) -> _Place:
        settings, own = self._settings, self._demands[0]
        group = placement_group(self._demands, settings.strategy) if settings.bundles else None
        options: dict[str, Any] = {
            "num_cpus": own.get("CPU", 0),
            "num_gpus": own.get("GPU", 0),
            "memory": own.get("memory", 0),
            "resources": dict(settings.custom_resources or {}),
            "concurrency_groups": {"beside": 1},
            "max_restarts": 0,
            "max_task_retries": 0,
            "enable_task_events": False,  # a step is no news to Ray's dashboard, and telling of it costs
        }
        if settings.runtime_env and not self._is_ours:  # else it is the whole job's, which may bring local files
            options["runtime_env"] = dict(settings.runtime_env)
        if group is not None:
            options["scheduling_strategy"] = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=0)
        actor = (ray.remote)(**options)(SlotActor)
        limits = replace(settings.resources, gpus=0)  # the devices are those that Ray shows the actor
        name = None if group is None else group.id.hex()
        return _Place(actor.remote(self._payload, limits, records.configured(), name), group)

    def _warn_of_what_is_nowhere(self) -> None:
        machines = _machines()
        for demand in self._demands:
            if not any(all(has.get(name, 0) >= amount for name, amount in demand.items()) for has in machines):
                log.warning("no machine of the Ray cluster has %s, which a slot takes: waiting for one", demand)


def current_group() -> PlacementGroup | None:
    """In an objective: the placement group of its slot, for the tasks and actors that it starts; None without one.

    Its bundle 0 is the slot's own, the others follow in the order of `bundles`:

        there = PlacementGroupSchedulingStrategy(current_group(), placement_group_bundle_index=1)
        ray.get(train.options(num_gpus=1, scheduling_strategy=there).remote(trial.params))
    """
    name = os.environ.get(GROUP)
    return None if name is None else PlacementGroup(ray.PlacementGroupID.from_hex(name))


def _translated(future: Future[S], meaning: Callable[[S], T]) -> Future[T]:
    """A future of what the result of another one means."""
    translated: Future[T] = Future()

    def translate(done: Future[S]) -> None:  # in a thread of Ray's, where nothing may ask Ray
        error = done.exception()
        if error is None:
            translated.set_result(meaning(done.result()))
        else:
            translated.set_exception(error)

    future.add_done_callback(translate)
    return translated


def _machines() -> list[dict[str, float]]:
    """What each machine of the cluster has, by Ray's names."""
    nodes: Any = ray.nodes
    return [node["Resources"] for node in nodes() if node["Alive"]]


def _connect(settings: RayExecutor) -> bool:
    """Whether this process was connected to a cluster now; it may be already, to the one that is meant."""
    if ray.is_initialized():
        known = ray.get_runtime_context().gcs_address
        if settings.address not in (None, "auto", known):
            raise InvalidInput(
                f"address={settings.address!r} of RayExecutor: this process is connected to {known} already: leave "
                "the address out, or call ray.shutdown() first"
            )
        return False
    try:
        _knock(settings.address or "")
        ray.init(address=settings.address, runtime_env=dict(settings.runtime_env or {}))
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        where = "" if settings.address is None else f" at {settings.address}"
        raise ClusterUnreachable(f"there is no Ray cluster to run on{where}: {error}") from error
    return True


def _knock(address: str) -> None:
    """Raise OSError where nobody listens at an address, host and port: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "/" not in address:
        socket.create_connection((host, int(port)), PATIENCE).close()
