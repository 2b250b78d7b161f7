"""Tokens by hand, runs of them by plain Python, and matches by the definition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.background import Background, load_background, make_background
from datapipe.algo.folded_tokens import CHARACTER, SHORT, WORD, bare_table, fold_table, places_of, tokens_of
from datapipe.algo.item_align import BREAK_BITS as WORD_BREAK_BITS
from datapipe.algo.item_grams import ABSENT, MULTIPLIER, SALT, Lengths, grams_of, hit_grams, look_up, make_table
from datapipe.algo.item_index import INPUT, LENGTHS, Index, Item, build_index, load_index
from datapipe.algo.item_match import BREAK_BITS, Matches, match_items
from datapipe.algo.item_rules import COVERS, strengths
from datapipe.text import view_bytes

MASK = (1 << 64) - 1
NOTHING = Background(
    np.zeros(0, np.uint64), np.zeros(0, np.float32), np.zeros(0, np.uint64), np.zeros(0, np.uint8)
)  # fmt: skip


def view(*texts: str) -> Any:
    return view_bytes(pa.array(texts, pa.large_string()))


def spelled(text: str, fold: Any) -> list[str]:
    """The tokens as they stand in the text."""
    count = len(tokens_of(view(text), fold).hashes)
    starts, ends = places_of(view(text), fold, np.zeros(count, np.int64), np.arange(count))
    return [text.encode()[start:end].decode() for start, end in zip(starts, ends, strict=True)]


# ---------------------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't stop\u2014now!", ["Don't", "stop", "now"]),
        ("1,000 and 1, 2", ["1,000", "and", "1", "2"]),
        ("has_close x-y", ["has", "close", "x", "y"]),
        ("我们，走 3km", ["我", "们", "走", "3km"]),
        ("カタカナ", ["カ", "タ", "カ", "ナ"]),
        ("한국어 말", ["한국어", "말"]),
        ("a\u200bb", ["a\u200bb"]),
        ("", []),
        ("?!\n", []),
    ],
)
def test_tokens_are_words_and_single_characters(text: str, tokens: list[str]) -> None:
    assert spelled(text, fold_table()) == tokens


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("don't", "DON\u2019T"),
        ("café", "cafe\u0301"),
        ("café", "CAFE"),
        ("ｒｏｐｅ", "rope"),
        ("１２", "12"),
        ("٣", "3"),
        ("1,000", "1000"),
        ("straße", "STRASSE"),
        ("\ufb01re", "fire"),
        ("漢", "汉"),
        ("醫", "医"),
        ("後", "后"),
        ("髮", "发"),
    ],
)
def test_what_an_edit_leaves_alone_is_one_token(one: str, other: str) -> None:
    hashes = tokens_of(view(one, other), fold_table()).hashes
    assert len(hashes) == 2
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize(("one", "other"), [("1", "2"), ("rope", "robe"), ("ab", "ba"), ("水", "氷"), ("は", "ば")])
def test_others_are_not(one: str, other: str) -> None:
    hashes = tokens_of(view(one, other), fold_table()).hashes
    assert hashes[0] != hashes[1]


def test_tokens_that_tell_little_are_short() -> None:
    classes = tokens_of(view("of the 12 1234 \\frac 水"), fold_table()).classes.tolist()
    assert classes == [SHORT, WORD, SHORT, WORD, SHORT, CHARACTER]


def test_words_of_gpt3_end_at_white_space_alone() -> None:
    assert spelled("Don't stop\u2014now! 我们，走", bare_table()) == ["Don't", "stop\u2014now", "我们，走"]
    hashes = tokens_of(view("well-known", "Wellknown!"), bare_table()).hashes
    assert hashes[0] == hashes[1]


# ---------------------------------------------------------------------------------------------- runs

WORDS = st.lists(st.sampled_from(["a", "bee", "sea", "水", "木"]), max_size=30).map(" ".join)


def mixed(value: int) -> int:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ (value >> 33)) * factor & MASK
    return value ^ (value >> 33)


def plain_grams(text: str, way: int) -> list[int]:
    """The run that ends with each token, by its definition; 0 where there is none."""
    tokens = tokens_of(view(text), fold_table())
    hashes, classes = tokens.hashes.tolist(), tokens.classes.tolist()
    found = []
    for end in range(1, len(hashes) + 1):
        size = int(LENGTHS.tokens[way, int(classes[end - 1] == CHARACTER)])
        value = 0
        for hashed in hashes[end - size : end]:
            value = (value * int(MULTIPLIER) + hashed) & MASK
        found.append(mixed(value) ^ (int(SALT) if way else 0) if end >= size else 0)
    return found


@given(text=WORDS, way=st.integers(0, 1))
def test_runs_are_those_of_the_definition(text: str, way: int) -> None:
    found = grams_of(tokens_of(view(text), fold_table()), np.full(1, way, np.uint8), LENGTHS)
    assert found.tolist() == plain_grams(text, way)


@given(known=WORDS, texts=st.lists(WORDS, max_size=4))
def test_every_run_that_the_table_holds_is_hit_and_no_other(known: str, texts: list[str]) -> None:
    listed = sorted({gram for way in (0, 1) for gram in plain_grams(known, way)} - {0})
    table = make_table(np.array(listed, np.uint64))
    hits = hit_grams(view(*texts), fold_table(), LENGTHS, table)
    expected = [
        (text, token, listed.index(gram))
        for text, each in enumerate(texts)
        for token, pair in enumerate(zip(plain_grams(each, 0), plain_grams(each, 1), strict=True))
        for gram in pair
        if gram in listed
    ]
    assert list(zip(*(part.tolist() for part in hits[:3]), strict=True)) == expected
    tokens = tokens_of(view(*texts), fold_table())
    assert hits.words.tolist() == [value & 0xFFFFFFFF for value in tokens.hashes.tolist()]
    assert hits.bounds.tolist() == tokens.bounds.tolist()


def test_a_table_tells_the_number_of_what_it_holds() -> None:
    grams = np.random.default_rng(6).integers(1, 1 << 63, 5_000).astype(np.uint64)
    table = make_table(grams[:4_000])
    assert look_up(grams, table).tolist() == [*range(4_000), *[ABSENT] * 1_000]


def test_lengths_hold_powers() -> None:
    assert Lengths.of((1, 2)).powers.tolist() == [[int(MULTIPLIER), int(MULTIPLIER) ** 2 & MASK]]


# ---------------------------------------------------------------------------------------------- matches

ITEM = (
    "zebra yoghurt xylophone walnut velvet umbrella tadpole saffron "
    "rhubarb quartz pumpkin oregano nutmeg mango lantern kettle"
)


def index_of(folder: Path, *items: Item) -> Index:
    build_index(items, NOTHING, fold_table(), folder)
    return load_index(folder).index


def only(matches: Matches, kind: int, index: Index) -> list[tuple[float, int, int]]:
    some = np.flatnonzero(index.kind[matches.segment] == kind)
    return [(float(matches.bits[at]), int(matches.first[at]), int(matches.last[at])) for at in some]


@pytest.mark.parametrize(
    ("tokens", "bits", "first", "last"),
    [
        (range(16), 16 * 9, 2, 17),
        (range(12), 12 * 9, 2, 13),
        ([*range(8), -1, *range(8, 16)], 16 * 9 - BREAK_BITS, 2, 18),
        ([*range(8), *range(9, 16)], 15 * 9 - BREAK_BITS, 2, 16),
        ([*range(8), -1, *range(9, 16)], 15 * 9 - BREAK_BITS, 2, 17),
        ([*range(8, 16), *range(8)], 8 * 9, 2, 9),
        ([*range(10), *range(5, 16)], 16 * 9 - BREAK_BITS, 2, 22),
        ([*range(8), -1, -1, 12, 13, -1], 10 * 9 - WORD_BREAK_BITS, 2, 13),
    ],
    ids=["whole", "cut", "inserted", "left out", "replaced", "exchanged", "repeated", "single words"],
)
def test_a_chain_has_the_bits_of_its_tokens_less_breaks(
    tmp_path: Path, tokens: list[int], bits: float, first: int, last: int
) -> None:
    """Sixteen words of nine bits each, indexed by runs of five."""
    index = index_of(tmp_path, Item("b", 0, ITEM))
    words = ITEM.split()
    text = " ".join(["he", "said", *(words[at] if at >= 0 else "filler" for at in tokens), "and", "left"])
    assert only(match_items(view(text), index, fold_table()), INPUT, index) == [(bits, first, last)]


def aligned(item: list[str], text: list[str]) -> float:
    """Bits of the best match in order, nine a word, by its definition: a break wherever either side skips."""
    best: dict[tuple[int, int], float] = {}
    for i, word in enumerate(item):
        for j, other in enumerate(text):
            if word == other:
                before = [
                    bits - (0 if (i - k, j - m) == (1, 1) else WORD_BREAK_BITS)
                    for (k, m), bits in best.items()
                    if k < i and m < j
                ]
                best[i, j] = 9 + max(0, *before, 0)
    return max(best.values(), default=0)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return index_of(tmp_path_factory.mktemp("alone"), Item("b", 0, ITEM))


@settings(max_examples=200)
@given(changes=st.lists(st.sampled_from(["keep", "keep", "drop", "add", "replace"]), min_size=16, max_size=16))
def test_words_around_runs_are_aligned_by_the_definition(alone: Index, changes: list[str]) -> None:
    words = ITEM.split()
    text: list[str] = []
    for change, word in zip(changes, words, strict=True):
        text += {"keep": [word], "drop": [], "add": ["and", word], "replace": ["and"]}[change]
    matches = match_items(view(" ".join(text)), alone, fold_table())
    found, expected = only(matches, INPUT, alone), aligned(words, text)
    for bits, _, _ in found:
        assert bits <= expected
        if expected / float(alone.bits[0]) < COVERS[1]:  # too little for a verdict by runs, so they were aligned
            assert bits == expected


def test_what_several_items_share_tells_less(tmp_path: Path) -> None:
    """A run in six inputs leaves half of its bits, one in 300 none."""
    tails = [f"tail{number} end{number} stop{number} over{number} gone{number}" for number in range(300)]
    six = [Item("b", number, f"{ITEM} {tail}") for number, tail in enumerate(tails[:6])]
    many = [Item("b", number, f"{ITEM} {tail}") for number, tail in enumerate(tails)]
    for name, items, bits in (("six", six, 11 * 9 / 2), ("many", many, 0.0)):
        (tmp_path / name).mkdir()
        index = index_of(tmp_path / name, *items)
        sums = index.sums[index.first[0] : index.first[1] + 1]
        assert sums[11] == pytest.approx(bits)


def test_an_item_without_a_word_is_never_found(tmp_path: Path) -> None:
    index = index_of(tmp_path, Item("b", 0, "?!"), Item("b", 1, ITEM))
    matches = match_items(view("?!", ITEM, ""), index, fold_table())
    assert strengths(index, matches).tolist() == [pytest.approx(16 * 9 / 25)]


def test_common_tokens_tell_less_than_rare_ones() -> None:
    texts = ["the cat sat on the mat", "the dog sat under the mat"] * 200 + ["水 と 水"]
    made = make_background(texts, fold_table(), LENGTHS, most_grams=100)
    tokens = tokens_of(view("the cat zebra"), fold_table()).hashes
    share = 800 / 2400
    assert made.bits_of(tokens)[0] == pytest.approx(-np.log2(share), abs=1e-4)
    assert made.bits_of(tokens)[0] < made.bits_of(tokens)[1] < made.bits_of(tokens)[2] == 9
    assert (made.documents >= 2).all()


def test_the_shipped_background_knows_english_and_chinese() -> None:
    bits = load_background().bits_of(tokens_of(view("the of zymurgy 的"), fold_table()).hashes)
    assert (bits < 9).tolist() == [True, True, False, True]
