"""Tell the language of each document, and keep those wanted.

What: the language by character n-grams, and a score that says how much the text looks like that language.
The detector reads 1,000 bytes at a time, and the top of a page is often menus or another language; so up to four
pieces from the first 4,000 bytes are judged, and their scores averaged by length.
It knows 60 languages. Text in another language gets the nearest of them, mostly with a low score: of some 320 other
languages (Universal Declaration of Human Rights) 80% lie under 0.5, of 64 known ones none but Tagalog in Baybayin
letters; of 1,249 English pages 6, all lists of products. Near kin pass: Indonesian reads as `ms`, Bosnian as `hr`.
Costs: 70 microseconds a web page, 14,000 pages/s.
Source: eldc (Efficient Language Detector, Nito T.M., Apache-2.0); `DETECTABLE` lists its languages as ISO 639-1.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import eldc
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator

from datapipe.stage import TEXT, Map, StageConfig, below, decide, first_of, schema

UNSURE = "language_unsure"
NOT_KEPT = "language_not_kept"

LOOKED_AT = 4_000  # bytes of each text
PIECE = 1_000  # bytes that the detector reads at a time
RANKED = 4  # languages taken from each piece, best first
DETECTABLE = frozenset(eldc.LANGUAGES)
ADDS = schema(language=pa.string(), score=pa.float32())


def _detectable(codes: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if unknown := sorted(set(codes or ()) - DETECTABLE):
        raise ValueError(f"no language known as {', '.join(unknown)}; known are {', '.join(sorted(DETECTABLE))}")
    return codes


class Config(StageConfig):
    """Which languages to keep, and how sure to be."""

    keep: Annotated[tuple[str, ...] | None, AfterValidator(_detectable)] = decide(
        None, "ISO 639-1 codes such as [en, zh]; other languages leave as language_not_kept; none given: keep all"
    )
    min_score: float | None = decide(
        0.5, "score from 0 to 1; documents under it, or in no language, leave as language_unsure", ge=0, le=1
    )


@cache
def _detector() -> Any:
    eldc.init()
    detector = eldc.instance()
    detector.set_scores(RANKED)
    return detector


def detect(text: bytes) -> tuple[str | None, float]:
    """Language and mean score (0 to 1) of the start of a UTF-8 text; (None, 0) without letters to go by."""
    scores: dict[str, float] = defaultdict(float)
    text = text[:LOOKED_AT].replace(b"\0", b" ")  # the detector stops at a zero byte
    for start in range(0, len(text), PIECE):
        piece = text[start : start + PIECE]
        whole = piece.decode("utf-8", "ignore")  # a character cut in half counts in neither piece
        for language, score in _detector().detect_details(whole).scores.items():
            scores[language] += score * len(piece)
    if not scores:
        return None, 0.0
    total, language = max((total, language) for language, total in scores.items())
    return language, total / len(text)


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Language (ISO 639-1, null = none found) and score (float32) of each document."""
    starts = pc.binary_slice(batch["text"].cast(pa.large_binary()), 0, LOOKED_AT)
    found = [detect(start or b"") for start in starts.to_pylist()]
    return pa.RecordBatch.from_arrays(
        [
            pa.array([language for language, _ in found], pa.string()),
            pa.array(np.array([score for _, score in found], np.float32)),
        ],
        schema=ADDS,
    )


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Which documents are in no language for sure, or in one not wanted."""
    language = measured["language"]
    unsure = below(measured["score"], config.min_score)
    if config.keep is None:
        return first_of((unsure, UNSURE))
    kept = pc.is_in(language, value_set=pa.array(config.keep, pa.string())).to_numpy(zero_copy_only=False)
    return first_of((unsure, UNSURE), (~kept, NOT_KEPT))


STAGE = Map(
    name="filter.language",
    version=1,
    config=Config,
    reads=TEXT,
    adds=ADDS,
    reasons={UNSURE: "the score of its language is under min_score", NOT_KEPT: "its language is not in keep"},
    libraries=("eldc",),
    process=process,
    decide=decide_reasons,
)
