"""Trials on a Dask cluster: one actor for each trial at a time, on whatever machines the cluster has.

    from distributed import Client
    from kilter import tune
    from kilter.integrations.dask import DaskExecutor

    best = tune(train, space, n_trials=200, executor=DaskExecutor(Client("tcp://scheduler:8786")))

The study, its sampler and its scheduler stay in this process. On each worker of Dask an actor keeps a worker process of
kilter, in which the objective runs: limits of time and memory hold there, and a trial can be killed. Dask does not
bound how many actors a worker has, so that each gets as many as it has threads, or as its resources allow.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from kilter.core.actions import Verdict
from kilter.core.errors import ClusterUnreachable, InvalidInput, needed
from kilter.core.interfaces import Draw, Resources, Task
from kilter.core.space import Space
from kilter.executors import records
from kilter.executors.machine import UNLIMITED, check_slots, shared_out, visible_gpus
from kilter.executors.payload import packed
from kilter.executors.remote import News, RunningRemote, Slot

with needed("distributed", "kilter.integrations.dask"):
    import distributed
    from dask import config

LOOK = 1.0
"""Seconds between two looks at whether a worker has room for a slot, or is still there while one is made."""


@dataclass(frozen=True)
class DaskExecutor:
    """Runs trials on the workers of a Dask cluster.

    `client` is a distributed.Client or the address of a scheduler. None is the client that is current, else the address
    in Dask's own settings (DASK_SCHEDULER_ADDRESS), else a scheduler within this process, for trying things out. At
    most `slots` trials run at a time; None is as many as the workers have threads, also those that join later. A number
    in the first place is that of slots, as in other executors. Each trial is kept within `resources`, on its machine.
    `worker_resources` are what Dask calls resources, and what each slot takes of those that a worker was started with:
    {"GPU": 1} makes one slot for each GPU.

    >>> DaskExecutor("tcp://scheduler:8786", 20).slots, DaskExecutor(4).slots
    (20, 4)
    """

    client: Any = None
    slots: int | None = None
    resources: Resources = UNLIMITED
    worker_resources: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.client, int) and self.slots is None:
            object.__setattr__(self, "slots", self.client)
            object.__setattr__(self, "client", None)
        if self.slots is not None:
            check_slots(self.slots, "DaskExecutor")
        if not (self.client is None or isinstance(self.client, (str, distributed.Client))):
            raise InvalidInput(
                f"client={self.client!r:.80} of DaskExecutor: give a distributed.Client, the address of a scheduler as "
                "'tcp://host:8786', or None"
            )

    def start(
        self, objective: Callable[..., Any], space: Space | None = None, draw: Draw | None = None
    ) -> RunningRemote[_Placed]:
        """Have an objective run on the cluster, to whose workers it is sent.

        Raises InvalidInput where it cannot be sent, and ClusterUnreachable where no scheduler answers.
        """
        payload = packed(objective, space)
        client, is_ours = self._connected()
        make = partial(SlotActor, resources=self.resources, logging=records.configured())
        cluster = DaskCluster(client, is_ours, make, payload, self.worker_resources or {})
        return RunningRemote(cluster, self.slots or 1, grows=self.slots is None)

    def _connected(self) -> tuple[distributed.Client, bool]:
        """A client, and whether it was made here."""
        connect: Any = distributed.Client
        if isinstance(self.client, connect):
            return self.client, False
        if self.client is None:
            with contextlib.suppress(ValueError):  # there is none
                return distributed.get_client(), False
        address = self.client or config.get("scheduler-address", None)
        if address is None:  # the objective has a process of its own, so that the worker needs none
            here = {"n_workers": 1, "threads_per_worker": self.slots, "dashboard_address": "127.0.0.1:0"}
            return connect(processes=False, set_as_default=False, **here), True
        try:
            return connect(address, set_as_default=False), True
        except OSError as error:
            raise ClusterUnreachable(f"no Dask scheduler answers at {address}: {error}") from error


class SlotActor:
    """A slot as an actor: what waits does so in a thread, since all actors of a worker share one, and its loop."""

    def __init__(self, payload: bytes, resources: Resources, logging: Mapping[str, Any]) -> None:
        place = _new_place()
        self._leave = weakref.finalize(self, _places.discard, place)
        gpus = shared_out(place + 1, resources.gpus, visible_gpus())[place] if resources.gpus else None
        self._slot = Slot(payload, resources, gpus, logging)
        self._threads = ThreadPoolExecutor(2, "kilter-slot")

    async def step(self, given: Task | Verdict | None, patience: float) -> News:
        """See Slot.step."""
        return await self._in_thread(self._slot.step, given, patience)

    async def stop(self, number: int, attempt: int) -> None:
        """See Slot.stop."""
        self._slot.stop(number, attempt)

    async def close(self) -> News:
        """See Slot.close."""
        news = await self._in_thread(self._slot.close)
        self._leave()
        return news

    async def _in_thread(self, method: Callable[..., News], *arguments: Any) -> News:
        return await asyncio.get_running_loop().run_in_executor(self._threads, method, *arguments)


async def _answered(call: Any) -> Any:
    return await call


_places: set[int] = set()
"""Those that the slots of this process have taken; each has its share of the devices."""
_choosing = threading.Lock()


def _new_place() -> int:
    with _choosing:
        place = next(number for number in itertools.count() if number not in _places)
        _places.add(place)
        return place


@dataclass(frozen=True, eq=False)
class _Placed:
    """A slot on a worker: the actor, the future that keeps it there, and the worker's address."""

    actor: Any
    future: Any
    worker: str


class DaskCluster:
    """Brings slots to the workers of a Dask cluster; see kilter.executors.remote.Cluster."""

    name = "Dask"

    def __init__(
        self,
        client: distributed.Client,
        is_ours: bool,
        make: Callable[[bytes], SlotActor],
        payload: bytes,
        needs: Mapping[str, float],
    ) -> None:
        self._client: Any = client
        self._is_ours = is_ours
        self._make = make
        self._payload = payload
        self._sent: Any = None
        """The payload on the cluster, where workers fetch it from one another."""
        self._needs = needs
        self._taken: Counter[str] = Counter()
        """How many slots each worker has."""
        self._slots: set[_Placed] = set()
        self._opening: set[Future[_Placed]] = set()

    def open(self, index: int) -> Future[_Placed]:
        """Make a slot on the worker with the most room, as soon as there is one."""
        future = self._soon(self._open(index))
        self._opening.add(future)
        future.add_done_callback(self._opening.discard)
        return future

    def call(self, slot: _Placed, method: str, *arguments: Any) -> Future[Any]:
        """Call a method of a slot; the future raises OSError or RuntimeError where its worker is gone."""
        return self._soon(self._called(slot, method, arguments))

    def drop(self, slot: _Placed) -> None:
        """Have Dask forget the actor, which closes itself once it has answered."""
        self._slots.discard(slot)
        self._taken[slot.worker] -= 1
        self._soon(self._forgotten(slot))

    def close(self) -> None:
        """Give up all slots; a client that was made here goes, and its cluster with it."""
        for future in list(self._opening):
            future.cancel()
        for slot in list(self._slots):
            self.drop(slot)
        self._sent = None
        if self._is_ours:
            self._client.close()

    def _soon(self, coroutine: Any) -> Future[Any]:
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._client.loop.asyncio_loop)
        except RuntimeError as error:
            coroutine.close()
            failed: Future[Any] = Future()
            failed.set_exception(ConnectionError(f"the client was closed ({error})"))
            return failed

    # -- in the client's loop -------------------------------------------------------------------------------------

    async def _called(self, slot: _Placed, method: str, arguments: tuple[Any, ...]) -> Any:
        """The answer; raises ConnectionError where the actor is lost, which Dask would wait for to be made again.

        It cannot be, on a worker that is gone; whether Dask waits hangs on what it hears of first.
        """
        answer = asyncio.ensure_future(_answered(getattr(slot.actor, method)(*arguments)))
        while not (await asyncio.wait({answer}, timeout=LOOK))[0]:
            if slot.future.status != "finished":
                answer.cancel()
                raise ConnectionError(f"the worker {slot.worker} is gone")
        return answer.result()

    async def _forgotten(self, slot: _Placed) -> None:
        await self._client.cancel([slot.future])  # the actor, wherever it is still referred to, would hold the key

    async def _open(self, index: int) -> _Placed:
        worker = await self._room()
        self._taken[worker] += 1
        try:
            with self._client.as_current():  # to which Dask binds an actor that arrives
                slot = await self._made(worker)
        except BaseException:
            self._taken[worker] -= 1
            raise
        self._slots.add(slot)
        return slot

    async def _made(self, worker: str) -> _Placed:
        where: dict[str, Any] = {"workers": [worker], "allow_other_workers": False}
        payload = await self._on_cluster()
        future = self._client.submit(self._make, payload, actor=True, pure=False, retries=0, **where)
        await self._until_made(future, worker)
        return _Placed(await future, future, worker)

    async def _until_made(self, future: Any, worker: str) -> None:
        """Wait for an actor; raises ConnectionError where its worker is lost before, for which Dask would wait."""
        while not future.done():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(distributed.wait(future), LOOK)  # type: ignore[no-untyped-call, unused-ignore]
            if not future.done() and worker not in await self._workers():
                raise ConnectionError(f"the worker {worker} is gone")

    async def _on_cluster(self) -> Any:
        if self._sent is None or self._sent.status != "finished":  # the workers that had it are lost
            self._sent = await self._client.scatter(self._payload, hash=False)
        return self._sent

    async def _room(self) -> str:
        """The worker that has the largest part of its places free, once one has any."""
        while True:
            workers = await self._workers()
            places = {address: self._places(told) for address, told in workers.items()}
            free = {address: 1 - self._taken[address] / n for address, n in places.items() if n > self._taken[address]}
            if free:
                return max(free, key=free.__getitem__)
            await asyncio.sleep(LOOK)

    def _places(self, told: Mapping[str, Any]) -> int:
        """How many slots a worker can have."""
        if not self._needs:
            return int(told["nthreads"])
        return int(min(told["resources"].get(name, 0) / need for name, need in self._needs.items()) + 1e-9)

    async def _workers(self) -> Mapping[str, Any]:
        if self._client.scheduler is None:
            raise ConnectionError("the client has lost its scheduler, and was closed")
        workers: Mapping[str, Any] = (await self._client.scheduler.identity())["workers"]
        return {address: told for address, told in workers.items() if told.get("status", "running") == "running"}
