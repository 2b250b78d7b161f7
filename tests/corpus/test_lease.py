"""Leases among drivers that come at the same moment, and holders that were given up for dead."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datapipe.corpus import lease
from datapipe.corpus.lease import Lease
from datapipe.corpus.store import Store
from datapipe.errors import LeaseHeld

DRIVERS = 6
ROUNDS = 50
ROOT = Path(__file__).parents[2]


@pytest.fixture
def busy() -> Iterator[None]:
    """Threads that take turns as often as can be, so that they meet at every step."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


def _write(folder: Path, **other: object) -> str:
    """The lease of another driver: by default of one elsewhere that is alive; returns its token."""
    token = uuid.uuid4().hex
    text = {"host": "elsewhere", "process": 1, "started": 0.0, "token": token, "renewed": time.time(), **other}
    path = folder / "s" / "lease.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(text))
    draft.replace(path)
    return token


def _token(folder: Path) -> str:
    return str(json.loads((folder / "s" / "lease.json").read_text())["token"])


def _race(folder: Path) -> list[Lease]:
    """Several drivers claim the lease at the same moment; those that got it."""
    start, won, failed = threading.Barrier(DRIVERS), list[Lease](), list[BaseException]()

    def claim() -> None:
        mine = Lease(Store(str(folder)), "s")
        start.wait()
        try:
            mine.claim()
            won.append(mine)
        except LeaseHeld:
            pass
        except BaseException as error:  # noqa: BLE001 - a thread's failure is raised below
            failed.append(error)

    threads = [threading.Thread(target=claim) for _ in range(DRIVERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    return won


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("state", ["free", "dead", "damaged"])
def test_of_drivers_that_come_at_once_exactly_one_gets_the_lease(tmp_path: Path, state: str) -> None:
    """Free; held by a process that has ended on this machine; or a file that says nothing."""
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        if state != "free":
            _write(folder, host=socket.gethostname(), process=2**22 + 1)
        if state == "damaged":
            (folder / "s" / "lease.json").write_text("{")
        won = _race(folder)
        assert len(won) == 1, f"round {number}"
        assert won[0].ours()
        left = [path.name for path in (folder / "s").iterdir() if not path.name.startswith(".")]
        assert left == ["lease.json"]


CHILD = """
import contextlib, sys, time
from datapipe.corpus.lease import Lease
from datapipe.corpus.store import Store
from datapipe.errors import LeaseHeld

print("ready", flush=True)
start, won = float(sys.stdin.readline()), 0
for number in range(int(sys.argv[2])):
    mine = Lease(Store(f"{sys.argv[1]}/{number}"), "s")
    while time.time() < start + number * 0.01:
        pass
    with contextlib.suppress(LeaseHeld):
        mine.claim()
        won += 1
print(won, flush=True)
sys.stdin.readline()
"""


def test_of_processes_that_come_at_once_exactly_one_gets_the_lease(tmp_path: Path) -> None:
    """As above, with processes, which have no lock in common; all live until the last has tried everything."""
    command = [sys.executable, "-c", CHILD, str(tmp_path), str(ROUNDS)]
    with contextlib.ExitStack() as stack:
        pipes = subprocess.PIPE
        children: list[Any] = [
            stack.enter_context(subprocess.Popen(command, stdin=pipes, stdout=pipes, text=True, cwd=ROOT))
            for _ in range(2)
        ]
        assert [child.stdout.readline() for child in children] == ["ready\n"] * 2
        start = time.time() + 0.05
        for child in children:
            child.stdin.write(f"{start}\n")
            child.stdin.flush()
        won = [int(child.stdout.readline()) for child in children]
        for child in children:
            child.stdin.close()
    assert sum(won) == ROUNDS
    holders = Counter(json.loads(path.read_text())["process"] for path in tmp_path.rglob("lease.json"))
    assert holders == {child.pid: count for child, count in zip(children, won, strict=True) if count}


def test_a_holder_that_was_given_up_notices_and_leaves_the_others_lease_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.02)
    with lease.held(Store(str(tmp_path)), "s") as mine:
        mine.check()
        token = _write(tmp_path)
        assert mine.lost.wait(10)
        with pytest.raises(LeaseHeld, match=r"'s' of .* was taken over by another driver while this one was silent; "):
            mine.check()
        time.sleep(0.1)
        assert _token(tmp_path) == token
    assert _token(tmp_path) == token


def test_a_holder_that_ends_before_it_notices_leaves_the_others_lease_alone(tmp_path: Path) -> None:
    with lease.held(Store(str(tmp_path)), "s") as mine:
        token = _write(tmp_path)
        assert not mine.lost.is_set()
    assert _token(tmp_path) == token


def test_a_holder_keeps_its_lease_fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.02)
    with lease.held(Store(str(tmp_path)), "s") as mine:
        path = tmp_path / "s" / "lease.json"
        first = json.loads(path.read_text())["renewed"]
        deadline = time.monotonic() + 10
        while json.loads(path.read_text())["renewed"] == first:
            assert time.monotonic() < deadline
        assert mine.ours()
        assert not mine.lost.is_set()
