"""The kernels of gopher, C4 and FineWeb, and those of `like: datatrove`, equal plain Python on real documents."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from datapipe.text import (
    kept_lines,
    line_measures,
    peer_gopher_measures,
    peer_line_measures,
    quality_measures,
    reference_measures,
    reference_peer,
    reference_peer_measures,
    repetition_measures,
)
from datapipe.text.peer_words import peer_words
from datapipe.text.quality import GOPHER_STOP_WORDS
from datapipe.text.repetition import TOP_NGRAMS
from datapipe.text.segmentation import Segmentation
from stages.filter.c4 import POLICIES
from tests.real.documents import documents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EVERY = 100  # of the documents, one is tried each time
SHORT = 30
LINE_RULES: dict[str, Any] = {"min_words": 3, "max_word_length": 1000, "policies": POLICIES}
NGRAMS = (*range(5, 11), *range(12, 21, 2))  # of words; doubled for languages without spaces
Measured = list[dict[str, Any]]


def _rows(found: dict[str, Any]) -> Measured:
    return [dict(zip(found, values, strict=True)) for values in zip(*(found[k].tolist() for k in found), strict=True)]


def _kept(texts: pa.LargeStringArray, segmentation: Segmentation, *, peer: bool) -> Measured:
    kept, counts = kept_lines(texts, segmentation, peer=peer, **LINE_RULES)
    return [row | {"text": text} for text, row in zip(kept.to_pylist(), _rows(counts), strict=True)]


def _kept_plainly(one: Callable[..., tuple[str, dict[str, int]]], text: str, **more: Any) -> dict[str, Any]:
    kept, counts = one(text, **LINE_RULES, **more)
    return counts | {"text": kept}


def _words(texts: pa.LargeStringArray, _: Segmentation) -> Measured:
    words = peer_words(texts)
    cut = [slice(*bounds) for bounds in zip(words.first, words.last, strict=True)]
    return [{"lengths": words.length[these].tolist()} for these in cut]


# For each: the kernel on an array, and the reference on one text.
MEASURES: dict[str, tuple[Callable[..., Measured], Callable[[str], dict[str, Any]]]] = {
    "quality": (
        lambda texts, cut: _rows(quality_measures(texts, cut)),
        partial(reference_measures.quality_measures, stop_words=GOPHER_STOP_WORDS),
    ),
    "repetition": (
        lambda _, cut: _rows(repetition_measures(cut, duplicate=NGRAMS)),
        partial(reference_measures.repetition_measures, top=TOP_NGRAMS, duplicate=NGRAMS),
    ),
    "c4": (
        partial(_kept, peer=False),
        partial(_kept_plainly, reference_measures.kept_lines, terminal=True),
    ),
    "fineweb": (
        lambda texts, cut: _rows(line_measures(texts, cut, short=SHORT)),
        partial(reference_measures.line_measures, short=SHORT),
    ),
    "words like datatrove": (
        _words,
        lambda text: {"lengths": [end - start for start, end in reference_peer.peer_words(text)]},
    ),
    "gopher like datatrove": (
        lambda texts, _: _rows(peer_gopher_measures(texts, stop_words=GOPHER_STOP_WORDS)),
        lambda text: (
            reference_peer_measures.quality_measures(text, stop_words=GOPHER_STOP_WORDS)
            | reference_peer_measures.repetition_measures(text)
        ),
    ),
    "c4 like datatrove": (
        partial(_kept, peer=True),
        partial(_kept_plainly, reference_peer_measures.kept_lines),
    ),
    "fineweb like datatrove": (
        lambda texts, _: _rows(peer_line_measures(texts, short=SHORT)),
        partial(reference_peer_measures.line_measures, short=SHORT),
    ),
}


def _assert_equal(name: str, texts: list[str]) -> None:
    kernel, reference = MEASURES[name]
    array = pa.array(texts, pa.large_string())
    for text, found in zip(texts, kernel(array, Segmentation.of(array)), strict=True):
        expected = reference(text)
        numbers = {key: value for key, value in expected.items() if isinstance(value, float)}
        assert {key: found[key] for key in numbers} == pytest.approx(numbers, rel=1e-12, abs=0)
        assert found | numbers == expected


@pytest.mark.parametrize("name", MEASURES)
def test_kernels_equal_their_references_on_some(real_data: Path, name: str) -> None:
    _assert_equal(name, documents(real_data)[::EVERY])


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", MEASURES)
def test_kernels_equal_their_references_on_real_documents(real_data: Path, name: str) -> None:
    texts = documents(real_data)
    _assert_equal(name, texts)
    print(f"{name}: {len(texts):,} documents, {sum(map(len, texts)):,} characters: kernel and reference agree")
