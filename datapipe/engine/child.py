"""The killable child of `datapipe.engine.guard`: loads one stage at a time and processes slices on request.

Requests come on standard input, replies go to standard output: two lengths, a JSON header, an Arrow stream.
Whatever a stage prints goes to standard error. Before each slice the child lowers its own limits, so the
kernel ends it when it exceeds them, whether or not its parent still lives.
"""

from __future__ import annotations

import contextlib
import gc
import json
import math
import os
import resource as limits
import signal
import time
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from datapipe.engine.calling import said_by
from datapipe.engine.columns import nothing
from datapipe.engine.guard import HEADER
from datapipe.engine.heap import keep_freed_memory
from datapipe.engine.task import Call

__all__ = ["main"]

COLLECT_AFTER = (50_000, 20, 100)  # objects made, and collections of the younger kinds


def main() -> None:
    """Answer requests until standard input ends."""
    keep_freed_memory()
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a stage that prints must not break the protocol
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    limits.setrlimit(limits.RLIMIT_CORE, (0, 0))
    loaded: tuple[Call, Path | None] | None = None
    while len(lengths := requests.read(HEADER.size)) == HEADER.size:
        header, body = HEADER.unpack(lengths)
        order = json.loads(requests.read(header))
        data = requests.read(body)
        if order["do"] == "load":
            loaded = Call(**order["call"]), Path(order["resource"]) if order["resource"] else None
            reply = _load(*loaded)
        else:
            assert loaded is not None
            reply = _process(loaded, order, data)
        _send(replies, *reply)


def _load(call: Call, resource: Path | None) -> tuple[dict[str, Any], bytes]:
    try:
        stage, config = call.stage, call.settings
    except Exception as error:  # noqa: BLE001 - reported to the parent, which raises it
        return {"failed": type(error).__name__, "message": str(error)}, b""
    with contextlib.suppress(Exception):  # what goes wrong here is met again, and told, by the first slice
        empty = pa.RecordBatch.from_pydict({name: nothing(name, 0) for name in stage.reads_for(config)})
        stage.process(empty, config, resource)  # loads what it needs at first use
    _collect_less()
    return {}, b""


def _collect_less() -> None:
    """Look for garbage less often, and never among what was just loaded: a tenth of an extractor's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _process(loaded: tuple[Call, Path | None], order: dict[str, Any], data: bytes) -> tuple[dict[str, Any], Any]:
    call, resource = loaded
    with pa.ipc.open_stream(data) as stream:
        batch = stream.read_next_batch()
    _limit(order)
    try:
        out = call.stage.process(batch, call.settings, resource)
    except (ImportError, NameError, NotImplementedError) as error:  # no input is to blame for these
        return {"broken": said_by(error)}, b""
    except Exception as error:  # noqa: BLE001 - any failure on bad input sets the row aside; its text may be private
        return {"failed": type(error).__name__}, b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, out.schema) as writer:
        writer.write_batch(out)
    return {}, sink.getvalue()


def _limit(order: dict[str, Any]) -> None:
    used = math.ceil(time.process_time() + order["cpu_seconds"])
    _, hard = limits.getrlimit(limits.RLIMIT_CPU)
    limits.setrlimit(limits.RLIMIT_CPU, (used, hard))
    _, hard = limits.getrlimit(limits.RLIMIT_DATA)
    limits.setrlimit(limits.RLIMIT_DATA, (order["memory_bytes"], hard))


def _send(replies: BinaryIO, header: dict[str, Any], body: Any) -> None:
    text = json.dumps(header).encode()
    replies.write(HEADER.pack(len(text), len(body)) + text)
    replies.write(body)
    replies.flush()


if __name__ == "__main__":
    main()
