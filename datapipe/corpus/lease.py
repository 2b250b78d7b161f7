"""A lease per stage: two drivers never write the same stage of one run.

The holder renews a small file every few seconds, which only one of several drivers can create. A second
driver refuses, naming the holder; a holder that is gone (its process has ended, on this machine) or silent for a
minute is taken over, and notices when it wakes.
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
from datapipe.errors import DatapipeError, LeaseHeld

__all__ = ["Lease", "held", "holder"]

RENEW_SECONDS = 5.0
SILENT_SECONDS = 60.0


class Lease:
    """A lease in our hands; `lost` is set when another driver has taken it over after a long silence."""

    def __init__(self, store: Store, stage: str) -> None:
        self.store, self.stage, self.name = store, stage, f"{stage}/lease.json"
        self.token = uuid.uuid4().hex
        self.lost = threading.Event()

    def check(self) -> None:
        """Raise LeaseHeld if the lease is not ours any more."""
        if self.lost.is_set():
            raise LeaseHeld(
                f"stage {self.stage!r} of {self.store.url} was taken over by another driver while this one was silent",
                remedy="let the other finish, or stop it and run again",
            )

    def ours(self) -> bool:
        """Whether the file still names us."""
        try:
            return bool(json.loads(self.store.read(self.name))["token"] == self.token)
        except (ValueError, KeyError, TypeError, DatapipeError):
            return False

    def claim(self) -> None:
        """Take the lease; raises LeaseHeld if somebody alive holds it."""
        with self.store.turn(f"{self.stage}/.lease.lock"):
            _refuse_if_held(self.store, self.stage)
            self.renew()
        if not self.ours():  # where drivers cannot take turns, the last of them has it
            _refuse_if_held(self.store, self.stage)

    def renew(self) -> None:
        """Say that we are alive."""
        self.store.write(self.name, self._text())

    def _text(self) -> bytes:
        lease = {
            "host": socket.gethostname(),
            "process": os.getpid(),
            "started": psutil.Process().create_time(),
            "token": self.token,
            "renewed": time.time(),
        }
        return json.dumps(lease).encode()

    def beat(self, stop: threading.Event) -> None:
        """Renew the lease until the end; note when it is not ours any more."""
        while not stop.wait(RENEW_SECONDS):
            if not self.ours():
                self.lost.set()
                return
            with contextlib.suppress(Exception):  # a missed beat is made up by the next
                self.renew()


@contextlib.contextmanager
def held(store: Store, stage: str) -> Iterator[Lease]:
    """Hold the lease of a stage while the block runs."""
    lease = Lease(store, stage)
    lease.claim()
    stop = threading.Event()
    heart = threading.Thread(target=lease.beat, args=(stop,), daemon=True)
    heart.start()
    try:
        yield lease
    finally:
        stop.set()
        heart.join()
        if lease.ours():
            store.remove(lease.name)


def holder(store: Store, stage: str) -> str | None:
    """Who works on a stage right now, or None."""
    return _who(store, f"{stage}/lease.json")


def _who(store: Store, name: str) -> str | None:
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
