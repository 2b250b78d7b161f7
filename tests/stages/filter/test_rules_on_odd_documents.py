"""Documents of odd shapes pass the rules of lines or get a reason, in linear time."""

from __future__ import annotations

import time
from typing import Any

import pyarrow as pa
import pytest

from datapipe.text import forget
from stages.filter import c4, fineweb, gopher, lines

STAGES = {"gopher": gopher, "c4": c4, "fineweb": fineweb, "lines": lines}
LIKE = [(module, {"like": "datatrove"}) for module in (gopher, c4, fineweb)]
ODD = {
    "one line": "The boats came in with the tide. ",
    "empty lines": "\n",
    "combining characters": "e\u0301\u0323\u0308",
}


def reason(module: Any, text: str, **options: Any) -> str | None:
    config = module.Config(**options)
    batch = pa.record_batch({"text": pa.array([text], pa.large_string()), "language": pa.array(["en"])})
    found = module.STAGE.process(batch, config, None)
    columns = pa.RecordBatch.from_arrays([*found.columns, batch["language"]], names=[*found.schema.names, "language"])
    forget()
    decided: str | None = module.STAGE.decide(columns, config)[0].as_py()
    return decided


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(("module", "options"), [*((module, {}) for module in STAGES.values()), *LIKE])
def test_an_odd_document_is_judged(odd: str, module: Any, options: dict[str, Any]) -> None:
    told = reason(module, ODD[odd] * 20_000, **options)
    assert told is None or told in module.STAGE.reasons


@pytest.mark.full
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", STAGES)
def test_twice_the_document_takes_about_twice_the_time(odd: str, name: str) -> None:
    """50 MB of one document, and half as much; the first, small one loads the kernels."""
    seconds = []
    for size in (1_000, 25_000_000, 50_000_000):
        text = ODD[odd] * (size // len(ODD[odd].encode()))
        began = time.perf_counter()
        reason(STAGES[name], text)
        seconds.append(time.perf_counter() - began)
    print(f"{name}, {odd}: 25 MB {seconds[1]:.2f} s, 50 MB {seconds[2]:.2f} s")
    assert seconds[2] < 4 * seconds[1]
