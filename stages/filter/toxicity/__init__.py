"""Drop documents that insult or hate, by small models for English and Chinese and by lists of words.

What: `toxicity` is the probability that a text is offensive or hateful, `hate` that it is hateful (English only: the
Chinese data tell no categories); both are means over windows of some 64 words, since the models were made on posts.
`worst_passage` is the toxicity of the worst window. `listed_words` counts what stands in your lists: whole words, in
scripts without spaces any place; `obfuscation` also finds words that are hidden by look-alikes (`w0rd`), signs without
width, spelling out (`w o r d`) and repeated letters. Of a conversation each message is judged by itself, whoever says
it: probabilities are means weighted by bytes, the worst passage is that of all messages, words are summed. Documents in
other languages, without a list, are not judged.
A document leaves past a threshold only. Lists and models alike silence those who write about hate or about themselves:
HateCheck's sentences are told apart badly (below); report what leaves by group before you trust it.

Models (cards en.md and zh.md beside; `python -m tests.real.toxicity.build` makes them from the data):
- en: tweets of Davidson et al. 2017, plus authored sentences and ordinary texts. Of 1,978 tweets held out it tells
  offensive or hateful ones from others with an AUC of .975, and hateful ones from all others with .829.
- zh: comments of COLD (Deng et al. 2022), plus ordinary texts: AUC .955 on COLD's dev set of 6,431.
The default `max_hate: 0.13` is the lowest, in hundredths, that at most 5% of the held-out tweets that are neither
hateful nor offensive go past (15 of 333; offensive ones leave by max_toxicity anyhow); 48% of the 96 hateful ones do.
COLD does not tell hate apart. On HateCheck, which that rule does not look at, 77% of hateful cases are then found and
55% of the others pass (AUC .709): four in ten of the neutral mentions of a group, and half of the quotations and
retellings that somebody objects to, are taken for hate. There 0.1 gives 80% and 47%, 0.19 (that 5% of all tweets that
are not hateful go past) 70% and 62%, 0.3 gives 59% and 69%, 0.5 gives 44% and 83%.
Of 1,889 ordinary texts (C4, web pages, OI wiki) none leaves; of their sentences, each by itself, 4.0% in English and
4.5% in Chinese do: these are thresholds for pages, too low for posts and chats.
Costs, of a core: 12,000 web pages of 2.5 KB a second (30 MB/s of English), 640,000 Chinese comments (90 MB/s); with
lists a quarter more time in English, with `obfuscation` three times as much (tests/benchmarks/classifiers.py).
Source: Davidson et al. 2017; Deng et al. 2022; Roettger et al. 2021 (HateCheck); C4's rule of bad words: Raffel et al.
2020.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from datapipe.algo.linear import load_model
from datapipe.algo.models import digest_of
from datapipe.algo.phrases import Phrases
from datapipe.algo.rows import rows_by_value
from datapipe.stage import Map, StageConfig, above, decide, first_of, measure, place, schema
from datapipe.text import pieces, segment
from datapipe.text.languages import primary
from datapipe.text.piecewise import Combine
from datapipe.text.segmentation import Segmentation
from stages.filter.toxicity._planting import PLANTING
from stages.filter.toxicity._words import count, lists
from stages.filter.toxicity._words import libraries as list_libraries

NAME = "filter.toxicity"

HATEFUL = "hateful"
TOXIC = "toxic"
TOXIC_PASSAGE = "toxic_passage"
LISTED_WORDS = "listed_words"

MODELS = ("en", "zh")
HATE, NEITHER = "hate", "neither"
DECIMALS = 4
ADDS = schema(
    judged=pa.bool_(), toxicity=pa.float32(), hate=pa.float32(), worst_passage=pa.float32(), listed_words=pa.int32()
)
# How the measures of a conversation's messages become those of the conversation.
COMBINED: dict[str, Combine] = {"toxicity": "weighted", HATE: "weighted", "worst_passage": "max", "listed_words": "sum"}

Probability = Annotated[float, Field(ge=0, le=1)]


class Config(StageConfig):
    """Lists of words, and how much is too much."""

    words: str | None = place(
        None, "folder of lists of words, a file for each language named by its code; what they hold counts"
    )
    obfuscation: bool = measure(False, "also find listed words that are hidden by common tricks")
    max_hate: Probability | None = decide(0.13, "probability of hate; more leaves as hateful")
    max_toxicity: Probability | None = decide(0.5, "probability of offence or hate; more leaves as toxic")
    max_passage: Probability | None = decide(
        None, "probability of offence or hate in the worst passage; more leaves as toxic_passage"
    )
    max_words: int | None = decide(0, "listed words in a document; more leave as listed_words", ge=0)


@cache
def _path(code: str) -> Path:
    return Path(__file__).with_name(f"{code}.npz")


def libraries(config: Config) -> tuple[str, ...]:
    """The digests of the models and lists."""
    return ("datapipe.text", *(f"{code}={digest_of(_path(code))}" for code in MODELS), *list_libraries(config.words))


def languages(config: Config) -> tuple[str, ...]:
    """Codes of languages that have a model or a list."""
    return tuple(sorted({*MODELS, *lists(config.words)}))


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Probabilities (float32) and counts (int32) of each document; null where there is no model or list."""
    count, said, words = len(batch), pieces(batch), lists(config.words)
    segmentation = segment(said.texts)
    judged = np.zeros(count, np.bool_)
    empty = {name: np.full(count, np.nan) for name in COMBINED}  # 0 where a measure is taken, though nothing be said
    values = {name: np.full(len(said.texts), np.nan) for name in COMBINED}
    for code, rows in rows_by_value(batch["language"]).items():
        names = _measures(code, words)
        if code is None or not names:
            continue
        judged[rows] = True
        for name in names:
            empty[name][rows] = 0
        at = np.flatnonzero(np.isin(said.document, rows))
        whole = len(at) == len(said.texts)
        some = (said.texts, segmentation) if whole else (said.texts.take(at), segmentation.take(at))
        _score(primary(code), some, at, values)
        _count(words, code, (*some, config.obfuscation), (at, values["listed_words"]))
    arrays: list[pa.Array[Any]] = [pa.array(judged)]
    for field in list(ADDS)[1:]:
        combined = said.combine(values[field.name], count, COMBINED[field.name])
        combined = np.where(np.isnan(combined), empty[field.name], combined)
        arrays.append(pa.array(np.round(combined, DECIMALS), from_pandas=True).cast(field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=ADDS)


def _measures(code: str | None, words: dict[str, Phrases]) -> tuple[str, ...]:
    """What can be told of texts in a language."""
    base = primary(code or "")
    told: tuple[str, ...] = ()
    if base in MODELS:
        told = ("toxicity", "worst_passage", *((HATE,) if HATE in load_model(_path(base)).labels else ()))
    return (*told, "listed_words") if {code, base} & words.keys() else told


def _score(code: str, some: tuple[Any, Segmentation], rows: Any, found: dict[str, Any]) -> None:
    """Fill in the probabilities of texts in a language that has a model; one without a word is as mild as can be."""
    if code not in MODELS or not len(rows):
        return
    texts, segmentation = some
    model = load_model(_path(code))
    mean, _, lowest = model.probabilities(texts, segmentation)
    says = segmentation.words_per_document() > 0
    neither = model.labels.index(NEITHER)
    found["toxicity"][rows] = np.where(says, 1 - mean[:, neither], 0)
    found["worst_passage"][rows] = np.where(says, 1 - lowest[:, neither], 0)
    if HATE in model.labels:
        found["hate"][rows] = np.where(says, mean[:, model.labels.index(HATE)], 0)


def _count(words: dict[str, Phrases], code: str, some: tuple[Any, Segmentation, bool], into: tuple[Any, Any]) -> None:
    listed = words.get(code) or words.get(primary(code))
    if listed is None:
        return
    texts, segmentation, obfuscation = some
    rows, found = into
    found[rows] = count(listed, texts, segmentation, obfuscation=obfuscation)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Which documents are past a threshold."""
    return first_of(
        (above(measured["hate"], _stored(config.max_hate)), HATEFUL),
        (above(measured["toxicity"], _stored(config.max_toxicity)), TOXIC),
        (above(measured["worst_passage"], _stored(config.max_passage)), TOXIC_PASSAGE),
        (above(measured["listed_words"], config.max_words), LISTED_WORDS),
    )


def _stored(threshold: float | None) -> Any:
    """As the columns hold it: 0.13 in four bytes is not 0.13 in eight."""
    return None if threshold is None else pa.scalar(threshold, pa.float32())


STAGE = Map(
    name=NAME,
    version=2,
    config=Config,
    reads=("text", "messages", "language"),
    optional=("text", "messages"),  # a document has either
    adds=ADDS,
    reasons={
        HATEFUL: "its probability of hate is over max_hate",
        TOXIC: "its probability of offence or hate is over max_toxicity",
        TOXIC_PASSAGE: "that of its worst passage is over max_passage",
        LISTED_WORDS: "it holds more listed words than max_words",
    },
    libraries=libraries,
    languages=languages,
    audit=PLANTING,
    process=process,
    decide=decide_reasons,
)
