"""`dedup.exact` against a plain dictionary, over a stream sorted and cut as the framework does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.survivors import VERDICTS, microseconds, resolve
from datapipe.stage import Scratch
from datapipe.text import forget
from stages.dedup.exact import STAGE, Config

SCRATCH = Scratch(Path("unused"), 0)


class Document(NamedTuple):
    """What the stage may read."""

    text: str | None
    id: str
    source: str | None = "a"
    fetched: str | None = None
    date: str | None = None


def batch_of(documents: Sequence[Document]) -> pa.RecordBatch:
    columns: dict[str, Any] = {
        name: pa.array([getattr(document, name) for document in documents], pa.string())
        for name in Document._fields
        if name != "text"
    }
    columns["text"] = pa.array([document.text for document in documents], pa.large_string())
    return pa.record_batch(columns)


def cut(table: pa.Table, sizes: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """The table in batches of these sizes, over and over."""
    start = turn = 0
    while start < table.num_rows:
        size = sizes[turn % len(sizes)]
        yield from table.slice(start, size).combine_chunks().to_batches()
        start, turn = start + size, turn + 1


def sorted_keys(shards: Sequence[Sequence[Document]], config: Config) -> pa.Table:
    (only,) = STAGE.rounds
    assert only.emit is not None
    tables = []
    for number, documents in enumerate(shards):
        forget()
        keys = only.emit(batch_of(documents), config, None)
        for name, value in (("shard", number), ("run", max(0, number + len(config.against) + 1 - len(shards)))):
            keys = keys.append_column(name, pa.array([value] * keys.num_rows, pa.uint32()))
        tables.append(pa.Table.from_batches([keys]))
    order: Any = [(name, "ascending") for name in ("key", *only.sort, "shard", "row")]
    return pa.concat_tables(tables).sort_by(order)


def run(shards: Sequence[Sequence[Document]], config: Config, sizes: Sequence[int] = (3,)) -> list[list[Any]]:
    """(survivor, copies, reason) of each document."""
    found = list(resolve(cut(sorted_keys(shards, config), sizes), config, SCRATCH))
    verdicts = pa.Table.from_batches(found, VERDICTS).sort_by([("shard", "ascending"), ("row", "ascending")])
    results = []
    for number, documents in enumerate(shards):
        mine = verdicts.filter(pa.array([shard == number for shard in verdicts["shard"].to_pylist()], pa.bool_()))
        table = mine.combine_chunks().to_batches()
        some = table[0] if table else pa.RecordBatch.from_pylist([], VERDICTS)
        rows = pa.record_batch({"row": pa.array(range(len(documents)), pa.uint32())})
        columns = STAGE.apply(rows, some, config)
        assert columns.schema == STAGE.adds_for(config)
        assert STAGE.decide is not None
        reasons = STAGE.decide(columns, config).to_pylist()
        survivor, copies = columns["survivor"].to_pylist(), columns["copies"].to_pylist()
        results.append(list(zip(survivor, copies, reasons, strict=True)))
    return results


def simple(*texts: str | None) -> list[Document]:
    return [Document(text, f"id{position}") for position, text in enumerate(texts)]


def test_the_first_copy_stays_and_knows_how_many_there_are() -> None:
    found = run([simple("one text", "another", "one text", "one text")], Config())
    gone = ("id0", None, "duplicate")
    assert found == [[(None, 3, None), (None, 1, None), gone, gone]]


@pytest.mark.parametrize("text", [None, "", "  \n\t\u3000"])
def test_documents_without_text_are_never_merged(text: str | None) -> None:
    for config in (Config(), Config(normalise=False)):
        assert run([simple(text, text, "text")], config) == [[(None, 1, None)] * 3]


@pytest.mark.parametrize(
    ("one", "other", "merged"),
    [
        ("Hello,  World!", "hello world", True),
        ("Le café – 12 mai", "le cafe 15 mai", True),
        ("你好，世界。", "你好世界", True),
        ("hello world", "hello worlds", False),
        ("你好世界", "你好世人", False),
        ("!!!", "???", False),
        ("!!!", " !!! ", True),
    ],
)
def test_what_the_normal_form_makes_equal(one: str, other: str, *, merged: bool) -> None:
    assert [result[2] for result in run([simple(one, other)], Config())[0]] == [None, "duplicate" if merged else None]
    assert [result[2] for result in run([simple(one, other)], Config(normalise=False))[0]] == [None, None]


TIMES = [
    Document("same", "c", fetched="2024-05-01T10:00:00Z", date="2020"),
    Document("same", "b", fetched="2024-05-01T12:00:00+03:00", date="2021-02"),
    Document("Same!", "d", fetched=None, date="2019-01-01"),
    Document("same", "a", fetched="2024-05-01T10:00:00Z", date="not a date"),
]


@pytest.mark.parametrize(
    ("config", "survivor"),
    [
        (Config(), "c"),
        (Config(survivor="longest"), "d"),
        (Config(survivor="newest"), "a"),  # as new as c; the tie goes by id
        (Config(survivor="oldest"), "b"),  # 09:00 UTC
        (Config(survivor="newest", dated="date"), "b"),
        (Config(survivor="oldest", dated="date"), "d"),
    ],
)
def test_which_copy_survives(config: Config, survivor: str) -> None:
    (results,) = run([TIMES], config)
    stays = [document.id for document, result in zip(TIMES, results, strict=True) if result[2] is None]
    assert stays == [survivor]
    assert {result[0] for result in results} == {None, survivor}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.1, 2.5, -3.0, 2.0], 1),
        ([-1.5, -0.25, -1e300, -0.5], 1),
        ([None, -5.0, float("nan"), float("-inf")], 1),
        ([0.0, -0.0, None, None], 0),  # equal numbers: by id
        ([1e-300, 0.0, float("inf"), 1e300], 2),
    ],
)
def test_the_best_by_a_column_stays(values: list[float | None], expected: int) -> None:
    config = Config(survivor="best:quality.score")
    batch = batch_of(simple(*["same"] * 4)).append_column("quality.score", pa.array(values, pa.float64()))
    keys = pa.Table.from_batches([STAGE.rounds[0].emit(batch, config, None)])  # type: ignore[misc]
    order = keys.sort_by([("rank", "ascending"), ("tie", "ascending")])
    assert order["row"][0].as_py() == expected
    assert STAGE.reads_for(config) == ("text", "id", "quality.score")


def test_documents_of_earlier_runs_stay_and_are_counted() -> None:
    old, new = [Document("one", "z"), Document("two", "y")], [Document("one", "a"), Document("one", "b")]
    for rule in ("first", "longest", "newest"):
        _, found = run([old, [*new, Document("three", "c")]], Config(survivor=rule, against=("earlier",)))
        assert found == [("z", None, "duplicate"), ("z", None, "duplicate"), (None, 1, None)]


def test_dates_cut_short_begin_with_their_period() -> None:
    assert microseconds("1970") == microseconds("1970-01") == microseconds("1970-01-01T00:00:00Z") == 0
    assert microseconds("soon") is microseconds(None) is None


def test_scopes_are_apart_and_null_is_one_of_them() -> None:
    documents = [Document("same", str(i), source=source) for i, source in enumerate(["a", "b", "a", None, None, ""])]
    reasons = [result[2] for result in run([documents], Config(within=("source",)))[0]]
    assert reasons == [None, None, "duplicate", None, "duplicate", None]


def test_a_verdict_on_a_batch_without_any_is_that_all_are_unique() -> None:
    rows = pa.record_batch({"row": pa.array([7, 9], pa.uint32())})
    for schema in (VERDICTS, VERDICTS.empty_table().select(["row"]).schema):
        none = pa.RecordBatch.from_pylist([], schema)
        assert STAGE.apply(rows, none, Config()).to_pylist() == [{"survivor": None, "copies": 1}] * 2


def test_only_what_is_needed_is_read() -> None:
    assert STAGE.reads_for(Config()) == ("text", "id")
    assert STAGE.reads_for(Config(survivor="newest", within=("snapshot",))) == ("text", "id", "snapshot", "fetched")


SHARDS = st.lists(
    st.lists(st.tuples(st.sampled_from([None, "", "a", "A", "a b", "a  b!", "c", "!"]), st.sampled_from("xy"))),
    min_size=1,
    max_size=3,
)
RULES = st.sampled_from(["first", "longest", "newest", "oldest"])


@given(SHARDS, st.lists(st.integers(1, 5), min_size=1, max_size=3), RULES, st.booleans())
@settings(max_examples=60)
def test_as_a_dictionary_groups_them_however_the_stream_is_cut(
    texts: list[list[tuple[str | None, str]]], sizes: list[int], rule: Any, normalise: Any
) -> None:
    count = iter(range(1000))
    shards = [
        [Document(text, f"{(7 * (n := next(count))) % 97:02}", source, f"20{n % 5:02}") for text, source in shard]
        for shard in texts
    ]
    config = Config(survivor=rule, normalise=normalise, within=("source",))
    groups: dict[object, list[tuple[object, Document]]] = {}
    for number, shard in enumerate(shards):
        for row, document in enumerate(shard):
            if document.text:
                words = "".join(c for c in document.text.lower() if c.isalpha() or c == " ").split()
                form = tuple(words) or document.text
                key = (form if normalise else document.text, document.source)
                year = int((document.fetched or "0")[:4])
                rank = {"first": (number, row), "longest": (-len(document.text), document.id),
                        "newest": (-year, document.id), "oldest": (year, document.id)}[rule]  # fmt: skip
                groups.setdefault(key, []).append((rank, document))
    expected: dict[str, Any] = {document.id: (None, 1, None) for shard in shards for document in shard}
    for group in groups.values():
        group.sort(key=lambda pair: pair[0])  # type: ignore[arg-type, return-value]
        head, *others = (document for _, document in group)
        expected[head.id] = (None, len(group), None)
        expected |= {other.id: (head.id, None, "duplicate") for other in others}
    found = run(shards, config, sizes)
    for shard, results in zip(shards, found, strict=True):
        assert results == [expected[document.id] for document in shard]


def test_a_group_larger_than_any_batch_needs_no_more_than_a_row() -> None:
    documents = [Document("the same", f"{i:05}") for i in range(5000)]
    (results,) = run([documents], Config(), sizes=(64,))
    assert results[0] == (None, 5000, None)
    assert set(results[1:]) == {("00000", None, "duplicate")}
