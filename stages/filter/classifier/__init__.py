"""Tell labels of documents by a model of yours, and keep or drop documents by them.

What: the likeliest label of each document with its score, and the scores of the `top` likeliest labels. Scores are
the model's probabilities: from 0 to 1, of all labels together 1 (of an ONNX model for several labels, each by itself).
Documents without a letter or digit get no label.

Engines:
- linear: a model that `datapipe fit classifier` made, judged in windows as long as those it was trained on; all of a
  text counts. `passages: highest` takes for each label its score in the likeliest window: what is bad in one place.
- fasttext: a supervised fastText model (DCLM's quality filter, the classifiers of OpenHermes and the like); the extra
  `fasttext`. Line feeds become spaces, as those models are trained.
- onnx: a text classifier with a `tokenizer.json` and a `config.json` beside it (label names are its `id2label`); the
  extra `onnx`. It reads the first `max_tokens` tokens.
No engine unpickles anything; a model is data.
Costs, of a core: linear 28 MB/s of English pages, of posts 13 MB/s (each row costs, too); fasttext 8 MB/s with a
small model (tests/benchmarks/classifiers.py); onnx what the model costs.
Source: Joulin et al. 2016 (fastText); Li et al. 2024 (DCLM) for quality by a linear classifier.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from datapipe.algo.models import model_file
from datapipe.errors import InputError
from datapipe.stage import TEXT, Map, Mask, StageConfig, decide, first_of, measure, place, schema

NAME = "filter.classifier"

NOT_KEPT = "label_not_kept"
DROPPED = "label_dropped"

SCORE = pa.struct([pa.field("label", pa.string()), pa.field("score", pa.float32())])
ADDS = schema(label=pa.string(), score=pa.float32(), scores=pa.list_(SCORE))
SAYING = r"[\p{L}\p{N}]"  # what a text without has nothing to judge
READERS = {".npz": "linear", ".bin": "fasttext", ".ftz": "fasttext", ".onnx": "onnx"}  # by the usual names of files
MARK = "__label__"  # what fastText's files of training put before a label; the stage's labels are without it
SHOWN, MOST_CHARACTERS = 10, 64  # labels of a model, and characters of each, that an error names
DECIMALS = 4  # of a score: what is beyond differs between processors and batches

Score = Annotated[float, Field(ge=0, le=1)]


@cache
def _engine(name: str) -> Any:
    """The module that wraps an engine; the others are never imported."""
    return import_module(f"stages.filter.classifier._{name}")


class Config(StageConfig):
    """The model, and which labels to keep or drop."""

    engine: Literal["linear", "fasttext", "onnx"] = measure(
        "linear", "what reads the model: linear (of `datapipe fit classifier`), fasttext or onnx"
    )
    model: str = place(description="path of the model; its bytes count, not its name")
    top: int = measure(5, "labels whose scores are stored, the likeliest first", gt=0)
    passages: Literal["mean", "highest"] = measure(
        "mean", "of linear: a label's score over the windows of a text: their mean, or the highest"
    )
    max_tokens: int = measure(512, "of onnx: tokens of a text that are read", gt=1)
    keep: dict[str, Score] | None = decide(
        None,
        "labels and scores such as {good: 0.5}; documents that reach none of them leave as label_not_kept",
        min_length=1,
    )
    drop: dict[str, Score] | None = decide(
        None, "labels and scores such as {spam: 0.9}; documents that reach one of them leave as label_dropped"
    )


def libraries(config: Config) -> tuple[str, ...]:
    """The packages of the engine, and the digest of the model.

    Raises InputError if either is missing or damaged, or the model does not have a label of `keep` or `drop`.
    """
    path = model_file(config.model, NAME)
    engine = _engine(config.engine)
    try:
        found: tuple[str, ...] = engine.libraries(path)
        known = engine.labels(path)
    except InputError as error:
        reader = READERS.get(path.suffix, config.engine)
        if reader == config.engine:
            raise
        raise InputError(error.message, remedy=f"files named *{path.suffix} are for engine: {reader}") from None
    for label in (*(config.keep or ()), *(config.drop or ())):
        if label not in known:
            raise InputError(f"{NAME}: the model has no label {label!r}", remedy=f"it has {_named(label, known)}")
    return found


def _named(label: str, known: tuple[str, ...]) -> str:
    """All labels of a model, or of many those that are like the one asked for."""
    near = known
    if len(known) > SHOWN:
        near = tuple(get_close_matches(label.removeprefix(MARK), known, n=3)) or known[:SHOWN]
    named = ", ".join(name[:MOST_CHARACTERS] for name in near)
    return named if near is known else f"{named} and {len(known) - len(near)} more"


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The likeliest label, its score (float32), and the scores of the likeliest labels.

    Null where the text says nothing, or the model gives no numbers for it.
    """
    texts: Any = batch["text"]
    says = pc.fill_null(pc.match_substring_regex(texts, SAYING), False).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(says)
    some = texts if says.all() else texts.take(pa.array(rows))  # as they are, they share their segmentation
    found = _engine(config.engine).judge(Path(config.model), config)(some)
    numbers = np.array([len(values) > 0 and bool(np.isfinite(values).all()) for _, values in found], np.bool_)
    says[rows[~numbers]] = False
    rows, found = rows[numbers], [each for each, given in zip(found, numbers, strict=True) if given]
    scores = _listed(found, rows, says)
    first: Any = pc.list_element(pc.if_else(pa.array(says), scores, pa.scalar([None], ADDS.field("scores").type)), 0)
    return pa.RecordBatch.from_arrays([first.field("label"), first.field("score"), scores], schema=ADDS)


def _listed(found: Any, rows: Any, says: Mask) -> Any:
    """A list of labels and scores a row, from the labels and scores (float64) of each row that says something."""
    names = [name for labels, _ in found for name in labels]
    scores = np.concatenate([np.zeros(0), *(values for _, values in found)])
    sizes = np.zeros(len(says), np.int32)
    sizes[rows] = [len(labels) for labels, _ in found]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    values = pa.StructArray.from_arrays(
        [pa.array(names, pa.string()), pa.array(np.round(scores, DECIMALS).astype(np.float32))], fields=list(SCORE)
    )
    places: Any = pa.array(offsets)
    return pa.ListArray.from_arrays(places, values, type=ADDS.field("scores").type, mask=pa.array(~says))


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Which documents reach no label that is kept, or one that is dropped."""
    scores = measured["scores"]
    rules = [(np.zeros(len(scores), np.bool_), DROPPED)]
    if config.keep is not None:
        rules.append((~_reaches(scores, config.keep), NOT_KEPT))
    if config.drop is not None:
        rules.append((_reaches(scores, config.drop), DROPPED))
    return first_of(*rules)


def _reaches(scores: Any, wanted: dict[str, float]) -> Mask:
    """Which rows have a label with at least its score."""
    rows, flat = pc.list_parent_indices(scores), scores.flatten()
    at = pc.index_in(flat.field("label"), value_set=pa.array(list(wanted), pa.string()))
    least = np.array([*wanted.values(), np.inf], np.float32)[at.fill_null(len(wanted)).to_numpy(zero_copy_only=False)]
    hit = np.zeros(len(scores), np.bool_)
    hit[rows.to_numpy()[flat.field("score").to_numpy(zero_copy_only=False) >= least]] = True
    return hit


STAGE = Map(
    name=NAME,
    version=2,
    config=Config,
    reads=TEXT,
    adds=ADDS,
    coded=("label", "scores"),
    reasons={
        NOT_KEPT: "no label of keep reaches its score",
        DROPPED: "a label of drop reaches its score",
    },
    libraries=libraries,
    process=process,
    decide=decide_reasons,
    decides=("scores",),
)
