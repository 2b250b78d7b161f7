"""`split.paragraphs`: where it cuts, and that no byte is lost or doubled, in any script and at any limit."""

from __future__ import annotations

import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datapipe.text import Segmentation, estimate_tokens
from stages.split.paragraphs import STAGE, Config


def expanded(texts: list[str | None], **limits: Any) -> list[dict[str, Any]]:
    batch = pa.RecordBatch.from_arrays([pa.array(texts, pa.large_string())], names=["text"])
    out: pa.RecordBatch = STAGE.expand(batch, Config(**limits), None)
    out.validate(full=True)
    return out.to_pylist()


def parts(text: str, **limits: Any) -> list[str]:
    return [child["text"] for child in expanded([text], **limits)]


def tokens(texts: list[str]) -> list[float]:
    total = estimate_tokens(Segmentation.of(pa.array(texts, pa.large_string())).words).total
    return (total / 1000).tolist()


def assert_whole(texts: list[str | None], **limits: Any) -> list[dict[str, Any]]:
    """Children in order, numbered, with spans that follow one another, their texts together their parent's."""
    children = expanded(texts, **limits)
    for row, text in enumerate(texts):
        mine = [child for child in children if child["parent_row"] == row]
        if text is None:
            assert mine == []
            continue
        assert [child["part"] for child in mine] == list(range(len(mine)))
        assert {child["parts"] for child in mine} == {len(mine)}
        assert "".join(child["text"] for child in mine) == text
        raw = text.encode()
        assert [raw[child["start"] : child["end"]].decode() for child in mine] == [child["text"] for child in mine]
        ends = [0, *(child["end"] for child in mine)]
        assert [child["start"] for child in mine] == ends[:-1]
        assert ends[-1] == len(raw)
        assert all(child["text"] for child in mine) or not text
    return children


# "tide" comes to 0.9 tokens, "." to 1.1, so a sentence of n words to 0.9 n + 1.1; a gap of two breaks to 1.5.
S4 = "Tide tide tide tide."  # 4.7
S8 = "Tide tide tide tide tide tide tide tide."  # 8.3
CASES: list[tuple[str, list[str], int, int | None]] = [
    ("fits", [f"{S4}\n\n{S8}"], 16, 8),  # 14.5
    ("paragraphs", [f"{S8}\n\n", f"{S8} {S4}"], 16, 8),  # all three sentences are 22.8; the first ends a paragraph
    ("whole paragraphs", [f"{S4}\n\n{S4}\n\n", f"{S4}\n\n{S4}"], 16, 4),  # three of 4.7 and two gaps are 17.1
    ("lines", [f"{S8}\n", f"{S8}\n{S4}"], 16, 8),
    ("a line before a sentence", [f"{S4} {S4}\n", f"{S4} {S4}"], 17, 8),  # three sentences fit: 14.1
    ("sentences", [f"{S8} ", f"{S8} {S4}"], 16, 8),
    ("words", ["tide " * 17, ("tide " * 12).rstrip()], 16, 8),  # 17 are 15.3, 18 would be 16.2
    ("a tail made longer", ["tide " * 11, ("tide " * 9).rstrip()], 16, 8),  # 20 are 18: 8 are left of the end
    ("no tail asked for", ["tide " * 17, ("tide " * 3).rstrip()], 16, None),
    ("indented", ["if x:\n    tide tide tide tide\n", "    tide tide tide tide tide\n    tide tide"], 16, 6),
    ("Chinese sentences", ["潮水涨了，船来了。潮水退了，船走了。", "潮水涨了，船来了。"], 16, None),  # 6.12 each
    ("Chinese words", ["潮" * 28, "潮" * 20], 16, 8),  # 28 are 15.68
    ("Thai letters", ["ก" * 28, "ก" * 15], 16, 8),
    ("a long word", ["x" * 76, "x" * 44], 16, 8),  # 25.26 tokens, so 16 are 76 of the 120 letters
]  # fmt: skip


@pytest.mark.parametrize(("expected", "most", "least"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_where_it_cuts(expected: list[str], most: int, least: int | None) -> None:
    assert parts("".join(expected), max_tokens=most, min_tokens=least) == expected


SCRIPTS = (
    "The tide came in. ", "Straße um Straße. ", "В гавани тихо. ", "كان الميناء هادئا. ", "उस सुबह शांत था। ",
    "เช้าวันนั้น", "清晨的港口很安静。", "その朝、港は静かだった。", "カナ", "그날 아침. ", "\n", "\n\n", "\r\n  ",
    "\u2028\u3000", " ", "\t", "\U0001f469\u200d\U0001f680", "e\u0301\u0323", "=" * 40, "a" * 90, "\x00", "...", "。。",
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=400), st.lists(st.sampled_from(SCRIPTS), max_size=60).map("".join))


@given(st.lists(st.one_of(st.none(), TEXTS), max_size=6), st.integers(16, 120), st.integers(0, 60))
@settings(max_examples=150)
def test_no_byte_is_lost_or_doubled(texts: list[str | None], most: int, least: int) -> None:
    assert_whole(texts, max_tokens=most, min_tokens=min(least, most // 2) or None)


@given(st.lists(st.sampled_from(SCRIPTS[:16]), max_size=150).map("".join), st.integers(30, 120))
@settings(max_examples=80)
def test_children_keep_to_the_limits(text: str, most: int) -> None:
    """Blanks count to the token after them, those before a child's first token may be left to the child before."""
    children = [child["text"] for child in assert_whole([text], max_tokens=most, min_tokens=most // 2)]
    assert all(count <= most for count in tokens(children))
    blanks = [len(text) - len(text.rstrip()) for text in ["", *children]]
    lacking = (most // 2 - 1.5 - 0.03 * blank for blank in blanks)
    if len(children) > 1:
        assert all(count >= bound for count, bound in zip(tokens(children), lacking, strict=False))


@pytest.mark.parametrize("char", ["a", "ß", "潮", "\U0001f680", "\u0301", "=", " ", "\n", "\u3000"])
def test_a_text_without_bounds_is_cut_between_characters(char: str) -> None:
    text = f"{char * 3000}x"
    children = assert_whole([text], max_tokens=16, min_tokens=8)
    assert (len(children) > 1) == (tokens([text])[0] > 16)


def test_a_child_never_begins_with_a_break_or_ends_with_indentation() -> None:
    lines = [f"{'    ' * (n % 4)}value_{n} = compute({n})" + "\n" * (1 + n % 3) for n in range(200)]
    children = parts("".join(lines), max_tokens=64, min_tokens=16)
    assert len(children) > 20
    assert all(child.endswith("\n") for child in children[:-1])
    assert not any(child.startswith("\n") for child in children)


def test_documents_share_no_limits_and_nulls_have_no_children() -> None:
    long = ("tide " * 40).rstrip()
    texts = ["", None, long, "short", None, long]
    children = assert_whole(texts, max_tokens=16, min_tokens=8)
    assert [child["parent_row"] for child in children] == [0, 2, 2, 2, 3, 5, 5, 5]
    assert children[1:4] == [child | {"parent_row": 2} for child in children[5:]]


def test_children_share_the_bytes_of_their_parents() -> None:
    texts = pa.array(["tide " * 400, "short"], pa.large_string())
    out = STAGE.expand(pa.RecordBatch.from_arrays([texts], names=["text"]), Config(max_tokens=64, min_tokens=8), None)
    theirs, ours = (array.buffers()[2] for array in (out["text"], texts))
    assert theirs is not None
    assert ours is not None
    assert theirs.address == ours.address


def test_min_tokens_must_leave_room() -> None:
    with pytest.raises(ValidationError, match="min_tokens 9 is more than half of max_tokens 16"):
        Config(max_tokens=16, min_tokens=9)


@pytest.mark.parametrize("most", [100, 1024])
def test_real_texts_are_whole_and_most_children_end_with_a_paragraph(real_data: Path, most: int) -> None:
    texts = []
    for name in ("c4_demo_300", "oiwiki_zh", "peps", "tang_poems"):
        with gzip.open(real_data / "raw" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for line in itertools.islice(lines, 60)]
    with gzip.open(real_data / "lid-udhr" / "udhr2.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts += [json.loads(line)["text"] for line in lines]
    children = assert_whole(texts, max_tokens=most, min_tokens=most // 4)
    cut = [child for child in children if child["parts"] > 1]
    assert len(cut) > len(texts)
    assert np.mean([child["text"].endswith("\n") for child in cut if child["part"] + 1 < child["parts"]]) > 0.75
    assert max(tokens([child["text"] for child in cut])) <= most + 3  # pieces of one token pay its first byte again
