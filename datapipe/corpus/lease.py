"""A lease per stage: two drivers never write the same stage of one run.

The holder renews a small file every few seconds. A second driver refuses, naming the holder; a holder that
is gone (its process has ended, on this machine) or silent for a minute is taken over.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator

import psutil

from datapipe.corpus.store import Store
from datapipe.errors import LeaseHeld

__all__ = ["held"]

RENEW_SECONDS = 5.0
SILENT_SECONDS = 60.0


@contextlib.contextmanager
def held(store: Store, stage: str) -> Iterator[None]:
    """Hold the lease of a stage while the block runs."""
    name = f"{stage}/lease.json"
    token = uuid.uuid4().hex
    _refuse_if_held(store, stage)
    _renew(store, name, token)
    if json.loads(store.read(name))["token"] != token:
        _refuse_if_held(store, stage)
    stop = threading.Event()
    heart = threading.Thread(target=_beat, args=(store, name, token, stop), daemon=True)
    heart.start()
    try:
        yield
    finally:
        stop.set()
        heart.join()
        store.remove(name)


def holder(store: Store, stage: str) -> str | None:
    """Who works on a stage right now, or None."""
    name = f"{stage}/lease.json"
    if not store.exists(name):
        return None
    try:
        lease = json.loads(store.read(name))
        here, silent = lease["host"] == socket.gethostname(), time.time() - lease["renewed"]
    except (ValueError, KeyError, TypeError):  # a damaged lease holds nobody up
        return None
    if silent > SILENT_SECONDS or (here and not _alive(lease)):
        return None
    return f"process {lease['process']} on {lease['host']}"


def _alive(lease: dict[str, object]) -> bool:
    try:
        return abs(psutil.Process(int(str(lease["process"]))).create_time() - float(str(lease["started"]))) < 1
    except psutil.Error:
        return False


def _refuse_if_held(store: Store, stage: str) -> None:
    who = holder(store, stage)
    if who is not None:
        raise LeaseHeld(
            f"stage {stage!r} of {store.url} is being run by {who}", remedy="wait for it, or stop it and run again"
        )


def _renew(store: Store, name: str, token: str) -> None:
    lease = {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "started": psutil.Process().create_time(),
        "token": token,
        "renewed": time.time(),
    }
    store.write(name, json.dumps(lease).encode())


def _beat(store: Store, name: str, token: str, stop: threading.Event) -> None:
    while not stop.wait(RENEW_SECONDS):
        with contextlib.suppress(Exception):  # a missed beat is made up by the next
            _renew(store, name, token)
