"""How a run's progress looks: a live line on a terminal, one plain line a minute elsewhere.

Each shows documents a second, megabytes a second, the share kept so far and the time left.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from datapipe.cli.masked import masked
from datapipe.corpus.record import Record
from datapipe.units import say_seconds

__all__ = ["ConsoleProgress"]

PLAIN_SECONDS = 60.0
LIVE_SECONDS = 0.2
CLEAR = "\r\033[K"  # back to the start of the line, and empty it


@dataclass
class _Line:
    """The stages in hand: how far they are."""

    stages: tuple[str, ...]
    tasks: int
    began: float = field(default_factory=time.perf_counter)
    done: int = 0
    documents: int = 0  # that came into the first stage
    size: int = 0  # their bytes
    kept: int = 0  # that the last stage let pass

    def text(self) -> str:
        seconds = max(time.perf_counter() - self.began, 1e-6)
        share = f"{self.kept / self.documents:.1%} kept" if self.documents else "nothing yet"
        if self.kept > self.documents:  # an Expand's children
            share = f"{self.kept:,} made of them"
        left = seconds / self.done * (self.tasks - self.done) if self.done else None
        ahead = f", {say_seconds(left)} left" if left else ""
        rates = f"{self.documents / seconds:,.0f} documents/s, {self.size / seconds / 1e6:.1f} MB/s"
        names = " → ".join(self.stages)
        return f"{names}: {self.done}/{self.tasks} tasks, {self.documents:,} documents, {rates}, {share}{ahead}"


class ConsoleProgress:
    """Writes progress to standard error."""

    def __init__(self, write: Callable[[str], object] | None = None, *, live: bool | None = None) -> None:
        self._write = write or sys.stderr.write
        self._live = sys.stderr.isatty() if live is None else live
        self._clear = CLEAR if self._live else ""
        self._line: _Line | None = None
        self._shown = 0.0

    def begin(self, stages: tuple[str, ...], tasks: int) -> None:
        """Some stages start together."""
        self._line = _Line(stages, tasks)
        self._shown = time.perf_counter()

    def advance(self, records: list[Record]) -> None:
        """One task is done."""
        line = self._line
        if line is None:
            return
        line.done += 1
        by_shard: dict[str, list[Record]] = {}
        for record in records:
            by_shard.setdefault(record.shard, []).append(record)
        for chain in by_shard.values():
            line.documents += chain[0].incoming.documents
            line.size += chain[0].bytes_in
            line.kept += chain[-1].kept.documents
        now = time.perf_counter()
        if now - self._shown >= (LIVE_SECONDS if self._live else PLAIN_SECONDS):
            self._shown = now
            self._write(f"{CLEAR}{line.text()}" if self._live else f"{line.text()}\n")
            sys.stderr.flush()

    def end(self, stages: tuple[str, ...]) -> None:
        """All tasks of the stages are done."""
        del stages
        line, self._line = self._line, None
        if line is not None:
            seconds = say_seconds(time.perf_counter() - line.began)
            self._write(f"{self._clear}{line.text()}, done in {seconds}\n")

    def note(self, line: str) -> None:
        """Something worth a line."""
        self._write(f"{self._clear}{masked(line)}\n")
