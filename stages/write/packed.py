"""Write packed sequences as a data set that `datasets.load_from_disk` opens, memory-mapped, and trainers read.

What: Arrow files with `input_ids` and `labels` (int32), `seq_lengths` (of the documents in a sequence, in order) and,
where a token's weight is neither 0 nor 1, `loss_weights`; sequences are not padded, that is the collator's. A label is
-100 where a token carries no loss, and at the first token of each document, which nothing before it can predict.
Beside them: `index/`, which document each stretch of a sequence is of; `manifest.json`, a ledger of tokens by source;
the tokenizer. Why: the trainer maps the files and computes nothing; each token leads back to its document.
Costs: the tokens once over in the exchange, then 200 MB/s of tokens a core; memory: a batch of rows.
Source: the columns are those of TRL's packing (`input_ids`, `labels`, `seq_lengths`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from datapipe.errors import InputError, StageError
from datapipe.stage import Gather, Sink, SinkConfig, Size, Written, columns, measure, schema
from datapipe.text.jit import Int64s

READS = ("id", "source", "tokens", "loss", "segments")
NO_LOSS = -100
INDEX = schema(
    sequence=pa.int64(),  # number in the file
    offset=pa.int32(),  # its first token in the sequence
    id=pa.string(),
    source=pa.string(),
    start=pa.int32(),  # tokens [start, end) of the document
    end=pa.int32(),
)
_VALUES: dict[str, pa.DataType] = {"int32": pa.int32(), "float32": pa.float32()}
BATCH = 256  # sequences of one record batch
COUNTS = ("documents", "pieces", "tokens", "trained", "cut")


class Config(SinkConfig):
    """How large files are."""

    by: None = measure(None, "not here: sequences hold documents of many values; mix and pack parts by themselves")
    file_tokens: Size = measure(1 << 28, "tokens of one file, about", gt=0)
    files_of: int = measure(1, "the number of files is a multiple of this, such as the number of ranks", gt=0)
    length: int | None = measure(
        None, "tokens that a sequence can hold, for the count of padding; none given: that of the longest", gt=0
    )
    loss_weights: bool = measure(
        False, "write a column `loss_weights`; without it a weight that is neither 0 nor 1 is refused"
    )


def select(available: tuple[str, ...], config: Config) -> tuple[str, ...]:
    """What packing needs, and the loss and the source where there are any."""
    return tuple(name for name in READS if name in available or name not in {"loss", "source"})


# ---------------------------------------------------------------------------------------------- pieces


def emit(batch: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """A row for each piece: its sequence, place, tokens and weights, and what is cut off its document."""
    pieces: Any = batch["segments"]
    counts = _lengths(pieces)
    row: Any = np.repeat(np.arange(len(batch)), counts)
    flat = pieces.flatten()
    fields = {name: flat.field(name) for name in ("sequence", "offset", "start", "end")}
    start, end = (fields[name].to_numpy().astype(np.int64) for name in ("start", "end"))
    tokens: Any = batch["tokens"]
    first = tokens.offsets.to_numpy()[:-1][row] + start
    at = _stretches(first, end - start)
    bounds: Any = np.concatenate(([0], np.cumsum(end - start)))
    weights = _weights(batch)
    if not config.loss_weights and not np.isin(weights, (0, 1)).all():
        raise InputError("a token has a loss weight other than 0 and 1", remedy="set `loss_weights: true` to write it")
    return columns(
        row=row.astype(np.uint32),
        key=fields["sequence"],
        weight=end - start,
        offset=fields["offset"],
        start=fields["start"],
        end=fields["end"],
        id=batch["id"].take(pa.array(row)),
        source=_sources(batch).take(pa.array(row)),
        cut=_cut(tokens, row, (start, end)),
        tokens=pa.LargeListArray.from_arrays(bounds, tokens.values.take(pa.array(at))),
        weights=pa.LargeListArray.from_arrays(bounds, pa.array(weights[at - tokens.offsets[0].as_py()])),
    )


def _sources(batch: pa.RecordBatch) -> Any:
    return batch["source"] if "source" in batch.schema.names else pa.nulls(len(batch), pa.string())


def _lengths(lists: Any) -> Any:
    """Values in each list; none in null."""
    lengths: Any = pc.list_value_length(lists)
    return lengths.fill_null(0).to_numpy()


def _stretches(first: Int64s, lengths: Int64s) -> Int64s:
    """The positions first, first + 1, … of each stretch, one after the other."""
    before = np.cumsum(lengths) - lengths
    at: Int64s = np.arange(int(lengths.sum())) + np.repeat(first - before, lengths)
    return at


def _cut(tokens: Any, row: Int64s, spans: tuple[Int64s, Int64s]) -> Int64s:
    """Tokens of each document that are in no piece, over all its copies; told of its first piece."""
    start, end = spans
    lengths = np.diff(tokens.offsets.to_numpy())
    cut = np.bincount(row, lengths[row] * (start == 0) - (end - start), len(tokens)).astype(np.int64)
    return np.where(np.diff(row, prepend=-1) > 0, cut[row], 0)


def _weights(batch: pa.RecordBatch) -> Any:
    """The weight of each token of a batch (float32)."""
    tokens: Any = batch["tokens"]
    offsets = tokens.offsets.to_numpy()
    offsets = offsets - offsets[0]
    weights = np.ones(int(offsets[-1]), np.float32)
    if "loss" not in batch.schema.names or batch["loss"].null_count == len(batch):
        return weights
    loss: Any = batch["loss"]
    weights[np.repeat(np.asarray(loss.is_valid()), np.diff(offsets))] = 0
    row = np.repeat(np.arange(len(batch)), _lengths(loss))
    spans = loss.flatten()
    start, end = (spans.field(name).to_numpy().astype(np.int64) for name in ("start", "end"))
    weights[_stretches(offsets[row] + start, end - start)] = np.repeat(spans.field("weight").to_numpy(), end - start)
    return weights


# ---------------------------------------------------------------------------------------------- sequences


class _Ledger:
    """What a file holds, by source, and where each piece stands."""

    def __init__(self) -> None:
        self.sequences = self.longest = 0
        self._counts: dict[str, Counter[str]] = {}
        self._index: list[pa.RecordBatch] = []

    def add(self, rows: pa.RecordBatch, sequence: Int64s, trained: Int64s) -> None:
        """Count the pieces of some sequences. `sequence`: number of each piece's; `trained`: its labels."""
        numbers = sequence + self.sequences
        arrays = [pa.array(numbers), *(rows[name] for name in INDEX.names[1:])]
        self._index.append(pa.RecordBatch.from_arrays(arrays, schema=INDEX))
        lengths = (rows["end"].to_numpy() - rows["start"].to_numpy()).astype(np.int64)
        self.longest = max(self.longest, int(np.bincount(sequence, lengths).max()))
        self.sequences = int(numbers[-1]) + 1
        first = rows["start"].to_numpy() == 0
        values = (first, np.ones(len(rows), np.int64), lengths, trained, rows["cut"].to_numpy())
        sources: Any = rows["source"]
        coded = sources.fill_null("").dictionary_encode()
        for number, source in enumerate(coded.dictionary.to_pylist()):
            mine = coded.indices.to_numpy() == number
            told = {name: int(value[mine].sum()) for name, value in zip(COUNTS, values, strict=True)}
            self._counts.setdefault(source, Counter()).update(told)

    def written(self) -> Written:
        """The facts, and the index."""
        sources = {source: {name: counts[name] for name in COUNTS} for source, counts in sorted(self._counts.items())}
        facts = {"sequences": self.sequences, "longest": self.longest, "sources": sources}
        return Written(facts, pa.Table.from_batches(self._index, INDEX))


def write(stream: Iterator[pa.RecordBatch], target: BinaryIO, config: Config) -> Written:
    """Write one file of sequences."""
    ledger, held, count = _Ledger(), list[pa.RecordBatch](), 0
    form = _form(config)
    sink: Any = target
    with pa.ipc.new_stream(sink, form) as file:
        for rows in _whole(stream):
            held.append(_sequences(rows, config, ledger))
            count += len(held[-1])
            while count >= BATCH:  # of one size, however the stream is cut
                table = pa.Table.from_batches(held, form).combine_chunks()
                file.write_table(table.slice(0, BATCH))
                held, count = table.slice(BATCH).to_batches(), count - BATCH
        if count:
            file.write_table(pa.Table.from_batches(held, form).combine_chunks())
    return ledger.written()


def _whole(stream: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The rows, never a sequence in two batches."""
    held: list[pa.RecordBatch] = []
    for batch in stream:
        if not len(batch):
            continue
        keys = batch["key"].to_numpy()
        last = int(np.searchsorted(keys, keys[-1]))
        if held and (last or held[-1]["key"][-1].as_py() != keys[-1]):
            yield _joined([*held, batch.slice(0, last)])
            held = []
        elif last:
            yield batch.slice(0, last)
        held.append(batch.slice(last))
    if held:
        yield _joined(held)


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    whole: pa.RecordBatch = pa.concat_batches(parts)  # type: ignore[attr-defined]
    return whole


def _sequences(rows: pa.RecordBatch, config: Config, ledger: _Ledger) -> pa.RecordBatch:
    """The sequences of some rows."""
    keys, lengths = rows["key"].to_numpy(), (rows["end"].to_numpy() - rows["start"].to_numpy()).astype(np.int64)
    begins = np.append(True, keys[1:] != keys[:-1])
    firsts = np.append(np.flatnonzero(begins), len(rows))
    bounds = np.concatenate(([0], np.cumsum(lengths)))  # of pieces, in tokens
    offsets: Any = bounds[:-1] - np.repeat(bounds[firsts[:-1]], np.diff(firsts))
    if not np.array_equal(offsets, rows["offset"].to_numpy()):
        raise StageError("pieces of a sequence do not follow each other", remedy="run the stage `pack` again")
    tokens, weights = (_flat(rows, name) for name in ("tokens", "weights"))
    carries = weights.to_numpy() != 0
    carries[bounds[:-1]] = False
    labels = np.where(carries, tokens.to_numpy(), NO_LOSS).astype(np.int32)
    trained = np.add.reduceat(carries, bounds[:-1], dtype=np.int64)
    ledger.add(rows, np.cumsum(begins) - 1, trained)
    lists: Any = pa.array(bounds[firsts].astype(np.int32))
    segments: Any = pa.array(firsts.astype(np.int32))
    made = [
        pa.ListArray.from_arrays(lists, tokens),
        pa.ListArray.from_arrays(lists, pa.array(labels)),
        pa.ListArray.from_arrays(segments, pa.array(lengths.astype(np.int32))),
    ]
    if config.loss_weights:
        made.append(
            pa.ListArray.from_arrays(lists, pa.array(np.where(carries, weights.to_numpy(), 0).astype(np.float32)))
        )
    return pa.RecordBatch.from_arrays(made, schema=_form(config))


def _flat(rows: pa.RecordBatch, name: str) -> Any:
    lists: Any = rows[name]
    return lists.flatten()


def _features(config: Config) -> dict[str, Any]:
    """The columns as `datasets` describes them."""
    kinds = dict.fromkeys(("input_ids", "labels", "seq_lengths"), "int32")
    kinds |= {"loss_weights": "float32"} if config.loss_weights else {}
    return {name: {"feature": {"dtype": kind, "_type": "Value"}, "_type": "List"} for name, kind in kinds.items()}


def _form(config: Config) -> pa.Schema:
    features = _features(config)
    fields = [pa.field(name, pa.list_(_VALUES[about["feature"]["dtype"]])) for name, about in features.items()]
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def suffix(config: Config) -> str:
    """The file type."""
    return ".arrow"


# ---------------------------------------------------------------------------------------------- beside the files


def files(tokens: int, config: Config) -> int:
    """How many files so many tokens fill."""
    needed = -(-tokens // config.file_tokens)
    return max(1, -(-needed // config.files_of)) * config.files_of


def finish(
    written: dict[str, dict[str, Any]], resources: dict[str, Path], config: Config
) -> Iterator[tuple[str, bytes]]:
    """The ledger, what `datasets` asks for, and the tokenizer."""
    tokenizers = [folder for folder in resources.values() if (folder / "tokenizer.json").is_file()]
    beside = [path for folder in tokenizers[:1] for path in sorted(folder.iterdir()) if path.is_file()]
    for path in beside:
        yield f"tokenizer/{path.name}", path.read_bytes()
    digests = {path.name: xxhash.xxh3_128_hexdigest(path.read_bytes()) for path in beside}
    manifest = _manifest(written, config) | {"tokenizer": digests}
    state: dict[str, Any] = {
        "_data_files": [{"filename": name} for name, facts in written.items() if facts["sequences"]],
        "_fingerprint": xxhash.xxh3_64_hexdigest(json.dumps(manifest).encode()),
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    for name, value in (
        ("manifest.json", manifest),
        ("dataset_info.json", {"features": _features(config)}),
        ("state.json", state),
    ):
        yield name, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _manifest(written: dict[str, dict[str, Any]], config: Config) -> dict[str, Any]:
    """Tokens in = packed + cut by source, and padding apart."""
    sources: dict[str, Counter[str]] = {}
    for facts in written.values():
        for source, counts in facts["sources"].items():
            sources.setdefault(source, Counter()).update(counts)
    sequences = sum(facts["sequences"] for facts in written.values())
    length = config.length or max(facts["longest"] for facts in written.values())
    total = sum((counts for counts in sources.values()), Counter[str]())
    return {
        "length": length,
        "sequences": sequences,
        **{name: total[name] for name in COUNTS},
        "padding": sequences * length - total["tokens"],
        "sources": {source: {name: counts[name] for name in COUNTS} for source, counts in sorted(sources.items())},
        "files": [{"name": name, "sequences": facts["sequences"]} for name, facts in written.items()],
    }


STAGE = Sink(
    name="write.packed",
    version=1,
    config=Config,
    libraries=("pyarrow",),
    select=select,
    write=write,
    suffix=suffix,
    gather=Gather(emit=emit, files=files, finish=finish, sort=("offset",)),
)
