"""Make a conversation of each turn of the assistant, with all that was said before it.

What: a conversation with n turns to train becomes n, each of which ends with one of them and trains it alone.
Why: some chat templates rewrite history (Qwen3 strips the reasoning of earlier turns), so that in one sequence only
the last turn reads as it does at inference.
Costs: what was said early stands in every child: n / 2 times the tokens; use it for conversations with reasoning.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from datapipe.schema import COLUMNS
from datapipe.stage import Expand, StageConfig, measure, schema

NOTHING = "nothing_trained"
ADDS = schema(messages=COLUMNS["messages"], part=pa.int32(), parts=pa.int32())


class Config(StageConfig):
    """Which conversations are taken apart."""

    reasoning_only: bool = measure(
        True, "only conversations with reasoning in a turn before the last; others stay one child, as they are"
    )


def turns_of(messages: list[dict[str, Any]] | None, config: Config) -> list[list[dict[str, Any]]]:
    """The conversations that come of one; none if no turn is to be trained."""
    given = messages or []
    spoken = [at for at, each in enumerate(given) if each["role"] == "assistant"]
    trained = [at for at in spoken if given[at]["train"] is not False and given[at]["weight"] != 0]
    if not trained:
        return []
    if config.reasoning_only and not any(given[at]["reasoning"] for at in spoken[:-1]):
        return [given]
    return [[*(_quiet(each) for each in given[:at]), given[at]] for at in trained]


def _quiet(message: dict[str, Any]) -> dict[str, Any]:
    """A message that carries no loss."""
    return {**message, "train": False} if message["role"] == "assistant" else message


def expand(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The conversations of each parent, and the number of each among them (`part` of `parts`)."""
    made = [turns_of(messages, config) for messages in batch["messages"].to_pylist()]
    children = [(row, part, len(each), one) for row, each in enumerate(made) for part, one in enumerate(each)]
    rows, part, parts, messages = zip(*children, strict=True) if children else ((), (), (), ())
    return pa.RecordBatch.from_arrays(
        [
            pa.array(rows, pa.uint32()),
            pa.array(messages, COLUMNS["messages"]),
            pa.array(part, pa.int32()),
            pa.array(parts, pa.int32()),
        ],
        names=["parent_row", *ADDS.names],
    )


STAGE = Expand(
    name="split.turns",
    version=2,
    config=Config,
    reads=("messages",),
    adds=ADDS,
    reasons={NOTHING: "no turn of the assistant is to be trained"},
    expand=expand,
    childless=NOTHING,
)
