"""Calls the functions of a stage: what they raise becomes one line that tells no text of a document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from datapipe.engine.task import Call
from datapipe.errors import DatapipeError, StageError

__all__ = ["called"]


def called(call: Call, shard: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's result; a StageError that names the stage and the shard if it raises."""
    try:
        return function(*arguments)
    except DatapipeError:
        raise
    except Exception as error:
        raise StageError(
            f"stage {call.name!r} broke down on shard {shard}: {type(error).__name__}",
            remedy=f"`datapipe stages --test {call.use}` finds what its contract forbids",
        ) from error
