"""Cut runs of words that stand in the corpus before: of each one copy is kept.

What: a run of min_words words in normal form (casefolded, without accents and punctuation, digits as 0; characters in
scripts without spaces) that stands anywhere before, in the same document or another, is cut; runs that overlap are cut
together, and the first copy in the corpus's order stays (`keep`). With `unit: characters` a run is as many whole words
as have min_characters characters, spaces apart, at the least. Cuts begin and end with words, so never within a
character; `widen` takes the sentences that were touched with them. A document of which something was cut and fewer than
min_left words are left leaves, and a first copy that it alone kept goes with it (min_left: null keeps all). `spans`
tells what was cut of the text received, and where a copy is kept.
Every repeated run is found: copies share the fingerprint that winnowing chooses in them, and only runs whose
fingerprint stands twice in the corpus are compared, by 128-bit hashes of all their words.
`against` cuts what earlier runs have, too: their texts are not read again, for the hashes of words are all that is
compared (they need `index: true`, which keeps those of every document). Their copy is the one that stays, whatever
`keep` says; with `first`, runs in turn cut what one run over all cuts.
Costs, in MB/s a core of English and of Chinese (tests/benchmarks/repeats.py, on a busy machine): with the segmentation
`emit` 65 and 57, `measure`, of the documents that may have copies, 70 and 63, `apply` 45 and 49; beside it 99 and 96,
116 and 116, 67 and 69; `answer`, of the same documents, 91 and 86. By characters with the segmentation `emit` 48 and
47, `measure` 51 and 46, `answer` 82 and 80, `apply` 39 and 43. Up to 0.02 rows in the exchange for a byte of text, then
one for each run whose fingerprint stands twice; what is measured takes 0.32 and 0.35 bytes on disk for a byte of text,
by characters 0.43 and 0.49; memory: one batch, and 200 MB for each million words of a document that repeats itself.
Source: Lee et al. 2022 (Deduplicating Training Data Makes Language Models Better), whose tool cuts all copies, and
within characters; Schleimer et al. 2003 (winnowing).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.cutting import pairs
from datapipe.algo.hash_sets import are_in
from datapipe.algo.keyed import counted, of_rows
from datapipe.algo.rolling import fixed_ends
from datapipe.algo.winnowing import HashedRuns, Runs, gram_of, gram_of_characters
from datapipe.schema import COLUMNS
from datapipe.stage import Group, IndexedConfig, Mask, Round, Scratch, below, decide, first_of, measure, schema
from datapipe.text import Segmentation, segment, view_bytes
from datapipe.text.cutting import listed, without
from datapipe.text.segmentation import flat

TOO_LITTLE_LEFT = "too_little_left"

SPAN = pa.struct([("start", pa.int64()), ("end", pa.int64()), ("kept_in", pa.string()), ("kept_at", pa.int32())])
ADDS = schema(text=COLUMNS["text"], spans=pa.list_(SPAN), words_cut=pa.int32(), words_left=pa.int32())
KEYS = schema(row=pa.uint32(), key=pa.uint64())
ASKED = schema(shard=pa.uint32(), row=pa.uint32(), fingerprint=pa.uint64())
RUNS = schema(row=pa.uint32(), key=pa.uint64(), low=pa.uint64(), word=pa.int32(), id=pa.string())
VERDICTS = schema(shard=pa.uint32(), row=pa.uint32(), word=pa.int32(), kept_in=pa.string(), kept_at=pa.int32())

Int64s = npt.NDArray[np.int64]
Uint64s = npt.NDArray[np.uint64]


class Config(IndexedConfig):
    """How long a copy must be, and what becomes of it."""

    unit: Literal["words", "characters"] = measure("words", "what the length of a copy is counted in")
    min_words: int = measure(
        50, "words in a row that stood before are cut, in scripts without spaces characters; no fewer ever are", ge=4
    )
    min_characters: int = measure(
        200, "with unit characters: so many, spaces apart, in a row of whole words that stood before are cut", ge=8
    )
    keep: Literal["first", "none"] = measure("first", "whether the first copy stays, in the corpus's order, or none")
    widen: Literal["no", "sentences"] = measure("no", "sentences: a sentence that is cut in part goes as a whole")
    min_left: int | None = decide(
        50, "words left in a document of which something was cut; fewer leave as too_little_left", ge=0
    )


def _runs(texts: Any, config: Config) -> Runs:
    if config.unit == "characters":
        return Runs.of_characters(texts, segment(texts), config.min_characters)
    return Runs.of_words(texts, segment(texts), config.min_words)


def emit(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The fingerprints of each document."""
    runs = _runs(batch["text"], config).hashed
    start, fingerprints = runs.fingerprints(every=False)
    arrays: list[Any] = [pa.array(runs.documents(start).astype(np.uint32)), pa.array(fingerprints)]
    return pa.RecordBatch.from_arrays(arrays, schema=KEYS)


def resolve_fingerprints(
    stream: Iterator[pa.RecordBatch], config: Config, scratch: Scratch
) -> Iterator[pa.RecordBatch]:
    """Those that stand twice or more are asked for."""
    for rows, sizes, _ in counted(stream, ("key",), 2):
        some = rows.filter(pa.array(sizes > 1))
        yield pa.RecordBatch.from_arrays([some["shard"], some["row"], some["key"]], schema=ASKED)


def measure_words(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The hashes of each document's words in order, how many words the run from each has (0: none), and its id.

    Runs of so many words need not be told where they end.
    """
    runs = _runs(batch["text"], config)
    form = runs.form
    document, at = flat(form.first, form.last)
    offsets: Any = pa.array(np.searchsorted(document, np.arange(batch.num_rows + 1)))
    arrays: dict[str, Any] = {"words": pa.LargeListArray.from_arrays(offsets, pa.array(runs.hashed.words[at]))}
    if config.unit == "characters":
        reach: Any = pa.array(np.maximum(runs.ends - np.arange(len(runs.ends)), 0)[at].astype(np.int32))
        arrays["reach"] = pa.LargeListArray.from_arrays(offsets, reach)
    return pa.record_batch(arrays | {"id": batch["id"]})


def _known_runs(measured: pa.RecordBatch, config: Config) -> HashedRuns:
    """The runs of documents that are measured."""
    sizes = np.asarray(pc.list_value_length(measured["words"]))
    last = np.cumsum(sizes)
    lists: Any = measured["words"]
    first, words = last - sizes, lists.flatten().to_numpy()
    if config.unit == "words":
        ends = fixed_ends((first, last), len(words), config.min_words)
        return HashedRuns(words, first, last, ends, gram_of(config.min_words))
    lists = measured["reach"]
    reach = lists.flatten().to_numpy()
    ends = np.where(reach > 0, np.arange(len(reach)) + reach, 0)
    return HashedRuns(words, first, last, ends, gram_of_characters(config.min_characters))


def answer(measured: pa.RecordBatch, asked: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """All runs whose fingerprint is asked for."""
    runs = _known_runs(measured, config)
    start, fingerprints = runs.fingerprints(every=True)
    document = runs.documents(start)
    wanted = pairs(of_rows(measured["row"], asked), asked["fingerprint"].to_numpy())
    some = are_in(pairs(document, fingerprints), wanted)
    document, start = document[some], start[some]
    high, low = runs.hashes(start)
    at: Any = pa.array(document)
    arrays: list[Any] = [
        measured["row"].take(at),
        pa.array(high),
        pa.array(low),
        pa.array((start - runs.first[document]).astype(np.int32)),
        measured["id"].take(at),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=RUNS)


def resolve_runs(stream: Iterator[pa.RecordBatch], config: Config, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """A verdict on each run of this run's documents that is to be cut: where its first copy stands."""
    own = len(config.against)
    carried: pa.RecordBatch | None = None  # the first copy of the last run, which may have more
    told = True  # whether it is known to have another
    for batch in stream:
        if batch.num_rows == 0:
            continue
        rows = pa.concat_batches([carried, batch]) if carried is not None else batch  # type: ignore[attr-defined]
        firsts = _firsts(rows)
        heads = firsts[np.cumsum(np.isin(np.arange(rows.num_rows), firsts)) - 1]
        is_copy = np.ones(rows.num_rows, np.bool_)
        is_copy[firsts] = False
        if config.keep == "none":
            is_copy[firsts[:-1]] = np.diff(firsts) > 1
            is_copy[firsts[-1]] = rows.num_rows - firsts[-1] > 1
            if carried is not None and told:
                is_copy[0] = False
        is_copy &= rows["run"].to_numpy() == own
        yield _cut(rows, np.flatnonzero(is_copy), heads)
        told = bool(rows.num_rows - firsts[-1] > 1) or (told and carried is not None and firsts[-1] == 0)
        carried = rows.slice(int(firsts[-1]), 1)


def _firsts(rows: pa.RecordBatch) -> Int64s:
    key, low = rows["key"].to_numpy(), rows["low"].to_numpy()
    changes = (key[1:] != key[:-1]) | (low[1:] != low[:-1])
    return np.concatenate(([0], np.flatnonzero(changes) + 1))


def _cut(rows: pa.RecordBatch, copies: Int64s, heads: Int64s) -> pa.RecordBatch:
    mine, head = (rows.take(at) for at in (copies, heads[copies]))
    arrays = [mine["shard"], mine["row"], mine["word"], head["id"], head["word"]]
    return pa.RecordBatch.from_arrays(arrays, schema=VERDICTS)


# ---------------------------------------------------------------------------------------------- what is cut


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """The text without what was cut, what that was, and how many words went and are left."""
    count, texts = batch.num_rows, batch["text"]
    if verdicts.num_rows == 0:
        nothing = [texts, pa.array([[]] * count, pa.list_(SPAN)), pa.array(np.zeros(count, np.int32))]
        return pa.RecordBatch.from_arrays([*nothing, pa.nulls(count, pa.int32())], schema=ADDS)
    runs = _runs(texts, config)
    form, words = runs.form, runs.segmentation.words
    document, _ = flat(form.first, form.last)
    starts = form.first[of_rows(batch["row"], verdicts)] + verdicts["word"].to_numpy()
    order = np.argsort(starts)
    is_cut = _covered(len(document), starts, runs.ends[starts])
    place = view_bytes(texts).starts[document]
    low, high = place + words.start[form.token], place + words.end[form.token]
    if config.widen == "sentences":
        bounds = _sentences(texts, runs.segmentation)
        is_cut = _whole_sentences(is_cut, low, bounds[0])
    first, last = _stretches(is_cut, document)
    begins, ends = low[first], high[last]
    if config.widen == "sentences":
        begins = np.minimum(begins, bounds[0][np.searchsorted(bounds[0], begins, side="right") - 1])
        ends = np.maximum(ends, bounds[1][np.searchsorted(bounds[0], ends - 1, side="right") - 1])
    witness: Any = pa.array(order[np.searchsorted(starts[order], first)])
    before = view_bytes(texts).starts[document[first]]
    kept = (verdicts[name].take(witness) for name in ("kept_in", "kept_at"))
    found: list[Any] = [begins - before, ends - before, *kept]
    gone = np.bincount(document[is_cut], minlength=count)
    left = np.bincount(document[~is_cut], minlength=count)
    spans = pa.StructArray.from_arrays([pa.array(each) for each in found], fields=list(SPAN))
    arrays: list[Any] = [
        without(texts, begins, ends),
        listed(spans, document[first], count),
        pa.array(gone.astype(np.int32)),
        pa.array(left.astype(np.int32), mask=gone == 0),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=ADDS)


def _covered(count: int, starts: Int64s, ends: Int64s) -> Mask:
    """Which of `count` words lie within a span [start, end)."""
    change = np.bincount(starts, minlength=count + 1) - np.bincount(ends, minlength=count + 1)
    covered: Mask = np.cumsum(change)[:count] > 0
    return covered


def _sentences(texts: Any, segmentation: Segmentation) -> tuple[Int64s, Int64s]:
    """Where the sentences of all texts begin and end, in their buffer."""
    sentences, starts = segmentation.sentences, view_bytes(texts).starts
    document, at = flat(sentences.first, sentences.last)
    return starts[document] + sentences.start[at], starts[document] + sentences.end[at]


def _whole_sentences(is_cut: Mask, places: Int64s, sentences: Int64s) -> Mask:
    """All words of each sentence of which a word is cut."""
    sentence = np.searchsorted(sentences, places, side="right")
    touched = np.zeros(len(sentences) + 1, np.bool_)
    touched[sentence[is_cut]] = True
    whole: Mask = touched[sentence]
    return whole


def _stretches(is_cut: Mask, document: Int64s) -> tuple[Int64s, Int64s]:
    """First and last word of each stretch of words that are cut."""
    same = document[1:] == document[:-1]
    goes_on = np.append(False, is_cut[1:] & is_cut[:-1] & same)
    return np.flatnonzero(is_cut & ~goes_on), np.flatnonzero(is_cut & ~np.append(goes_on[1:], False))


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Documents of which too little is left."""
    return first_of((below(measured["words_left"], config.min_left), TOO_LITTLE_LEFT))


def example(folder: Path) -> Config:
    """By characters, which takes all that words take, and more."""
    return Config(unit="characters", min_characters=20)


STAGE = Group(
    name="dedup.substring",
    version=1,
    config=Config,
    reads=("text", "id"),
    adds=ADDS,
    coded=("spans",),
    reasons={TOO_LITTLE_LEFT: "runs of words that stand elsewhere were cut, and fewer than min_left words are left"},
    rounds=(
        Round(emit=emit, resolve=resolve_fingerprints),
        Round(answer=answer, resolve=resolve_runs, sort=("low", "run", "shard", "row", "word")),
    ),
    measure=measure_words,
    apply=apply,
    applies=("text",),
    libraries=("datapipe.text",),
    decide=decide_reasons,
    example=example,
)
