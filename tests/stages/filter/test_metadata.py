from __future__ import annotations

import pyarrow as pa
import pytest
from pydantic import ValidationError

from datapipe.errors import StageError
from stages.filter.metadata import STAGE, Config, reads

KARMA = ['{"karma": 5}', '{"karma": 3}', '{"karma": 2.5}', '{"karma": "9"}', '{"votes": 9}', "", "[3]", None]


def reasons(batch: pa.RecordBatch, keep: str) -> list[str | None]:
    config = Config(keep=keep)
    assert STAGE.decide is not None
    return STAGE.decide(STAGE.process(batch.select(list(reads(config))), config, None), config).to_pylist()


def documents(texts: list[str | None]) -> pa.RecordBatch:
    words = pa.array(range(len(texts)), pa.int32())
    return pa.record_batch({"metadata": pa.array(texts, pa.large_string()), "quality.words": words})


def test_karma_of_at_least_three_as_webtext_asked_for() -> None:
    kept = [reason is None for reason in reasons(documents(KARMA), "metadata.karma >= 3")]
    assert kept == [True, True, False, False, False, False, False, False]
    assert set(reasons(documents(KARMA), "metadata.karma >= 3")) == {None, "metadata_not_kept"}


def test_documents_without_the_field_stay_where_the_expression_says_so() -> None:
    kept = [reason is None for reason in reasons(documents(KARMA), "metadata.karma >= 3 or metadata.karma == None")]
    assert kept == [True, True, False, False, True, True, True, True]


def test_marks_of_other_stages_can_be_asked_for_one_of_them() -> None:
    marks = pa.array([["adult"], ["novel", "adult"], [], None], pa.list_(pa.string()))
    batch = pa.record_batch({"spam.marks": marks})
    assert reasons(batch, "'adult' not in spam.marks") == ["metadata_not_kept", "metadata_not_kept", None, None]
    with pytest.raises(StageError, match=r"needs a list of values, which `spam\.marks` is not"):
        reasons(pa.record_batch({"spam.marks": pa.array(["adult"])}), "'adult' not in spam.marks")


def test_measures_of_other_stages_can_be_asked_too() -> None:
    found = reasons(documents(KARMA), "not metadata.karma >= 3 and quality.words < 4")
    assert [reason is None for reason in found] == [False, False, True, True, False, False, False, False]


@pytest.mark.parametrize(
    ("keep", "columns"),
    [
        ("metadata.karma >= 3", ("metadata",)),
        ("metadata.a.b == 'x' and kind != 'chat' and language in ['en']", ("metadata", "kind", "language")),
        ("quality.words > 3", ("quality.words",)),
    ],
)
def test_the_expression_says_what_is_read(keep: str, columns: tuple[str, ...]) -> None:
    assert STAGE.reads_for(Config(keep=keep)) == columns


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ("metadata.karma >", "does not parse"),
        ("language > 3", "cannot be compared with `3`"),
        ("metadata.karma + 1 > 3", "is not allowed here"),
        ("metadata.karma > metadata.votes", "nothing says of which type"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_read(keep: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Config(keep=keep)


def test_a_measure_of_another_type_is_told_in_one_line() -> None:
    with pytest.raises(StageError, match=r"`quality\.words` \(number\) cannot be compared"):
        reasons(documents(KARMA), "quality.words == 'many'")
