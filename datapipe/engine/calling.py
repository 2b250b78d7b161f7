"""Calls the functions of a stage: what they raise becomes one line that tells no text of a document.

Costs nothing unless something is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from datapipe.engine.task import Call
from datapipe.errors import DatapipeError, StageError

__all__ = ["broke", "called", "place_of", "said_by", "streamed"]


def called(call: Call, shard: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's result; a StageError that names the stage, the shard and the line of code if it raises."""
    try:
        return function(*arguments)
    except DatapipeError:
        raise
    except Exception as error:  # noqa: BLE001 - a stage may raise anything, and with it a text
        failure = broke(call, shard, error)
    raise failure  # out of the block: the stage's own error, whose message may hold a text, is no context of it


def streamed(call: Call, shard: str, stream: Iterator[Any]) -> Iterator[Any]:
    """As `called`, of a function that gives one thing after the other; files that cannot be read stay OSErrors."""
    while True:
        try:
            given = next(stream)
        except StopIteration:
            return
        except (DatapipeError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - as above
            failure = broke(call, shard, error)
            break
        yield given
    raise failure


def broke(call: Call, shard: str, error: Exception) -> StageError:
    """One line for a stage that raised, without what it said."""
    return StageError(
        f"stage {call.name!r} broke down on shard {shard}: {type(error).__name__} at {place_of(error)}",
        remedy=f"`datapipe stages --test {call.use}` finds what its contract forbids",
    )


def place_of(error: BaseException) -> str:
    """File and line of the code that raised an error."""
    trace = _last(error)
    return (
        f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else "an unknown place"
    )


def said_by(error: BaseException) -> str:
    """Kind of an error, with its message where that holds no text of a document.

    The interpreter's own of a missing module or name does not, nor what stands in the code as it is.
    """
    kind, said = type(error).__name__, next(iter(str(error).splitlines()), "")
    own = (
        isinstance(error, ImportError | NameError)
        and bool(error.name)
        and str(error.name).replace(".", "").isidentifier()
    )
    trace = _last(error)
    literals = trace.tb_frame.f_code.co_consts if trace is not None else ()
    written = any(isinstance(each, str) and each.splitlines()[:1] == [said] for each in literals)
    return f"{kind}: {said}" if said and (own or written) else f"{kind} at {place_of(error)}"


def _last(error: BaseException) -> TracebackType | None:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace
