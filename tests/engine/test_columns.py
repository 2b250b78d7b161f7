"""Where a task finds a column: against a plain dictionary, for any layers, parts, windows and questions."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.corpus.ids import Tally
from datapipe.corpus.record import Part, Record
from datapipe.corpus.store import Store
from datapipe.engine.columns import Columns
from datapipe.engine.part import PartWriter
from datapipe.engine.task import BaseShard, Call
from datapipe.stage import columns

ROWS = 12
OWNERS = ("new", "mid", "docs")  # newest first; `docs` is the source
Rows = list[int]

_some_rows = st.sets(st.integers(0, ROWS - 1)).map(sorted)
_step = st.tuples(st.sampled_from(["put", "get", "window"]), st.sampled_from(OWNERS[:2]), _some_rows)
_steps = st.lists(_step, max_size=8)
_layers = st.fixed_dictionaries({owner: st.lists(_some_rows, max_size=3) for owner in OWNERS[:2]})


def _part(store: Store, path: str, rows: Rows, values: list[str]) -> Part:
    batch = columns(row=pa.array(rows, pa.uint32()), title=pa.array(values, pa.string()))
    writer = PartWriter(store, path, batch.schema)
    writer.write(batch)
    return writer.commit()


def _record(stage: str, parts: list[Part]) -> Record:
    return Record(
        shard="s-0000", stage=stage, base="", values="", decision="", rows_in="", rows_kept="",
        incoming=Tally(), kept=Tally(), layer=tuple(parts),
    )  # fmt: skip


def _columns(store: Store, layers: dict[str, list[Rows]]) -> tuple[Columns, dict[str, dict[int, str]]]:
    """Stored layers of several parts, a base below them, and what they hold as plain dictionaries."""
    model: dict[str, dict[int, str]] = {"docs": {row: f"docs {row}" for row in range(ROWS)}}
    base = PartWriter(store, "docs/s-0000.parquet", pa.schema([("title", pa.string())]))
    base.write(pa.RecordBatch.from_arrays([pa.array(list(model["docs"].values()))], names=["title"]))
    records = {}
    for owner, parts in layers.items():
        written = []
        model[owner] = {}
        for number, rows in enumerate(parts):  # a later part may hold a row anew
            values = [f"{owner} part {number} row {row}" for row in rows]
            written.append(_part(store, f"{owner}/s-0000.{number}.parquet", rows, values))
            model[owner].update(zip(rows, values, strict=True))
        records[owner] = _record(owner, written)
    shard = BaseShard(
        Call("docs", "toy.lines", "{}"), "s-0000", _record("docs", [base.commit()]), None, records, OWNERS[0]
    )
    return Columns(store, "docs", shard), model


def _expected(model: dict[str, dict[int, str]], fresh: dict[str, dict[int, str]], row: int) -> str | None:
    """The newest owner that holds the row, and of its values those of this window."""
    for owner in OWNERS:
        if row in fresh.get(owner, {}):
            return fresh[owner][row]
        if row in model.get(owner, {}):
            return model[owner][row]
    return None


def _rows(rows: Rows) -> Any:
    return np.array(rows, np.uint32)


@given(_layers, _steps)
@settings(max_examples=120)
def test_a_column_comes_from_the_newest_that_holds_the_row(
    layers: dict[str, list[Rows]], steps: list[tuple[str, str, Rows]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found, model = _columns(Store(folder), layers)
        fresh: dict[str, dict[int, str]] = {}
        for number, (what, owner, rows) in enumerate([*steps, ("get", "", list(range(ROWS)))]):
            if what == "window":
                found.start_window()
                fresh = {}
            elif what == "put":
                values = [f"{owner} made {number} row {row}" for row in rows]
                found.put(owner, _rows(rows), columns(title=pa.array(values, pa.string())))
                fresh[owner] = dict(zip(rows, values, strict=True))
            else:
                got = found.get("title", _rows(rows), OWNERS).to_pylist()
                assert got == [_expected(model, fresh, row) for row in rows]


@given(_some_rows, st.lists(_some_rows, max_size=3))
@settings(max_examples=40)
def test_rows_that_nobody_holds_are_null(rows: Rows, parts: list[Rows]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found, model = _columns(Store(folder), {"new": parts, "mid": []})
        got = found.get("title", _rows(rows), ("new", "mid")).to_pylist()
        assert got == [model["new"].get(row) for row in rows]
