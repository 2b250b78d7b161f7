"""Trainings in processes of their own: one a rank, that can be killed."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import socket
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from datapipe.errors import RunError

SPAWNING: Any = multiprocessing.get_context("forkserver")
SPAWNING.set_forkserver_preload(["datapipe.train.training", "torch.distributed"])  # torch is imported once for all
STOPPED = 3  # exit code of a training that was told to stop
WAIT = 240.0  # seconds


def work(values: dict[str, Any], rank: int, world: int, port: int) -> None:
    """What one rank does."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    if world == 1:
        for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
            del os.environ[name]
    import torch  # noqa: PLC0415 - preloaded in the child

    from datapipe.train.plan import Plan  # noqa: PLC0415
    from datapipe.train.training import train  # noqa: PLC0415

    torch.set_num_threads(1)
    multiprocessing.set_start_method("fork", force=True)  # of a loader's workers, as in a process started by a user
    try:
        train(Plan.model_validate(values), resume=True, reason=None, tell=print)
    except RunError:
        os._exit(STOPPED)
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def begin(values: dict[str, Any], world: int) -> list[BaseProcess]:
    """Start a training."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ranks = [SPAWNING.Process(target=work, args=(values, rank, world, port)) for rank in range(world)]
    for rank in ranks:
        rank.start()
    return ranks


def finish(ranks: list[BaseProcess]) -> list[int | None]:
    """Wait for a training to end; exit codes."""
    for rank in ranks:
        rank.join(WAIT)
    return [rank.exitcode for rank in ranks]


def signal_at(ranks: list[BaseProcess], log: Path, step: int, number: signal.Signals) -> int:
    """Signal all ranks as soon as a log tells of a step; the step that it had come to."""
    deadline = time.monotonic() + WAIT
    while last_step(log) < step:
        assert time.monotonic() < deadline, "the training does not get on"
        assert all(rank.is_alive() for rank in ranks), [rank.exitcode for rank in ranks]
        time.sleep(0.002)
    for rank in ranks:
        with contextlib.suppress(ProcessLookupError):
            os.kill(rank.pid or 0, number)
    return last_step(log)


def lines(log: Path) -> list[dict[str, Any]]:
    """Whole lines of a log."""
    if not log.is_file():
        return []
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines(keepends=True) if line[-1] == "\n"]


def last_step(log: Path) -> int:
    """The last step that a log tells of; 0 for none."""
    return max((int(line["step"]) for line in lines(log)), default=0)
