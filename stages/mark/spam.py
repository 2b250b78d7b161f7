"""Mark Chinese crawl spam: gambling, adult, doorway and keyword-stuffed pages, scraped novels.

What, by features that are all stored:
- `gambling`, `adult`, `doorway`, `novel`: how many different phrases of each kind stand in the text
  (`configs/marks/spam_zh.yaml`), and `density`, all their places in 1,000 characters. Signs put between the characters
  of a phrase hide nothing.
- `distinct`: share of the pairs of neighbouring characters that are different ones; `function`: share of the characters
  that are the commonest function characters. Prose needs those and repeats little; lists of keywords have neither.
A text is of a kind with at least min_phrases different phrases of it where density is at least min_density, and
`stuffed` where both shares are too low. It leaves only for what `drop` names: the features alone are stored, so that
another threshold decides anew without measuring. Only Chinese is judged.
Pages that speak about spam, such as news of a raid, hold few different phrases among much else; but a page of a shop or
a forum of readers can look like spam. Before you drop, `datapipe what-if RUN spam 'drop=[novel]'` says how many would
leave, and `datapipe show RUN --stage spam --where "spam.novel >= 3 and spam.density >= 6"` shows them.
No fitted model comes with it: no labelled Chinese spam is at hand that may be used, and one fitted to pages that
somebody made up would tell those alone. Fit one to pages of your own crawl, those that leave here and some that people
have read:
`datapipe fit classifier spam=spam.jsonl good=good.jsonl --characters none --out spam.npz`, and in the recipe
`{use: filter.classifier, engine: linear, model: spam.npz, drop: {spam: 0.9}}`.
Costs: 18 MB/s of Chinese, 74 of English beside the segmentation (tests/benchmarks/marks.py).
Source: phrases by hand; density and repetition as in content-based web spam detection (Ntoulas et al. 2006).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datapipe.algo.families import Families, mark_file, read_phrases
from datapipe.algo.spam_pages import planted
from datapipe.stage import Map, Mask, Planting, StageConfig, at_least, below, decide, first_of, measure, schema
from datapipe.text import IS_WORD, segment, view_bytes, word_hash
from datapipe.text.languages import is_in
from datapipe.text.segmentation import flat

LANGUAGE = "zh"
FILE = "spam_zh.yaml"
KINDS = ("gambling", "adult", "doorway", "novel")
STUFFED = "stuffed"
FUNCTION = "的了是在不我有和就人这中为上个到说们来要也你会对以他里着可那还去之而"
HAN_LEADS = (0xE4, 0xE9)  # first UTF-8 bytes of U+4000 to U+9FFF
ADDS = schema(
    **dict.fromkeys(KINDS, pa.int32()),
    density=pa.float64(),
    distinct=pa.float64(),
    function=pa.float64(),
    judged=pa.bool_(),
)

Floats: TypeAlias = npt.NDArray[np.float64]
Int64s: TypeAlias = npt.NDArray[np.int64]


class Config(StageConfig):
    """From where on a text is of a kind, and which kinds leave."""

    min_characters: int = measure(50, "Chinese characters; texts of fewer are not judged", ge=1)
    min_phrases: int | None = decide(3, "different phrases of a kind, from which on a text is of that kind", ge=1)
    min_density: float = decide(6.0, "phrases of all kinds in 1,000 characters that such a text has at least", ge=0)
    max_distinct: float | None = decide(
        0.6,
        "share of pairs of characters that are different; less, with few function characters, is stuffed",
        ge=0,
        le=1,
    )
    min_function: float = decide(0.06, "share of function characters; less, with few distinct pairs, is stuffed", ge=0)
    drop: tuple[Literal["gambling", "adult", "doorway", "novel", "stuffed"], ...] = decide(
        (), "kinds of spam for which documents leave"
    )


def _phrases() -> Families:
    return read_phrases(mark_file(FILE))


def libraries(config: Config) -> tuple[str, ...]:
    """What tells words, and the phrases."""
    return ("datapipe.text", f"phrases={_phrases().digest}")


def known_languages(config: Config) -> tuple[str, ...]:
    """Chinese alone."""
    return (LANGUAGE,)


def _of_phrases(texts: Any, count: int) -> tuple[Int64s, Int64s]:
    """Different phrases of each kind, int64 (n, kinds), and places of any."""
    phrases = _phrases()
    hits = phrases.find(segment(texts))
    pairs = np.unique(hits.documents * len(phrases.of) + hits.phrases)
    documents, which = np.divmod(pairs, len(phrases.of))
    places = np.bincount(hits.documents, minlength=count)
    order = [phrases.families.index(kind) for kind in KINDS]
    width = len(phrases.families)
    different = np.bincount(documents * width + phrases.of[which], minlength=count * width).reshape(count, width)
    return different[:, order], places


def _of_characters(texts: Any, count: int) -> tuple[Int64s, Floats, Floats]:
    """Chinese characters of each text; share of different pairs; share of function characters."""
    view, words = view_bytes(texts), segment(texts).words
    document, at = flat(words.first, words.last)
    first = view.data[view.starts[document] + words.start[at]]
    han = (first >= HAN_LEADS[0]) & (first <= HAN_LEADS[1]) & ((words.kind[at] & IS_WORD) > 0)
    document, hashes = document[han], words.hashes[at[han]]
    characters = np.bincount(document, minlength=count)
    same = document[1:] == document[:-1]
    owner = document[1:][same]
    pairs = (hashes[:-1] * np.uint64(3) ^ hashes[1:])[same]
    different = np.unique(pairs + owner.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15), return_index=True)[1]
    distinct = np.bincount(owner[different], minlength=count) / np.maximum(np.bincount(owner, minlength=count), 1)
    known = np.array([word_hash(one) for one in FUNCTION], np.uint64)
    function = np.bincount(document[np.isin(hashes, known)], minlength=count) / np.maximum(characters, 1)
    return characters, distinct, function


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """All features, null where a text is not judged."""
    texts, count = batch["text"], batch.num_rows
    different, places = _of_phrases(texts, count)
    characters, distinct, function = _of_characters(texts, count)
    judged: Mask = is_in(batch["language"], LANGUAGE) & (characters >= config.min_characters)
    numbers: list[pa.Array[Any]] = [pa.array(one.astype(np.int32), mask=~judged) for one in different.T]
    density: pa.Array[Any] = pa.array(places * 1000 / np.maximum(characters, 1), mask=~judged)
    shares: list[pa.Array[Any]] = [pa.array(one, mask=~judged) for one in (distinct, function)]
    return pa.RecordBatch.from_arrays([*numbers, density, *shares, pa.array(judged)], schema=ADDS)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Documents of a kind for which they shall leave; what was not judged stays."""
    dense = at_least(measured["density"], config.min_density)
    found = {kind: at_least(measured[kind], config.min_phrases) & dense for kind in KINDS}
    found[STUFFED] = below(measured["distinct"], config.max_distinct) & below(measured["function"], config.min_function)
    return first_of(*((hit & (kind in config.drop), kind) for kind, hit in found.items()))


# ---------------------------------------------------------------------------------------------- audit


def plant(batch: pa.RecordBatch, config: Config, resource: Path | None, seeds: Any) -> pa.RecordBatch:
    """A page of spam out of each Chinese document."""
    return planted(batch, _phrases(), KINDS, seeds)


def found_cases(cases: pa.RecordBatch, config: Config) -> Mask:
    """Those of their kind; where it is dropped, those that left."""
    dense = at_least(cases["density"], config.min_density)
    kinds = np.array([name.removesuffix("_hidden") for name in cases["case"].to_pylist() if name], object)
    left = np.asarray(cases["reason"].is_valid())
    hits: Mask = np.zeros(len(cases), np.bool_)
    for kind in KINDS:
        told = at_least(cases[kind], config.min_phrases) & dense
        hits |= (kinds == kind) & (told & left if kind in config.drop else told)
    return hits


STAGE = Map(
    name="mark.spam",
    version=2,
    config=Config,
    reads=("text", "language"),
    adds=ADDS,
    reasons={
        "gambling": "it is full of phrases of gambling, and drop names that",
        "adult": "it is full of phrases of adult content, and drop names that",
        "doorway": "it is full of phrases of doorway pages, and drop names that",
        "novel": "it is full of phrases of sites of scraped novels, and drop names that",
        STUFFED: "it is a list of keywords over and over, and drop names that",
    },
    libraries=libraries,
    languages=known_languages,
    process=process,
    decide=decide_reasons,
    audit=Planting(version=1, plant=plant, reads=("text", "language"), found=found_cases),
)
