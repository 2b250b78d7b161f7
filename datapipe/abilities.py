"""What a stage may be able to do beside its work: tell which documents are like one, be audited, sum up.

Costs nothing: declarations alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datapipe.rules import Mask

__all__ = ["Likeness", "Notice", "Planting"]

Seeds: TypeAlias = npt.NDArray[np.uint64]
Names: TypeAlias = "tuple[str, ...] | Callable[[Any], tuple[str, ...]]"
Plant: TypeAlias = Callable[[pa.RecordBatch, Any, "Path | None", Seeds], pa.RecordBatch]


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How a Group tells which documents are like one: those that share a key of its first round are compared.

    `compare(one, others, config)` → float64, how alike each row of `others` is to the only row of `one`, both as
    `measure` gives them. `probability(similarity, config)`: that a document so alike shares a key. `least(config)`:
    the similarity from which on the stage links. `column(config)`: which is compared, of documents that have the same
    values in `scope(config)`.
    """

    compare: Callable[[pa.RecordBatch, pa.RecordBatch, Any], pa.DoubleArray]
    probability: Callable[[float, Any], float]
    least: Callable[[Any], float]
    column: Callable[[Any], str]
    scope: Callable[[Any], tuple[str, ...]]


def has_left(cases: pa.RecordBatch, config: Any) -> Mask:  # noqa: ARG001 - as every `found`
    """The cases that the stage let go: what most stages are to do with what they find."""
    left: Mask = cases["reason"].is_valid().to_numpy(zero_copy_only=False)
    return left


@dataclass(frozen=True, kw_only=True)
class Planting:
    """How a stage is audited: with cases that it ought to find, planted in copies of real documents.

    `plant(batch, config, resource, seeds)` → cases: `parent_row` (uint32, position in the batch, ascending), `case`
    (string: of what kind), `hidden` (string or null: what the stage is to find) and the columns in `changes`, of
    `datapipe.schema`. `batch` holds documents as they come to the stage, their `id` and the columns in `reads`; `seeds`
    (uint64, one a document) are all the chance there is. A document may give no case.
    `found(cases, config)` → bool a case: `cases` hold `case`, `hidden`, the columns that the stage adds, by short name,
    and `reason` (null where the case stays). Any of these may be null where `where` leaves a case out.
    A Group judges a case beside those real documents alone that share a key of its first round with a case.
    `version` is bumped when other cases are planted.
    """

    version: int
    plant: Plant
    reads: Names
    changes: Names = ("text",)
    found: Callable[[pa.RecordBatch, Any], Mask] = has_left

    def reads_for(self, config: Any) -> tuple[str, ...]:
        """Columns that `plant` reads under this config, besides `id`."""
        return self.reads(config) if callable(self.reads) else self.reads

    def changes_for(self, config: Any) -> tuple[str, ...]:
        """Columns that a case brings itself; all others are those of its document."""
        return self.changes(config) if callable(self.changes) else self.changes


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What a stage says of all documents that it kept, at the end of a run and in its state.

    `sums`: integer columns of its own, each of which is summed over the documents that it judged and kept; null is 0.
    `say(sums, config)` → a line, with what to set, or None where all is as it should be; it holds no text of documents.
    """

    sums: tuple[str, ...]
    say: Callable[[dict[str, int], Any], str | None]
