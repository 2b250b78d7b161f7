"""Expressions over columns: what they choose, what they refuse, and that no input breaks the reader."""

from __future__ import annotations

import pickle
import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.where import WhereError, columns_in, parse_where

TYPES: dict[str, pa.DataType] = {
    "kind": pa.string(),
    "text": pa.large_string(),
    "tag": pa.dictionary(pa.int8(), pa.string()),
    "q.words": pa.int32(),
    "q.big": pa.uint64(),
    "q.long": pa.int64(),
    "q.share": pa.float32(),
    "q.ok": pa.bool_(),
    "html": pa.large_binary(),
    "messages": pa.large_list(pa.string()),
    "p.marks": pa.list_(pa.string()),
    "p.spans": pa.list_(pa.int32()),
}
BATCH = pa.RecordBatch.from_arrays(
    [
        pa.array(["prose", "code", None, "chat"], TYPES["kind"]),
        pa.array(["a", "b", "c", None], TYPES["text"]),
        pa.array(["x", "y", None, "x"]).dictionary_encode().cast(TYPES["tag"]),
        pa.array([1, 50, 100, None], TYPES["q.words"]),
        pa.array([0, 2**63 + 5, 7, None], TYPES["q.big"]),
        pa.array([2**53 + 1, -5, 0, None], TYPES["q.long"]),
        pa.array([0.5, float("nan"), 1.0, None], TYPES["q.share"]),
        pa.array([True, False, None, True], TYPES["q.ok"]),
        pa.array([b"<", None, b"", b"x"], TYPES["html"]),
        pa.array([["a"], [], None, None], TYPES["messages"]),
        pa.array([["spam", "old"], [None, "old"], None, ["spam", "spam"]], TYPES["p.marks"]),
        pa.array([[1], [], None, [2]], TYPES["p.spans"]),
    ],
    names=list(TYPES),
)

CHOOSES = [
    ("kind != 'code'", "1011"),
    ("kind != 'code' or kind == None", "1011"),
    ("not kind == 'code'", "1011"),
    ("not (kind == 'code' or q.words > 60)", "1001"),
    ("kind in ['prose', 'chat']", "1001"),
    ("kind not in ('prose',)", "0111"),
    ("kind is None", "0010"),
    ("None != kind", "1101"),
    ("kind is not None and q.ok", "1001"),
    ("not q.ok", "0110"),
    ("q.ok == False", "0100"),
    ("10 < q.words <= 100", "0110"),
    ("q.words > -1", "1110"),
    ("q.words in [1, 100.0]", "1010"),
    ("q.big > 9", "0100"),
    ("q.big > -1", "1110"),
    ("q.long > 4503599627370496.5", "1000"),
    ("q.long < q.words", "0110"),
    ("q.share >= 0.5", "1010"),
    ("tag == 'x'", "1001"),
    ("text == kind", "0000"),
    ("html == None", "0100"),
    ("messages != None", "1100"),
    ("'spam' in p.marks", "1001"),
    ("'old' in p.marks and 'spam' not in p.marks", "0100"),
    ("'spam' not in p.marks", "0110"),
    ("not ('none' in p.marks)", "1111"),
    ("'a' in messages", "1000"),
    (" ( kind == 'prose'\n or q.words == 50 ) ", "1100"),
    ("kind == 'x' and q.words == None or q.words == 1", "1000"),
]


@pytest.mark.parametrize(("text", "expected"), CHOOSES, ids=[case[0] for case in CHOOSES])
def test_it_chooses(text: str, expected: str) -> None:
    where = pickle.loads(pickle.dumps(parse_where(text, TYPES)))
    mask = where.mask(BATCH.select(list(where.columns)))
    assert "".join(str(int(chosen)) for chosen in mask) == expected
    assert len(where.mask(BATCH.slice(0, 0))) == 0


def test_lists_are_read_row_by_row_in_slices_and_where_a_missing_list_hides_values() -> None:
    hidden = pa.ListArray.from_arrays(
        pa.array([0, 2, 3, 4], pa.int32()), pa.array(["a", "b", "a", "c"]), mask=pa.array([False, True, False])
    )
    batch = pa.RecordBatch.from_arrays([hidden], names=["p.marks"])
    where = parse_where("'a' in p.marks", TYPES)
    assert where.mask(batch).tolist() == [True, False, False]
    assert parse_where("'c' in p.marks", TYPES).mask(batch.slice(1)).tolist() == [False, True]


REFUSES = [
    ("kindd == 'a'", "no column `kindd`", "did you mean kind"),
    ("q.word > 1", "no column `q.word`", "did you mean q.words"),
    ("kind > 3", "`kind` (text) cannot be compared with `3` (number)", ""),
    ("q.words == 'a'", "(number) cannot be compared with `'a'` (text)", ""),
    ("q.ok > True", "true or false", "=="),
    ("q.words == True", "cannot be compared with `True` (bool)", ""),
    ("kind", "no condition", "compare"),
    ("messages == 'a'", "`messages` cannot be compared", "== None"),
    ("1 < 2", "compares no column", ""),
    ("1 < 2 < q.words", "compares no column", ""),
    ("True", "`True` is not allowed", ""),
    ("len(text) > 3", "`len(text)` is not allowed", ""),
    ("text.upper() == 'A'", "`text.upper()` is not allowed", ""),
    ("__import__('os').system('x')", "is not allowed", ""),
    ("q.words + 1 > 3", "`q.words + 1` is not allowed", ""),
    ("kind in 'abc'", "needs a list", ""),
    ("kind in []", "needs a list", ""),
    ("'a' in kind", "needs a list of values, which `kind` is not", "language in"),
    ("1 in p.marks", "`p.marks` holds lists of texts", "'spam' in p.marks"),
    ("kind in p.marks", "`p.marks` holds lists of texts", "'spam' in p.marks"),
    ("1 in p.spans", "needs a list of values, which `p.spans` is not", ""),
    ("'a' in p.mark", "no column `p.mark`", "did you mean p.marks"),
    ("kind in ['a', None]", "None stands in a list", "or column == None"),
    ("kind in [text]", "compares a column with plain values", ""),
    ("kind in ['a', 3]", "cannot be compared", ""),
    ("kind < None", "None cannot be compared by `<`", ""),
    ("3 == None", "only a column", ""),
    ("kind == 'a", "does not parse", ""),
    ("kind = 'a'", "does not parse", ""),
    ("", "does not parse", ""),
    ("q.words > 1" + "0" * 30, "outside the range", ""),
    ("not " * 60 + "q.ok", "nested too deep", ""),
    ("(" * 900 + "q.ok" + ")" * 900, "does not parse", ""),
    ("q.ok and " * 400 + "q.ok", "longer than", ""),
    ("-" * 900 + "1 == q.words", "is not allowed", ""),
    ("q" + ".a" * 900 + " == 1", "no column", ""),
    ("f'{kind}' == 'a'", "is not allowed", ""),
    ("(lambda: 1)", "is not allowed", ""),
]


@pytest.mark.parametrize(("text", "message", "remedy"), REFUSES, ids=[case[0][:40] for case in REFUSES])
def test_it_refuses(text: str, message: str, remedy: str) -> None:
    with pytest.raises(WhereError) as caught:
        parse_where(text, TYPES)
    assert message in str(caught.value)
    assert remedy in caught.value.problems[0][1]


def test_a_field_of_the_metadata_is_no_column_of_lists() -> None:
    with pytest.raises(WhereError, match=r"needs a list of values, which `metadata\.tags` is not"):
        parse_where("'a' in metadata.tags", {"metadata": pa.large_string()})


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(WhereError) as caught:
        parse_where("a == 1 and b == 2 or kind > 3 and a == 1", TYPES)
    assert len(caught.value.problems) == 3


# Fields of `metadata`: one document a digit.
DOCUMENTS = [
    '{"karma": 5, "score": 2.5, "flag": true, "by": {"name": "ann", "a-b": {"c": 1}}}',
    '{"karma": "5", "score": -1, "flag": "true", "by": "ann"}',
    '{"karma": null, "flag": false, "by": {"name": 7}}',
    '{"karma": true, "score": NaN}',
    "[5]",
    '{"karma": 3',
    None,
    '{"karma": 18446744073709551616123, "big": 1e999}',
]
FIELDS = [
    ("metadata.karma >= 3", "10000001"),
    ("3 <= metadata.karma < 6", "10000000"),
    ("not metadata.karma >= 3", "01111110"),
    ("metadata.karma != 5", "01111111"),
    ("metadata.karma == '5'", "01000000"),
    ("metadata.karma in [4, 5]", "10000000"),
    ("metadata.karma not in ['5']", "10111111"),
    ("metadata.karma == None", "00101110"),
    ("metadata.karma is not None", "11010001"),
    ("metadata.karma == True", "00010000"),
    ("metadata.flag", "10000000"),
    ("not metadata.flag", "01111111"),
    ("metadata.flag == False", "00100000"),
    ("metadata.score > -2 and metadata.score < 3", "11000000"),
    ("metadata.score != 2.5", "01111111"),
    ("metadata.by.name == 'ann'", "10000000"),
    ("metadata.by.name == 7", "00100000"),
    ("metadata['by']['a-b'].c == 1", "10000000"),
    ("metadata.by == None", "00011111"),
    ("metadata.karma > words", "10000001"),
    ("metadata.big > 1", "00000001"),
    ("metadata == None", "00000010"),
    ("metadata.nobody == 'a' or words == 4", "11111111"),
    ("metadata.exact == 9", "11111111"),
]


def documents() -> pa.RecordBatch:
    return pa.record_batch(
        {
            "metadata": pa.array(DOCUMENTS, pa.large_string()),
            "words": pa.array([4] * len(DOCUMENTS), pa.int32()),
            "metadata.exact": pa.array([9] * len(DOCUMENTS), pa.int32()),
        }
    )


@pytest.mark.parametrize(("text", "expected"), FIELDS, ids=[case[0] for case in FIELDS])
def test_fields_of_the_metadata_are_typed_by_what_they_are_compared_with(text: str, expected: str) -> None:
    batch = documents()
    types = dict(zip(batch.schema.names, batch.schema.types, strict=True))
    where = pickle.loads(pickle.dumps(parse_where(text, types)))
    read = batch.select(list(where.columns))
    assert "".join(str(int(chosen)) for chosen in where.mask(read)) == expected
    assert [int(where.mask(read.slice(row, 1))[0]) for row in range(len(read))] == [int(digit) for digit in expected]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metadata.a == metadata.b", "nothing says of which type"),
        ("metadata.a > True", "true or false"),
        ("metadata.a > None", "None cannot be compared"),
        ("metadata.a in [1, 'a']", "mixes"),
        ("metadata.a in [words]", "plain values"),
        ("metadata > 3", "(text) cannot be compared"),
        ("metadata[0] == 1", "not allowed"),
        ("words['a'] == 1", "not allowed"),
        ("metadata.get('a') == 1", "not allowed"),
        ("wordz.a == 1", "no column `wordz.a`"),
        ("metadata.a == 9007199254740993", "do not tell 9007199254740993 from its neighbours"),
        ("-9007199254740993 < metadata.a", "do not tell -9007199254740993"),
        ("metadata.a in [1, 9007199254740993]", "do not tell"),
    ],
)
def test_what_no_field_can_be_asked(text: str, message: str) -> None:
    with pytest.raises(WhereError, match=re.escape(message)):
        parse_where(text, {"metadata": pa.large_string(), "words": pa.int32()})


def test_numbers_of_json_are_exact_up_to_where_floats_are() -> None:
    documents = [f'{{"n": {2**53 + offset}}}' for offset in (-1, 0, 1)]
    where = parse_where(f"metadata.n < {2**53}", {"metadata": pa.large_string()})
    batch = pa.RecordBatch.from_pydict({"metadata": pa.array(documents, pa.large_string())})
    assert where.mask(batch).tolist() == [True, False, False]


def test_without_a_metadata_column_there_are_no_fields() -> None:
    with pytest.raises(WhereError, match=r"no column `metadata\.karma`"):
        parse_where("metadata.karma > 3", {"words": pa.int32()})


def test_the_columns_are_known_from_the_text_alone() -> None:
    text = "metadata.karma > 3 and (q.words > 2 or not q.ok) and kind in ['a'] and metadata['x y'].z == None"
    assert columns_in(text) == ("metadata", "q.words", "q.ok", "kind")


def test_a_column_of_no_known_type_compares_with_anything() -> None:
    batch = pa.record_batch({"x": pa.nulls(2)})
    chosen = {
        text: parse_where(text, {"x": pa.null()}).mask(batch).tolist() for text in ("x > 3", "x != 'a'", "not x", "x")
    }
    assert chosen == {"x > 3": [False, False], "x != 'a'": [True, True], "not x": [True, True], "x": [False, False]}


COLUMNS = st.sampled_from(list(TYPES))
VALUES = st.one_of(st.integers(-(2**64), 2**64), st.floats(allow_nan=False), st.text(max_size=4), st.booleans())
ATOMS = st.one_of(
    COLUMNS,
    st.builds(
        "{} {} {}".format, COLUMNS, st.sampled_from(["==", "!=", "<", ">=", "is", "in", "not in"]), VALUES.map(repr)
    ),
    st.builds("{} == {}".format, COLUMNS, COLUMNS),
    st.builds("{} == None".format, COLUMNS),
)
TREES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not {}".format, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(TREES, st.text(max_size=60)))
def test_whatever_is_accepted_evaluates(text: str) -> None:
    """Either WhereError, or a mask of bools that agrees row by row with the whole."""
    try:
        where = parse_where(text, TYPES)
    except WhereError:
        return
    mask = where.mask(BATCH)
    assert mask.dtype == bool
    assert [bool(where.mask(BATCH.slice(row, 1))[0]) for row in range(4)] == mask.tolist()
