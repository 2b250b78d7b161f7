"""Documents answer in batches of bounded size, whatever the size of these; what comes out is the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from datapipe.engine import answering
from datapipe.engine.task import AnswerTask
from tests.run.copies import chain, documents, write
from tests.run.workbench import Workbench, differences

TIGHT = 1 << 15  # bytes for a task


def test_answers_of_a_run_are_bounded_and_what_comes_out_is_the_same(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(bench, documents(120), files=2)
    plain = bench.run("plain", chain(bench, "near"))
    given_bytes: list[tuple[int, int]] = []
    called: Any = vars(answering)["called"]

    def watched(*call: object) -> pa.RecordBatch:
        made: pa.RecordBatch = called(*call)
        if "key" in made.schema.names:
            given_bytes.append((made.nbytes, len(np.unique(made["row"].to_numpy()))))
        return made

    monkeypatch.setattr(answering, "called", watched)
    monkeypatch.setattr(AnswerTask.__init__, "__defaults__", _with_memory(TIGHT))
    small = bench.run("tight", chain(bench, "near"))
    assert len(given_bytes) > 20
    assert max(size for size, documents in given_bytes if documents > 1) <= TIGHT // 8
    changed = [name for name in differences(plain.folder, small.folder) if "/exchange/" not in name]
    assert changed == []


def _with_memory(size: int) -> tuple[object, ...]:
    defaults = AnswerTask.__init__.__defaults__ or ()
    return tuple(size if value == 256 << 20 else value for value in defaults)
