"""extract_pdf: the text layer, metadata, and a reason for every file without text."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest

from datapipe.engine.guard import Guard
from datapipe.engine.task import Call, Limits
from stages.extract_pdf import STAGE, Config
from tests.stages.pdfs import pdf

PAGES = [["The tide came in.", "Two boats (one blue)"], ["Page two."]]
WHOLE = pdf(PAGES, info=r"/Title(A  harbour) /Author(\344 B)/CreationDate(D:20261105120000Z)")


def batch(*bodies: bytes | None) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"html": pa.array(bodies, pa.large_binary())})


def outcome(body: bytes | None, **options: Any) -> tuple[dict[str, Any], str | None]:
    measured = STAGE.process(batch(body), Config(**options), None)
    assert STAGE.decide is not None
    reasons = STAGE.decide(measured.select(list(STAGE.decides_for(Config()))), Config(**options))
    return measured.to_pylist()[0], reasons[0].as_py()


def test_text_of_all_pages_and_metadata() -> None:
    row, reason = outcome(WHOLE)
    text = "The tide came in.\nTwo boats (one blue)\n\nPage two."
    assert row == {
        "text": text,
        "title": "A harbour",
        "author": "ä B",
        "date": "2026-11-05",
        "pages": 2,
        "characters": len(text),
        "state": None,
    }
    assert reason is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "not_pdf"),
        (b"", "not_pdf"),
        (b"<html>a page about %PDF</html>", "not_pdf"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "pdf_damaged"),
        (b"%PDF-1.4\n" + bytes(5000), "pdf_damaged"),
        (WHOLE[:300], "pdf_damaged"),
        (pdf(PAGES, encrypted=True), "pdf_encrypted"),
        (pdf([[], []], scan=True), "pdf_without_text"),
        (pdf([["  "]]), "pdf_without_text"),
        (b"junk before the mark\n" + WHOLE, None),
        (WHOLE.replace(b"startxref", b"startxxxx"), None),
    ],
)
def test_what_each_file_becomes(body: bytes | None, reason: str | None) -> None:
    row, found = outcome(body)
    assert found == reason
    assert (row["text"] is None) == (found in {"not_pdf", "pdf_damaged", "pdf_encrypted"})
    assert found is None or found in STAGE.reasons


def test_fewer_characters_than_asked_for_are_no_text_layer() -> None:
    assert outcome(pdf([["Page 3"]]), min_characters=7)[1] == "pdf_without_text"
    assert outcome(pdf([["Page 3"]]), min_characters=6)[1] is None


def test_a_page_that_is_gone_costs_itself_alone() -> None:
    body = WHOLE.replace(b"10 0 obj\n<</Type/Page/", b"10 0 obj\n<</Type/Pagx/")
    assert outcome(body)[0]["text"].endswith("Page two.")


def test_files_damaged_anywhere_leave_in_the_guard_and_none_is_lost() -> None:
    chance = random.Random(7)
    bodies = [WHOLE]
    for _ in range(60):
        body = bytearray(WHOLE)
        for _ in range(chance.randrange(1, 30)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        bodies.append(bytes(body[: chance.randrange(200, len(body))]) if chance.random() < 0.3 else bytes(body))
    guard = Guard()
    call = Call(name="text", use="extract_pdf", config="{}", stages_dir=None)
    try:
        out, reasons, _ = guard.process(call, None, batch(*bodies), Limits())
    finally:
        guard.close()
    assert len(out) == len(reasons) == len(bodies)
    assert out.column("text")[0].as_py().startswith("The tide")
    assert {reason for reason in reasons.to_pylist() if reason} <= {"crashed", "timed_out", "too_big"}


def test_pages_and_lines_keep_their_order() -> None:
    lines = [[f"page {page} line {line}" for line in range(40)] for page in range(30)]
    row, _ = outcome(pdf(lines))
    assert row["pages"] == 30
    assert row["text"] == "\n\n".join("\n".join(page) for page in lines)
