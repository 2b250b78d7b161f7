"""Sort documents by how likely an n-gram language model finds them: head, middle and tail, as in ccnet.

A model of good text (ccnet: of Wikipedia) finds text like it likely; lists, errors and other languages are not. The
perplexity of a document is 10 ** (-log10 probability / words), each line a sentence with its end as one word more;
an empty line is a sentence without words. Low is likely, yet the lowest are often templates and repeats: look at both
ends. Perplexities of different models, and so of different languages, cannot be compared; buckets can.

Models: by language, an ARPA file (also gzipped), which datapipe reads by itself, or a binary file of kenlm
(`build_binary`; the extra `kenlm`, which is under the LGPL and needed for nothing else).
Documents in other languages, or in none, pass and count as `not_judged`. Train a model on text in the same form: with
`normalise` (ccnet's form: see `_normal.py`), words as cut by spaces; in languages without spaces each character of
their scripts is a word. With `pieces` the words are those of a sentencepiece model (the extra `sentencepiece`), and
the document is one sentence, as ccnet has it.

Buckets: `prepare` measures the corpus first (or a `sample` of it, by hash of id) and finds each document's place among
those of its language; a document is in head below the first of `percentiles`, in middle below the second, else in tail.
With `percentiles: null` there are none, and nothing is measured beforehand.
Costs, on a busy core: 21 MB/s of English and 11 MB/s of Chinese with an ARPA file of 900,000 n-grams, 12 MB/s of
English with the same in a binary file of kenlm (tests/benchmarks/perplexity.py times the first two); all that twice
with buckets of the whole corpus. An ARPA model stands in the memory of each process; larger ones miss the processor's
caches more often.
Source: Wenzek et al. 2020 (ccnet), filtering by language models; percentiles 30 and 60 are of its public configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

from datapipe.algo.rows import rows_by_value
from datapipe.stage import (
    Map,
    Mask,
    Prepare,
    Share,
    StageConfig,
    above,
    below,
    decide,
    first_of,
    measure,
    place,
    schema,
)
from datapipe.text import hash128
from datapipe.text.jit import Float64s, Int64s
from datapipe.text.languages import language, languages_digest
from stages.filter.perplexity import _models as models
from stages.filter.perplexity import _normal as normal
from stages.filter.perplexity import _percentiles as percentiles

NAME = "filter.perplexity"

NOT_KEPT = "bucket_not_kept"
TOO_HIGH = "perplexity_too_high"
TOO_LOW = "perplexity_too_low"

BUCKETS = ("head", "middle", "tail")
ADDS = schema(perplexity=pa.float64(), percentile=pa.float64(), bucket=pa.string(), judged=pa.bool_())
DECIMALS = 4  # of a perplexity: what is beyond differs between processors
HIGHEST = 300.0  # log10 of a perplexity, which models can exceed that give words next to no probability

Percent = Annotated[float, Field(ge=0, le=100)]


class Config(StageConfig):
    """The models, where the buckets lie, and which documents stay."""

    models: dict[str, str] = place(
        description="path of the model of each language, such as {en: models/en.arpa}; its bytes count, not its name",
        min_length=1,
    )
    pieces: dict[str, str] = place(
        {}, "path of the sentencepiece model of languages whose n-gram model was made of its pieces"
    )
    normalise: bool = measure(
        True, "ccnet's form: lower case, no accents, 0 for digits, ASCII punctuation, no control characters"
    )
    percentiles: tuple[Percent, Percent] | None = measure(
        (30, 60), "where head and middle end, in percent of a language's documents by perplexity; null: no buckets"
    )
    sample: Share = measure(1, "share of documents, such as 10%, of which percentiles are found", gt=0, le=1)
    languages: str | None = place(
        None, "folder of language files of your own; each replaces one of datapipe's, or adds one"
    )
    keep: tuple[Literal["head", "middle", "tail"], ...] | None = decide(
        None, "buckets such as [head, middle]; documents in others leave as bucket_not_kept"
    )
    min_perplexity: float | None = decide(None, "perplexity; documents below leave as perplexity_too_low", gt=0)
    max_perplexity: float | None = decide(None, "perplexity; documents above leave as perplexity_too_high", gt=0)

    @field_validator("pieces")
    @classmethod
    def _have_models(cls, pieces: dict[str, str], info: Any) -> dict[str, str]:
        without = sorted(set(pieces) - set(info.data.get("models", pieces)))
        if without:
            raise ValueError(f"{', '.join(without)} has pieces but no n-gram model: name one in `models`")
        return pieces


def _found(batch: pa.RecordBatch, config: Config) -> Iterator[tuple[str, Int64s, Float64s, Mask]]:
    """By language with a model: its rows, their perplexities, and which of them have one."""
    for code, rows in rows_by_value(batch["language"]).items():
        if code is not None and code in config.models:
            texts: Any = batch["text"].take(rows).fill_null("")
            scores, lengths = models.scores_by(Path(config.models[code]))(_words(texts, code, config))
            says = lengths > 0
            exponents = np.minimum(-scores / np.maximum(lengths, 1), HIGHEST)
            yield code, rows, np.round(10.0**exponents, DECIMALS), says


def _words(texts: Any, code: str, config: Config) -> Any:
    """Texts as words with spaces between, one sentence a line."""
    if config.normalise:
        texts = normal.normalised(texts)
    if code in config.pieces:
        return models.in_pieces(normal.on_one_line(texts, normal=config.normalise), Path(config.pieces[code]))
    known = language(code, config.languages)
    return normal.by_characters(texts) if known is not None and known.segmenter == "characters" else texts


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Perplexity and percentile (float64), bucket, and whether there is a model for the language (`judged`).

    Null where there is no model, or no text; no percentile and bucket where the corpus was not measured.
    """
    count = batch.num_rows
    values, places = np.full(count, np.nan), np.full(count, np.nan)
    judged = np.zeros(count, np.bool_)
    for code, rows, perplexities, says in _found(batch, config):
        judged[rows] = True
        values[rows[says]] = perplexities[says]
        if config.percentiles is not None and resource is not None:
            found = percentiles.percentiles_of(perplexities[says], code, resource)
            places[rows[says]] = np.nan if found is None else found
    buckets = _buckets(places, config.percentiles or (0, 0))
    return pa.RecordBatch.from_arrays(
        [pa.array(values, from_pandas=True), pa.array(places, from_pandas=True), buckets, pa.array(judged)],
        schema=ADDS,
    )


def _buckets(places: Float64s, ends: tuple[float, float]) -> pa.StringArray:
    head, middle = ends
    at = np.where(places < head, 0, np.where(places < middle, 1, 2))
    names: Any = pa.array(BUCKETS)
    chosen: pa.StringArray = names.take(pa.array(at, mask=np.isnan(places)))
    return chosen


def sketch(batch: pa.RecordBatch, config: Config) -> pa.Table:
    """How many documents of each language have which perplexity."""
    if config.percentiles is None:
        return percentiles.merge([])
    if config.sample < 1:
        batch = batch.take(np.flatnonzero(_in_sample(batch["id"], config.sample)))
    tables = []
    for code, _, perplexities, says in _found(batch, config):
        names: Any = pa.repeat(pa.scalar(code, pa.string()), int(says.sum()))
        tables.append(percentiles.sketch_of(names, perplexities[says]))
    return percentiles.merge(tables)


def _in_sample(ids: pa.Array[Any], share: float) -> Mask:
    high, _ = hash128(ids)
    chosen: Mask = high < np.float64(share) * 2.0**64
    return chosen


def sketch_reads(config: Config) -> tuple[str, ...]:
    """What the percentiles ask for; nothing where there are none."""
    if config.percentiles is None:
        return ()
    return ("text", "language", "id") if config.sample < 1 else ("text", "language")


def libraries(config: Config) -> tuple[str, ...]:
    """The models and what reads them; what makes the normal form; what the language files say of words."""
    known = f"languages={languages_digest(config.languages, 'segmenter')}"
    return ("pyarrow", known, *models.libraries(config.models, config.pieces))


def known_languages(config: Config) -> tuple[str, ...]:
    """Those with models."""
    return tuple(sorted(config.models))


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Which documents are in no bucket that is kept, or too likely or unlikely; what has no measure passes."""
    low = below(measured["perplexity"], config.min_perplexity)
    high = above(measured["perplexity"], config.max_perplexity)
    rules = [(low, TOO_LOW), (high, TOO_HIGH)]
    if config.keep is not None:
        kept: Any = pc.is_in(measured["bucket"], value_set=pa.array(config.keep, pa.string()))
        left: Any = pc.and_(pc.is_valid(measured["bucket"]), pc.invert(kept))
        rules.insert(0, (left.to_numpy(zero_copy_only=False), NOT_KEPT))
    return first_of(*rules)


STAGE = Map(
    name=NAME,
    version=1,
    config=Config,
    reads=("text", "language"),
    adds=ADDS,
    coded=("bucket",),
    reasons={
        NOT_KEPT: "in a bucket that is not among keep",
        TOO_LOW: "perplexity below min_perplexity",
        TOO_HIGH: "perplexity above max_perplexity",
    },
    libraries=libraries,
    languages=known_languages,
    prepare=Prepare(build=percentiles.build, sketch=sketch, merge=percentiles.merge, reads=sketch_reads),
    process=process,
    decide=decide_reasons,
    decides=("perplexity", "bucket"),
)
