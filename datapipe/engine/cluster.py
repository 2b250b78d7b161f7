"""The dask engine: tasks on processes of this machine, or on a scheduler that runs elsewhere.

Tasks carry names and records, never data. Each worker has one in flight, or a few where they are so short that it
would wait for the next: a long one in a worker's queue would wait behind another while other workers are idle.
A worker that dies is replaced and its task done again, from the last shard it committed. Workers never pause
or spill: their memory is bounded by the design, not by the scheduler.
Costs one to two seconds to start.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import dask
from distributed import Client, LocalCluster, WorkerPlugin, as_completed
from distributed.scheduler import KilledWorker

from datapipe.engine.ready import Need, make_ready
from datapipe.engine.trail import last_seen
from datapipe.errors import RunError
from datapipe.text import warm_up

__all__ = ["DaskEngine"]

T = TypeVar("T")

REPLENISH_SECONDS = 2.0
WINDOW = 3  # short tasks in flight for each worker
SHORT_SECONDS = 0.5
COUNT_SECONDS = 5.0  # between looks at how many workers there are
LOST_WORKERS = 3  # a task that ends this many workers is given up

_SETTINGS = {
    "distributed.scheduler.allowed-failures": LOST_WORKERS - 1,
    "distributed.scheduler.work-stealing": False,
    "distributed.worker.daemon": False,  # workers start the guard's child
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.limit": "1h",
    # Looks at themselves, by which idle loops of driver and workers took 6% of a core.
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.comm.timeouts.connect": "60s",
    "distributed.logging.distributed": "critical",
}


_TALKATIVE = ("distributed", "distributed.nanny", "distributed.scheduler", "distributed.core", "distributed.comm")


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """What starts in this block does not hear Ctrl-C: the driver does, and ends its workers itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _replenished(cluster: LocalCluster, wanted: Callable[[], int]) -> Iterator[None]:
    """See to it that workers which die while they start are replaced too; dask itself gives those up."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(REPLENISH_SECONDS):
            scheduler: Any = cluster.scheduler
            if len(scheduler.workers) != wanted():
                cluster.scale(wanted())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class _EndAtOnce(WorkerPlugin):
    """A worker that is told to stop while it has a task ends at once; it would else finish it beside the next worker.

    dask closes one that it has just started anew, where another death of 15 seconds ago is found to have no successor.
    """

    name = "datapipe-end-at-once"

    def teardown(self, worker: Any) -> None:
        """A worker that has nothing to do closes in good order."""
        if worker.state.executing_count:
            os.kill(os.getpid(), signal.SIGKILL)


class _Pace:
    """How many tasks may be in flight: one a worker, more where they turn out to be short."""

    def __init__(self, workers: Callable[[], int]) -> None:
        self._workers = workers
        self._began = time.monotonic()
        self._counted, self._there = self._began, workers()
        self._out = self._back = 0

    def back(self) -> None:
        """A result has come."""
        self._back += 1

    def room(self) -> int:
        """How many tasks to hand out now; they count as handed out."""
        now = time.monotonic()
        if now - self._counted > COUNT_SECONDS:  # on a cluster they come and go
            self._counted, self._there = now, self._workers()
        short = (now - self._began) * self._there < SHORT_SECONDS * self._back
        room = max(0, self._there * (WINDOW if short else 1) - (self._out - self._back))
        self._out += room
        return room


class DaskEngine:
    """Processes of this machine (`workers` of them), or those of a scheduler at `address`.

    Nothing starts before the first task: a run in which all is current costs no workers. `announce` is told how many
    seconds the workers took to start and the kernels to compile, which happens at the same time.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        address: str | None = None,
        run: str = "",
        announce: Callable[[float, float], None] | None = None,
    ) -> None:
        self._run, self._address, self._announce = run, address, announce
        self._wanted = workers or os.cpu_count() or 1
        self._stack = contextlib.ExitStack()
        self._started: Client | None = None

    def start(self) -> None:
        """Start the workers and compile the kernels, unless that is done."""
        if self._started is not None:
            return
        began = time.perf_counter()
        with ThreadPoolExecutor(1) as pool:
            compiling = pool.submit(warm_up)
            self._started = self._connect()
            compiled = compiling.result()
        if self._announce is not None:
            self._announce(time.perf_counter() - began, compiled)

    def _connect(self) -> Client:
        self._stack.enter_context(dask.config.set(_SETTINGS))
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if self._address:
            client: Client = self._stack.enter_context(Client(self._address))
            client.register_plugin(_EndAtOnce())
            return client
        scratch = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="datapipe-", ignore_cleanup_errors=True))
        self._stack.enter_context(dask.config.set({"temporary-directory": scratch}))
        with _uninterrupted():
            cluster = LocalCluster(
                local_directory=scratch,
                n_workers=self._wanted,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                worker_dashboard_address="127.0.0.1:0",  # else the page of each worker is open to the network
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # the same, and port 8787
                host="127.0.0.1",
                silence_logs=logging.CRITICAL,
                memory_limit=0,
            )
        self._stack.callback(cluster.close, timeout=10)
        self._stack.enter_context(_replenished(cluster, lambda: self._wanted))
        local: Client = self._stack.enter_context(Client(cluster))
        local.register_plugin(_EndAtOnce())
        return local

    def resize(self, workers: int) -> None:
        """Have another number of workers on this machine; those that are too many end, missing ones start."""
        self._wanted = workers

    @property
    def _client(self) -> Client:
        self.start()
        assert self._started is not None
        return self._started

    @property
    def workers(self) -> int:
        """How many tasks can run at once."""
        if self._address is None:
            return self._wanted
        return max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))

    def prepare(self, needs: tuple[Need, ...]) -> None:
        """Make every worker ready for some stages, all at the same time.

        What goes wrong here (a worker that dies, a stage that cannot be loaded) is met again by the first task.
        """
        with contextlib.suppress(OSError):
            self._client.run(make_ready, needs, on_error="ignore")

    def map(self, function: Callable[[Any], T], tasks: Iterable[Any]) -> Iterator[T]:
        """Results as they come."""
        waiting = iter(tasks)
        flight = as_completed([], loop=self._client.loop)
        pace = _Pace(lambda: self.workers)
        for task in itertools.islice(waiting, pace.room()):
            flight.add(self._submit(function, task))
        failure: BaseException | None = None
        for future in flight:
            pace.back()
            result: list[T] = []
            try:
                result = [future.result()]
            except KilledWorker:
                failure = failure or self._lost()
            except Exception as error:  # noqa: BLE001 - raised below, once running tasks have ended
                failure = failure or error
            future.release()  # before the result is used: a task whose worker dies now must not be done again
            yield from result
            for following in itertools.islice(waiting, 0 if failure else pace.room()):
                flight.add(self._submit(function, following))
        if failure is not None:
            raise failure

    def _submit(self, function: Callable[[Any], Any], task: Any) -> Any:
        return self._client.submit(function, task, pure=False)

    def _lost(self) -> RunError:
        return RunError(
            f"{LOST_WORKERS} workers died on the same task; {last_seen(self._run)}",
            remedy="all that was finished is kept: mend the cause (often memory) and run again",
        )

    def close(self) -> None:
        """End the workers that this engine started."""
        self._stack.close()
