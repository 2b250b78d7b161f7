"""Masking as a stage: every column, message and leaf of metadata; spans, counts, risk, limits; nothing left behind."""

from __future__ import annotations

import json
import logging
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from datapipe.errors import InputError
from datapipe.schema import COLUMNS
from stages.mask.pii import STAGE, Config

MAIL, PHONE, CARD = "anna.b@example.co.uk", "(415) 555-2671", "4111 1111 1111 1111"


def batch(rows: list[dict[str, Any]], config: Config) -> pa.RecordBatch:
    names = STAGE.reads_for(config)
    arrays = [pa.array([row.get(name) for row in rows], COLUMNS[name]) for name in names]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def masked(*rows: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    config = Config.model_validate(options)
    return STAGE.process(batch(list(rows), config), config, None).to_pylist()


def test_every_column_is_masked_and_the_rest_stays() -> None:
    message = {"role": "user", "train": False, "weight": 1.0}
    row = {
        "text": f"Write to {MAIL} today.",
        "title": f"Mail {MAIL}",
        "url": f"https://x.example/?m={MAIL}&n=1",
        "author": MAIL,
        "metadata": json.dumps({"by": MAIL, "phone": 4155552671, "n": 7, "of": [None, True, "x"]}),
        "messages": [{**message, "content": "hello"}, {**message, "content": f"I am {MAIL}"}],
    }
    (found,) = masked(row)
    assert found["text"] == "Write to <EMAIL_ADDRESS> today."
    assert found["title"] == "Mail <EMAIL_ADDRESS>"
    assert found["url"] == "https://x.example/?m=EMAIL_ADDRESS&n=1"
    assert found["author"] == "<EMAIL_ADDRESS>"
    metadata = json.loads(found["metadata"])
    assert metadata == {"by": "<EMAIL_ADDRESS>", "phone": "<PHONE_NUMBER>", "n": 7, "of": [None, True, "x"]}
    assert [each["content"] for each in found["messages"]] == ["hello", "I am <EMAIL_ADDRESS>"]
    assert [(each["column"], each["message"]) for each in found["spans"]] == [
        *(("text", -1), ("title", -1), ("url", -1), ("author", -1)),
        *(("metadata", 1), ("metadata", 3), ("messages", 1)),
    ]
    assert MAIL not in str(found)
    assert "4155552671" not in str(found)


def test_spans_are_bytes_of_the_text_received_with_score_and_recogniser() -> None:
    text = f"邮箱{MAIL}，卡 {CARD}"
    (found,) = masked({"text": text})
    raw = text.encode()
    at = [(raw[each["start"] : each["end"]].decode(), each["entity"], each["recogniser"]) for each in found["spans"]]
    assert at == [(MAIL, "EMAIL_ADDRESS", "EmailRecognizer"), (CARD, "CREDIT_CARD", "CreditCardRecognizer")]
    assert [each["score"] for each in found["spans"]] == [1.0, 1.0]
    assert found["text"] == "邮箱<EMAIL_ADDRESS>，卡 <CREDIT_CARD>"


def test_counts_categories_and_severity() -> None:
    rows = masked(
        {"text": f"{MAIL} or {MAIL}, at 8.8.8.8"}, {"text": "nothing"}, {"text": None}, {"text": "at 8.8.8.8"}
    )
    assert [row["found"] for row in rows] == [3, 0, 0, 1]
    assert rows[0]["counts"] == [{"entity": "EMAIL_ADDRESS", "count": 2}, {"entity": "IP_ADDRESS", "count": 1}]
    assert [row["risk"] for row in rows] == [["contact", "technical"], [], [], ["technical"]]
    assert [row["severity"] for row in rows] == [3, 0, 0, 2]


def test_names_of_metadata_and_escapes_are_masked_and_json_stays_json() -> None:
    escaped = (
        '{"k": "anna\\u0040example.org", "' + MAIL + '": {"' + MAIL + '": 1e3}, "big": 123456789012345678901234567890}'
    )
    (found,) = masked({"metadata": escaped})
    value = json.loads(found["metadata"])
    assert value["k"] == "<EMAIL_ADDRESS>"
    assert value["<EMAIL_ADDRESS>"] == {"<EMAIL_ADDRESS>": 1000.0}
    assert value["big"] == 123456789012345678901234567890
    (odd,) = masked({"metadata": "{" + MAIL})
    assert odd["metadata"] == "{<EMAIL_ADDRESS>"


def test_actions_and_kept_entities() -> None:
    (found,) = masked({"text": f"{MAIL} {CARD}"}, actions={"EMAIL_ADDRESS": "remove", "CREDIT_CARD": "keep"})
    assert found["text"] == f" {CARD}"
    assert found["found"] == 2


def test_like_presidio_gives_its_faults_and_the_default_does_not() -> None:
    text = "version 1.2.3.4, mail 邮箱a@b.com联系"
    (theirs,) = masked({"text": text}, like="presidio", entities=["IP_ADDRESS", "EMAIL_ADDRESS"])
    (ours,) = masked({"text": text}, entities=["IP_ADDRESS", "EMAIL_ADDRESS"])
    assert [each["entity"] for each in theirs["spans"]] == ["IP_ADDRESS"]
    assert [each["entity"] for each in ours["spans"]] == ["EMAIL_ADDRESS"]


def test_documents_past_a_limit_leave() -> None:
    config = Config(max_found=2, max_by_entity={"CREDIT_CARD": 0})
    rows = batch([{"text": MAIL}, {"text": f"{MAIL} {MAIL} {MAIL}"}, {"text": CARD}, {"text": None}], config)
    assert STAGE.decide is not None
    reasons = STAGE.decide(STAGE.process(rows, config, None), config)
    assert reasons.to_pylist() == [None, "too_much_personal_data", "too_much_of_an_entity", None]


def test_surrogates_need_a_secret_and_it_enters_the_fingerprint_as_a_check_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(InputError, match="needs a secret"):
        masked({"text": MAIL}, actions={"EMAIL_ADDRESS": "surrogate"})
    options = {"actions": {"EMAIL_ADDRESS": "surrogate"}, "secret": "env:PII_TEST_SECRET"}
    monkeypatch.setenv("PII_TEST_SECRET", "a-long-enough-secret")
    config = Config.model_validate(options)
    (one,), (other,) = masked({"text": f"{MAIL}!"}, **options), masked({"title": MAIL.upper()}, **options)
    assert one["text"] == other["title"] + "!"
    assert one["text"].endswith("@example.com!")
    first = STAGE.libraries_for(config)
    assert not any("a-long-enough-secret" in each for each in first)
    monkeypatch.setenv("PII_TEST_SECRET", "another-long-secret")
    assert STAGE.libraries_for(config) != first


@pytest.mark.parametrize(
    "options",
    [
        {"entities": ["NAME"]},
        {"columns": ["id"]},
        {"columns": []},
        {"actions": {"URL": "burn"}},
        {"max_by_entity": {"X": 1}},
    ],
)
def test_what_is_unknown_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate(options)


def test_unknown_regions_are_named() -> None:
    with pytest.raises(InputError, match="XX"):
        masked({"text": "x"}, regions=["US", "XX"])


def test_nothing_is_logged_at_debug_level(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        masked({"text": f"ssn 536-90-4399, {MAIL}, {PHONE}, {CARD}, iban DE89370400440532013000, ip 8.8.8.8"})
    for value in ("536-90-4399", MAIL, PHONE, CARD, "DE89370400440532013000", "8.8.8.8"):
        assert value not in caplog.text


def test_markdown_and_code_stay_well_formed() -> None:
    text = f"# Mail\n\n```py\nmail = '{MAIL}'\n```\n\n| a | {PHONE} |\n|---|---|\n[write](mailto:{MAIL})"
    (found,) = masked({"text": text})
    assert found["text"] == (
        "# Mail\n\n```py\nmail = '<EMAIL_ADDRESS>'\n```\n\n"
        "| a | <PHONE_NUMBER> |\n|---|---|\n[write](mailto:EMAIL_ADDRESS)"
    )


def test_bytes_that_are_no_text_lose_no_document() -> None:
    broken: Any = pa.Array.from_buffers(
        pa.large_string(), 1, [None, pa.py_buffer(b"\0" * 8 + (9).to_bytes(8, "little")), pa.py_buffer(b"a@b.com\xff!")]
    )
    config = Config(columns=("text",))
    found = STAGE.process(pa.RecordBatch.from_arrays([broken], names=["text"]), config, None)
    assert found["text"].to_pylist() == ["<EMAIL_ADDRESS>\ufffd!"]
