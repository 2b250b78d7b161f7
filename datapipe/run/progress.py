"""What a run tells while it works. The framework reports events; how they look is the command line's."""

from __future__ import annotations

from typing import Protocol

from datapipe.corpus.record import Record

__all__ = ["Progress", "Silent"]


class Progress(Protocol):
    """Told of a run's events, in order, in the driver's process."""

    def begin(self, stages: tuple[str, ...], tasks: int) -> None:
        """Some stages start together, in this many tasks."""

    def advance(self, records: list[Record]) -> None:
        """One task is done."""

    def end(self, stages: tuple[str, ...]) -> None:
        """All tasks of the stages are done."""

    def note(self, line: str) -> None:
        """Something worth a line: a file read anew, a warning, a lease taken over."""


class Silent:
    """Tells nothing."""

    def begin(self, stages: tuple[str, ...], tasks: int) -> None:
        """Nothing."""

    def advance(self, records: list[Record]) -> None:
        """Nothing."""

    def end(self, stages: tuple[str, ...]) -> None:
        """Nothing."""

    def note(self, line: str) -> None:
        """Nothing."""
