"""Stops a sink where ids, dates or labels hold what a stage above takes out of texts.

Of texts the recipe tells which are covered, before anything runs; what is in a code shows only here. Values are looked
at once each, ids that datapipe made not at all.
Costs what the stage takes to search the distinct values of the columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.engine.task import SinkTask
from datapipe.errors import InputError

__all__ = ["check_leaving"]

OUR_ID = r"^[0-9a-f]{32}(#[0-9]+)*$"


def check_leaving(task: SinkTask, batch: pa.RecordBatch) -> None:
    """Raises InputError, naming the column, if a code in the batch holds what a cover of the task takes out."""
    for column in task.looked_at:
        if column not in batch.schema.names:
            continue
        values = _values(batch.column(column))
        for call in task.covers:
            held = int(np.count_nonzero(call.stage.cover.holds(values, call.settings))) if len(values) else 0
            if held:
                raise InputError(
                    f"stage {task.call.name!r}: {held:,} value{'s' if held > 1 else ''} of column `{column}` in shard "
                    f"{task.base.shard} hold what {call.name!r} takes out",
                    remedy=_remedy(task, call.name, column),
                )


def _remedy(task: SinkTask, cover: str, column: str) -> str:
    leave = f"leave `{column}` out of what {task.call.name!r} writes"
    option = next(call.stage.cover.option for call in task.covers if call.name == cover)
    return leave if column == "id" or "." in column else f"add it to `{option}` of {cover!r}, or {leave}"


def _values(column: Any) -> pa.StringArray:
    """The distinct strings anywhere in a column, without ids that datapipe made."""
    found = [pc.unique(leaf.cast(pa.string())) for leaf in _strings(column)]
    values: Any = pc.unique(pa.concat_arrays([*found, pa.array([], pa.string())])).drop_null()
    strings: pa.StringArray = values.filter(pc.invert(pc.match_substring_regex(values, OUR_ID)))
    return strings


def _strings(column: Any) -> list[Any]:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return [column]
    if pa.types.is_struct(kind):
        return [leaf for part in column.flatten() for leaf in _strings(part)]
    return _strings(column.flatten()) if pa.types.is_list(kind) or pa.types.is_large_list(kind) else []
