"""The reference engine: every task in this process, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

from datapipe.engine.ready import Need, make_ready

__all__ = ["Engine", "LocalEngine"]

T = TypeVar("T")


class Engine(Protocol):
    """Carries out tasks."""

    @property
    def workers(self) -> int:
        """How many tasks can run at once."""

    def map(self, function: Callable[[Any], T], tasks: Iterable[Any]) -> Iterator[T]:
        """Results as they come, in any order. The first error ends it, once running tasks have ended."""

    def prepare(self, needs: tuple[Need, ...]) -> None:
        """Make every worker ready for some stages."""

    def close(self) -> None:
        """End the workers."""


class LocalEngine:
    """Runs tasks in order, in process."""

    workers = 1

    def map(self, function: Callable[[Any], T], tasks: Iterable[Any]) -> Iterator[T]:
        """Results in order."""
        return map(function, tasks)

    def prepare(self, needs: tuple[Need, ...]) -> None:
        """Make this process ready."""
        make_ready(needs)

    def close(self) -> None:
        """Nothing to end."""
