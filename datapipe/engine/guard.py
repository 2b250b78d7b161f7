"""Runs code that can hang, crash or bloat on bad input in a child process that may be killed.

A guarded stage sees its batch in slices of 16 rows. On silence, death or an exception the slice is repeated
row by row, each with its limit; the guilty row leaves with `timed_out`, `crashed` or `too_big`, all others
go on. The kernel enforces CPU time and memory in the child, so a runaway ends even if its parent is gone.
Costs one more process a worker (it works while its parent waits), about 1 ms a slice for passing data,
and one to two seconds to start it anew after a kill.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from io import IOBase
from typing import Any, cast

import psutil
import pyarrow as pa

from datapipe.engine.task import Call, Limits
from datapipe.errors import StageError

__all__ = ["Guard", "guarded"]

SLICE_ROWS = 16
SLICE_SHARE = 0.5  # of the limit of a single row, for a whole slice: a hang is met twice
PIPE_BYTES = 1 << 20  # of the pipe to the child: fewer turns for a slice of pages than with the usual 64 KiB
POLL_SECONDS = 0.2
LOAD_SECONDS = 300.0  # to import a stage and its models
WALL_FACTOR = 6.0  # wall seconds granted for each CPU second, for a child that waits or a busy machine
HEADER = struct.Struct("<QQ")


@dataclass(frozen=True)
class _Failure:
    reason: str
    detail: str


class Guard:
    """One killable child, started when it is first needed."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._seen: psutil.Process | None = None  # the same, to ask for its size
        self._loaded: tuple[Call, str | None] | None = None

    def process(
        self, call: Call, resource: str | None, batch: pa.RecordBatch, limits: Limits
    ) -> tuple[pa.RecordBatch, pa.StringArray, dict[int, str]]:
        """The stage's columns for a batch, null where a row failed; the reason of each row that did; what befell it.

        What befell a row is told without its content: the kind of an error, never its message.
        """
        outputs: list[pa.RecordBatch | None] = []
        reasons: list[str | None] = []
        details: dict[int, str] = {}
        for start in range(0, len(batch), SLICE_ROWS):
            piece = batch.slice(start, SLICE_ROWS)
            answer = self._ask(call, resource, piece, limits, share=SLICE_SHARE)
            if isinstance(answer, pa.RecordBatch):
                outputs.append(answer)
                reasons += [None] * len(piece)
                continue
            for row in range(len(piece)):
                single = self._ask(call, resource, piece.slice(row, 1), limits)
                if isinstance(single, _Failure):
                    outputs.append(None)
                    details[len(reasons)] = single.detail
                    reasons.append(single.reason)
                else:
                    outputs.append(single)
                    reasons.append(None)
        declared = call.stage.adds_for(call.settings)
        empty = pa.RecordBatch.from_arrays(
            [pa.nulls(1, field.type) for field in declared], schema=pa.schema(list(declared))
        )
        filled = [empty if output is None else output for output in outputs]
        whole = pa.Table.from_batches(filled).combine_chunks().to_batches()[0]
        return whole, pa.array(reasons, pa.string()), details

    # ------------------------------------------------------------------ the child

    def _ask(
        self, call: Call, resource: str | None, batch: pa.RecordBatch, limits: Limits, *, share: float = 1.0
    ) -> pa.RecordBatch | _Failure:
        child = self.ready(call, resource)
        order = {
            "do": "process",
            "cpu_seconds": limits.cpu_seconds * share,
            "memory_bytes": limits.memory_bytes,
        }
        patience = limits.cpu_seconds * share * WALL_FACTOR + 5
        answer = self._exchange(child, order, batch, patience=patience, memory=limits.memory_bytes)
        if isinstance(answer, _Failure):
            return answer
        header, body = answer
        if "broken" in header:
            raise StageError(
                f"stage {call.name!r} is broken: {header['broken']}", remedy="mend the stage, or its installation"
            )
        if "failed" in header:
            return _Failure("too_big" if header["failed"] == "MemoryError" else "crashed", header["failed"])
        with pa.ipc.open_stream(body) as reader:
            table = reader.read_all()
        batches = table.combine_chunks().to_batches()
        if len(batches) != 1 or len(batches[0]) != len(batch):
            raise StageError(
                f"stage {call.name!r} returned {len(table)} rows for {len(batch)}", remedy="a Map gives one row per row"
            )
        return batches[0]

    def ready(self, call: Call, resource: str | None) -> subprocess.Popen[bytes]:
        """The child, with a stage loaded."""
        if self._child is None:
            command = [sys.executable, "-m", "datapipe.engine.child"]
            self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own module
            self._seen = psutil.Process(self._child.pid)
            assert self._child.stdin is not None
            with contextlib.suppress(OSError):  # a user may have only so many bytes in pipes
                fcntl.fcntl(self._child.stdin, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            self._loaded = None
        if self._loaded != (call, resource):
            order = {"do": "load", "call": asdict(call), "resource": resource}
            answer = self._exchange(self._child, order, None, patience=LOAD_SECONDS, memory=None)
            if isinstance(answer, _Failure) or "failed" in answer[0]:
                detail = answer.detail if isinstance(answer, _Failure) else answer[0]["message"]
                raise StageError(
                    f"stage {call.name!r} cannot be loaded: {detail}", remedy=f"try `datapipe stages {call.use}`"
                )
            self._loaded = (call, resource)
        return self._child

    def _exchange(
        self,
        child: subprocess.Popen[bytes],
        order: dict[str, Any],
        batch: pa.RecordBatch | None,
        *,
        patience: float,
        memory: int | None,
    ) -> tuple[dict[str, Any], bytes] | _Failure:
        header = json.dumps(order).encode()
        assert child.stdin is not None
        try:
            child.stdin.write(HEADER.pack(len(header), 0 if batch is None else _stream_bytes(batch)) + header)
            if batch is not None:  # buffer by buffer: pages are not copied on their way into the pipe
                _stream(batch, pa.PythonFile(cast(IOBase, child.stdin), mode="w"))
            child.stdin.flush()
            reply = self._hear(child, patience, memory)
        except BrokenPipeError:
            reply = None
        return reply if isinstance(reply, tuple | _Failure) else self._buried()

    def _hear(
        self, child: subprocess.Popen[bytes], patience: float, memory: int | None
    ) -> tuple[dict[str, Any], bytes] | _Failure | None:
        """The child's reply; a failure when it was killed for silence or size; None when it died."""
        deadline = time.monotonic() + patience
        assert child.stdout is not None
        ear = child.stdout.fileno()
        while not select.select([ear], [], [], POLL_SECONDS)[0]:
            if time.monotonic() > deadline:
                return self._killed("timed_out", f"no answer in {patience:.0f} s")
            if memory is not None and _resident(self._seen) > memory:
                return self._killed("too_big", f"more than {memory >> 20} MiB")
        lengths = child.stdout.read(HEADER.size)
        if len(lengths) < HEADER.size:
            return None
        header, body = HEADER.unpack(lengths)
        text, data = child.stdout.read(header), child.stdout.read(body)
        return (json.loads(text), data) if len(data) == body else None

    def _killed(self, reason: str, detail: str) -> _Failure:
        self.close()
        return _Failure(reason, detail)

    def _buried(self) -> _Failure:
        """What the death of the child says."""
        child, self._child = self._child, None
        assert child is not None
        code = child.wait()
        self._close_pipes(child)
        if code == -signal.SIGXCPU:
            return _Failure("timed_out", "used up its CPU time")
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return _Failure("crashed", f"the interpreter ended with {name}")

    def close(self) -> None:
        """Kill the child, if there is one."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            self._close_pipes(child)

    @staticmethod
    def _close_pipes(child: subprocess.Popen[bytes]) -> None:
        for pipe in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()


def _stream(batch: pa.RecordBatch, sink: Any) -> None:
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)


def _stream_bytes(batch: pa.RecordBatch) -> int:
    """How many bytes a batch takes as a stream, without making it."""
    sink: Any = pa.MockOutputStream()
    _stream(batch, sink)
    return int(sink.size())


def _resident(process: psutil.Process | None) -> int:
    try:
        return int(process.memory_info().rss) if process is not None else 0
    except psutil.Error:
        return 0


_guards: dict[int, Guard] = {}


def guarded() -> Guard:
    """The guard of this process."""
    guard = _guards.get(os.getpid())
    if guard is None:
        guard = _guards[os.getpid()] = Guard()
        atexit.register(guard.close)
    return guard
