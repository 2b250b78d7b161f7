"""dedup.substring: worked out by hand, against plain Python on any texts, and against a suffix array on real ones."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pydivsufsort as divsufsort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.text import forget, normal_form, segment
from stages.dedup.substring import STAGE, Config
from tests.stages.dedup.exchange import judged


def shard(texts: Sequence[str | None], name: str = "d") -> pa.RecordBatch:
    ids = [f"{name}{number}" for number in range(len(texts))]
    return pa.record_batch({"text": pa.array(texts, pa.large_string()), "id": pa.array(ids, pa.string())})


def result(*shards: Sequence[str | None], **options: Any) -> list[list[dict[str, Any]]]:
    batches = [shard(texts, "abcdefgh"[number]) for number, texts in enumerate(shards)]
    return [batch.to_pylist() for batch in judged(STAGE, Config(**{"min_words": 4, **options}), batches)]


def texts_of(found: list[list[dict[str, Any]]]) -> list[str | None]:
    return [row["text"] for rows in found for row in rows]


# ---------------------------------------------------------------------------------------------- by hand


@pytest.mark.parametrize(
    ("one", "other", "left"),
    [
        ("p one two three four q", "x one two three four y", "x  y"),  # four words: at the limit
        ("p one two three q", "x one two three y", "x one two three y"),  # three: below it
        ("p one two three four five q", "one two three four five", ""),
        ("p One, two: THREE — four q", "x one two three four y", "x  y"),  # the normal form is compared
        ("p one 12 thrée four q", "x (one 99 three four). y", "x (). y"),
        ("前一二三四后", "头一二三四尾", "头尾"),
        ("前一二三后", "头一二三尾", "头一二三尾"),
        ("é one two three four", "ñ one two three four ñ", "ñ  ñ"),  # never within a character
    ],
)
def test_what_stands_in_an_earlier_document_is_cut(one: str, other: str, left: str) -> None:
    found = result([one, other])
    assert texts_of(found) == [one, left]
    assert texts_of(result([one], [other])) == [one, left]


def test_a_document_that_repeats_itself_keeps_the_first_copy() -> None:
    (rows,) = result(["one two three four. And one two three four. Again: one two three four."])
    assert rows[0]["text"] == "one two three four. And . Again: ."
    assert [span["kept_in"] for span in rows[0]["spans"]] == ["a0", "a0"]
    assert [span["kept_at"] for span in rows[0]["spans"]] == [0, 0]
    assert (rows[0]["words_cut"], rows[0]["words_left"]) == (8, 6)


def test_spans_are_bytes_of_the_text_received_and_name_the_copy_that_is_kept() -> None:
    texts = ["z 一 one two three four five", "é one two three four ü five six seven"]
    (rows,) = result(texts)
    assert rows[0]["spans"] == []
    (span,) = rows[1]["spans"]
    assert texts[1].encode()[span["start"] : span["end"]].decode() == "one two three four"
    assert (span["kept_in"], span["kept_at"]) == ("a0", 2)
    assert rows[0]["words_left"] is None


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a a a a", "a a a a"),
        ("a a a a a", "a "),
        ("a b a b a", "a b a b a"),
        ("a b a b a b", "a b "),
        ("一一一一一", "一"),
    ],
)
def test_copies_within_each_other_are_two(text: str, left: str) -> None:
    assert texts_of(result([text])) == [left]


def test_runs_that_overlap_are_cut_together() -> None:
    (rows,) = result(["a b c d e f g h", "c d e f g h i j", "x c d e f g h i j y"])
    assert [row["text"] for row in rows] == ["a b c d e f g h", " i j", "x  y"]


def test_all_copies_go_where_none_is_to_be_kept() -> None:
    found = result(["x one two three four y"], ["p one two three four q", "r one two three four s"], keep="none")
    assert texts_of(found) == ["x  y", "p  q", "r  s"]
    assert texts_of(result(["one two three four alone"], keep="none")) == ["one two three four alone"]


def test_sentences_that_are_touched_go_as_a_whole() -> None:
    one = "First one two three four last. Another sentence stays here."
    other = "It begins. Then one two three four comes again! It ends."
    (rows,) = result([one, other], widen="sentences")
    assert rows[0]["text"] == one
    assert rows[1]["text"].replace("  ", " ") == "It begins. It ends."
    assert rows[1]["words_left"] == 4


def test_documents_of_which_too_little_is_left_leave() -> None:
    texts = ["a b c d e f g h", "a b c d e f x y", "a b c d e f x y z", "short"]
    config = Config(min_words=4, min_left=3)
    (columns,) = judged(STAGE, config, [shard(texts)])
    assert STAGE.decide is not None
    assert columns["words_left"].to_pylist() == [None, 2, 1, None]
    assert STAGE.decide(columns, config).to_pylist() == [None, "too_little_left", "too_little_left", None]
    assert STAGE.decide(columns, Config(min_words=4, min_left=None)).null_count == 4


@pytest.mark.parametrize(
    ("one", "other", "left"),
    [
        ("p four plus nine q", "x four plus nine y", "x  y"),  # twelve characters: at the limit
        ("p four plus six q", "x four plus six y", "x four plus six y"),  # eleven: below it
        ("p four plus tennis q", "x four plus tennis y", "x  y"),  # a word more than it takes is cut whole
        ("p incomprehensibly q", "x incomprehensibly y", "x  y"),  # one word is long enough
        ("p Äöü éèê 12-34-56 q", "x (aou, eee) 99 88 77 y", "x ( y"),  # of the normal form
        ("前一二三四五六七八九十甲乙后", "头一二三四五六七八九十甲乙尾", "头尾"),
        ("前一二三四五六七八九十甲后", "头一二三四五六七八九十甲尾", "头一二三四五六七八九十甲尾"),
    ],
)
def test_copies_may_be_measured_in_characters(one: str, other: str, left: str) -> None:
    assert texts_of(result([one], [other], unit="characters", min_characters=12)) == [one, left]


@pytest.mark.parametrize("text", [None, "", "   ", "!!! ??? ...", "one", "one two three"])
def test_short_and_empty_documents_stay_as_they_are(text: str | None) -> None:
    assert texts_of(result([text, text], [text])) == [text] * 3


# ---------------------------------------------------------------------------------------------- against plain Python


def words_of(text: str | None) -> list[tuple[str, int, int]]:
    """Words in normal form, with the bytes that they come from."""
    forget()
    array = pa.array([text], pa.large_string())
    pieces, form = segment(array), normal_form(array)
    found = []
    for word in range(form.first[0], form.last[0]):
        token = form.token[word]
        data = bytes(form.data[form.start[word] : form.end[word]]).decode()
        found.append((data, int(pieces.words.start[token]), int(pieces.words.end[token])))
    return found


def plain(texts: Sequence[str | None], length: int, unit: str = "words") -> list[str | None]:
    """The texts without every run of so many words, or characters, that stands before."""
    seen: set[tuple[str, ...]] = set()
    left: list[str | None] = []
    for text in texts:
        words = words_of(text)
        gone = np.zeros(len(words) + 1, np.bool_)
        for start in range(len(words)):
            sizes = np.cumsum([len(word) if unit == "characters" else 1 for word, _, _ in words[start:]])
            enough = np.flatnonzero(sizes >= length)
            if not len(enough):
                break
            stop = start + int(enough[0]) + 1
            run = tuple(word for word, _, _ in words[start:stop])
            gone[start:stop] |= run in seen
            seen.add(run)
        data, kept, at = (text or "").encode(), b"", 0
        edges = np.flatnonzero(np.diff(np.concatenate([[False], gone])))
        for first, last in pairwise([*edges.tolist()][: len(edges) // 2 * 2]):
            if gone[first]:
                kept += data[at : words[first][1]]
                at = words[last - 1][2]
        left.append(None if text is None else (kept + data[at:]).decode())
    return left


ALPHABET = st.sampled_from(
    ["a", "b", "B!", "c ", "é", "一", "二", " ", ". ", "\n", "d-", "12", "longer", "a-word-of-twenty-letters"]
)
TEXTS = st.lists(st.lists(ALPHABET, max_size=40).map(" ".join) | st.none(), min_size=1, max_size=6)


@settings(deadline=None, max_examples=150)
@given(TEXTS, st.integers(4, 9), st.sampled_from(["words", "characters"]), st.integers(1, 3), st.integers(1, 30))
def test_any_texts_are_cut_as_plain_python_does(
    texts: list[str | None], length: int, unit: str, shards: int, cut: int
) -> None:
    if unit == "characters":
        length *= 4  # so that grams are of one word and of several
    size = -(-len(texts) // shards)
    batches = [shard(texts[start : start + size], f"s{start}-") for start in range(0, len(texts), size)]
    config = Config.model_validate({"unit": unit, f"min_{unit}": length})
    found = judged(STAGE, config, batches, cut=cut)
    assert [row["text"] for batch in found for row in batch.to_pylist()] == plain(texts, length, unit)


# ---------------------------------------------------------------------------------------------- earlier runs


def in_turn(*texts: Sequence[str | None], **options: Any) -> list[dict[str, Any]]:
    """What the last of some runs gives, each with all before it."""
    batches = [shard(part, "abcdefgh"[number]) for number, part in enumerate(texts)]
    against = tuple("abcdefgh"[: len(texts) - 1])
    config = Config(**{"min_words": 4, "against": against, **options})
    (found,) = judged(STAGE, config, batches, runs=range(len(texts)))
    return found.to_pylist()


@pytest.mark.parametrize("keep", ["first", "none"])
def test_what_an_earlier_run_has_is_cut_and_its_copy_stays_whatever_is_kept_else(keep: str) -> None:
    old = ["z one two three four", "only old: five six seven eight"]
    rows = in_turn(old, ["x one two three four y", "new twice a b c d", "a b c d", "alone e f g h"], keep=keep)
    first = "new twice a b c d" if keep == "first" else "new twice "
    assert [row["text"] for row in rows] == ["x  y", first, "", "alone e f g h"]
    (span,) = rows[0]["spans"]
    assert (span["kept_in"], span["kept_at"]) == ("a0", 1)


def test_a_run_that_stands_in_earlier_runs_only_cuts_nothing() -> None:
    assert [row["spans"] for row in in_turn(["a b c d e"], ["x a b c d e"], ["alone f g h i"])] == [[]]


@settings(deadline=None, max_examples=60)
@given(TEXTS, TEXTS, TEXTS, st.sampled_from(["words", "characters"]))
def test_runs_in_turn_cut_what_one_run_over_all_cuts(one: Any, two: Any, three: Any, unit: str) -> None:
    options = {"unit": unit, "min_characters": 12}
    joint = result(one, two, three, **options)
    assert [in_turn(one, two, **options), in_turn(one, two, three, **options)] == joint[1:]


# ---------------------------------------------------------------------------------------------- against a suffix array


@pytest.mark.full
def test_on_5_mb_with_planted_repeats_all_is_cut_that_a_suffix_array_finds(real_data: Path) -> None:
    texts = _planted(_real_texts(real_data, 5 << 20), 2000)
    config = Config()
    size = 400
    batches = [shard(texts[start : start + size], f"s{start}-") for start in range(0, len(texts), size)]
    found = [row for batch in judged(STAGE, config, batches, cut=5000) for row in batch.to_pylist()]
    expected = _by_suffix_array(texts, config.min_words, divsufsort)
    words = {name: words_of(text) for name, text in zip(_names(batches), texts, strict=True)}
    for (name, mine), text, row, gone in zip(words.items(), texts, found, expected, strict=True):
        assert row["words_cut"] == int(gone.sum())
        inside = np.zeros(len(mine), np.bool_)
        for span in row["spans"]:
            cut = [place for place, (_, start, end) in enumerate(mine) if span["start"] <= start and end <= span["end"]]
            assert len(cut) >= config.min_words  # nothing shorter is cut
            inside[cut] = True
            text.encode()[span["start"] : span["end"]].decode()  # whole characters
            kept, run = words[span["kept_in"]][span["kept_at"] :], mine[cut[0] :]
            assert [word for word, _, _ in kept[: config.min_words]] == [word for word, _, _ in run[: config.min_words]]
            assert (span["kept_in"], span["kept_at"]) != (name, cut[0])
        assert (inside == gone).all()
    assert sum(len(row["spans"]) for row in found) > 1000  # planted runs that lie side by side are one span
    whole = _whole_runs(list(words.values()), expected, config.min_words)
    assert len(whole) > 100_000
    assert max(whole.values()) == 1  # no run is left twice; what is repeated yet was brought together by cuts


def _names(batches: list[pa.RecordBatch]) -> list[str]:
    return [str(name) for batch in batches for name in batch["id"].to_pylist()]


def _whole_runs(texts: list[list[tuple[str, int, int]]], gone: list[Any], length: int) -> Counter[tuple[str, ...]]:
    """How often each run stands in what is left of the texts, as it stood in them."""
    found: Counter[tuple[str, ...]] = Counter()
    for words, cut in zip(texts, gone, strict=True):
        edges = np.flatnonzero(np.diff(np.concatenate([[True], cut, [True]])))
        for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            forms = [word for word, _, _ in words[first:last]]
            found.update(tuple(forms[at : at + length]) for at in range(len(forms) - length + 1))
    return found


def _real_texts(real_data: Path, size: int) -> list[str]:
    texts: list[str] = []
    with gzip.open(real_data / "dedup-peps/docs.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            texts.append(json.loads(line)["text"])
            if sum(map(len, texts)) > size:
                break
    return texts


def _planted(texts: list[str], count: int) -> list[str]:
    """The texts with stretches of 20 to 200 words of one put into another."""
    chance = random.Random(11)
    parts = [text.split(" ") for text in texts]
    for _ in range(count):
        source, target = chance.choice(parts), chance.choice(parts)
        length = chance.randint(20, 200)
        start = chance.randrange(max(1, len(source) - length))
        at = chance.randrange(len(target) + 1)
        target[at:at] = source[start : start + length]
    return [" ".join(part) for part in parts]


def _by_suffix_array(texts: list[str], length: int, divsufsort: Any) -> list[Any]:
    """Of each text which words lie in a run that stands before; runs do not reach over texts."""
    numbers: dict[str, int] = {}
    sequence: list[int] = []
    bounds = []
    for place, text in enumerate(texts):
        words = [numbers.setdefault(word, len(numbers)) for word, _, _ in words_of(text)]
        bounds.append((len(sequence), len(sequence) + len(words)))
        sequence += [*words, 50_000_000 + place]  # a mark of its own ends each text
    array = np.array(sequence, np.int64)
    _, array = np.unique(array, return_inverse=True)
    suffixes = np.asarray(divsufsort.divsufsort(array.astype(np.int32)))
    common = np.asarray(divsufsort.kasai(array.astype(np.int32), suffixes))
    first = np.zeros(len(array), np.bool_)
    start = 0
    for place in range(1, len(suffixes) + 1):
        if place == len(suffixes) or common[place - 1] < length:  # suffixes start to place share a run
            first[suffixes[start:place].min()] = True
            start = place
    gone = []
    for low, high in bounds:
        cut = np.zeros(high - low, np.bool_)
        for at in range(low, high - length + 1):
            if not first[at]:
                cut[at - low : at - low + length] = True
        gone.append(cut)
    return gone
