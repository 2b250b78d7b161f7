"""Write tokens as MDS shards, which MosaicML's `streaming` reads: LLM Foundry, Composer and their kin.

What: a sample is a sequence: `input_ids` and `labels` (int32), `seq_lengths` of the documents in it, and where asked
for `loss_weights` (float32); `index.json` names the shards. A label is -100 where a token carries no loss, and at the
first token of each document. Of documents that no packing placed each is a sample.
Why: streaming reads shards from any store, in an order that any number of ranks can resume.
Costs: the tokens once over in the exchange, then 70 MB/s of tokens a core, or 45 with zstd; memory: a batch of rows and
64 MiB, beyond which a shard waits in a scratch file, for its header tells where each sample lies.
Source: mosaicml/streaming, streaming/base/format/mds/.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal

import numpy as np
import pyarrow as pa
import zstandard

from datapipe.algo.exports import manifest_of, not_held, pretty
from datapipe.algo.sequences import SORT, Ledger, Sequences, TokenSinkConfig, count_files, pieces, readable
from datapipe.algo.tokenizers import tokenizer_files
from datapipe.errors import InputError
from datapipe.stage import USAGE, Above, Gather, Sink, Size, Written, measure
from datapipe.text.jit import Int64s

MOST_BYTES = 1 << 32  # of a shard: places in it are uint32
IN_MEMORY = 64 << 20
LEVEL = 3  # of zstd; streaming's own default
COPIED = 1 << 20
SHAPES = ("<u1", "<u2", "<u4")  # types of the length of an array, by their code


class Config(TokenSinkConfig):
    """What a sample holds, and how large shards are."""

    file_tokens: Size = measure(1 << 23, "tokens of one shard, about; there are at most 4,096 shards", gt=0)
    loss_weights: bool = measure(
        False, "write a column `loss_weights`; without it a weight that is neither 0 nor 1 is refused"
    )
    compression: Literal["none", "zstd"] = measure("none", "compression of whole shards")


def select(available: tuple[str, ...], config: Config) -> tuple[str, ...]:
    """Tokens, their places and their loss, and the source where there is one."""
    return readable(available)


def emit(batch: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """A row for each piece."""
    return pieces(batch, weights=config.loss_weights)


def write(stream: Iterator[pa.RecordBatch], target: BinaryIO, config: Config) -> Written:
    """Write one shard; raises InputError if it is over 4 GiB."""
    ledger, sizes = Ledger(), list[int]()
    about = json.dumps(_about(config), sort_keys=True).encode()
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
        for made in Sequences.of(stream):
            ledger.add(made)
            for sample in _samples(made, config):
                sizes.append(spool.write(sample))
        first = 4 + 4 * (1 + len(sizes)) + len(about)
        ends: Int64s = np.cumsum([first, *sizes], dtype=np.int64)
        total = int(ends[-1])
        if total >= MOST_BYTES:
            raise InputError(
                f"write.mds: a shard of {total:,} bytes is more than the format holds",
                remedy="set a smaller `file_tokens`; above 4,096 shards write parts of the corpus apart",
            )
        spool.seek(0)
        head = np.uint32(len(sizes)).tobytes() + ends.astype("<u4").tobytes() + about
        _copy(head, spool, target, total if config.compression == "zstd" else None)
    return ledger.written(bytes=total, packed=target.tell())


def _copy(head: bytes, spool: Any, target: BinaryIO, size: int | None) -> None:
    """The shard into its file; packed where its size is given, which the reader wants to know beforehand."""
    if size is None:
        target.write(head)
        while chunk := spool.read(COPIED):
            target.write(chunk)
        return
    packer = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True)
    with packer.stream_writer(target, size=size, closefd=False) as packed:
        packed.write(head)
        while chunk := spool.read(COPIED):
            packed.write(chunk)


def _columns(config: Config) -> dict[str, str]:
    """The columns by name, with their encodings."""
    floats = {"loss_weights": "ndarray:float32"} if config.loss_weights else {}
    whole = dict.fromkeys(("input_ids", "labels", "seq_lengths"), "ndarray:int32")
    return dict(sorted({**whole, **floats}.items()))


def _about(config: Config) -> dict[str, Any]:
    """What a shard says of itself."""
    encodings = _columns(config)
    return {
        "column_encodings": list(encodings.values()),
        "column_names": list(encodings),
        "column_sizes": [None] * len(encodings),
        "compression": f"zstd:{LEVEL}" if config.compression == "zstd" else None,
        "format": "mds",
        "hashes": [],
        "size_limit": None,
        "version": 2,
    }


def _samples(made: Sequences, config: Config) -> Iterator[bytes]:
    """The bytes of each sequence: the size of each column, then the columns."""
    starts, firsts = made.starts.tolist(), made.firsts.tolist()
    values: dict[str, tuple[Any, list[int]]] = {
        "input_ids": (made.tokens, starts),
        "labels": (made.labels, starts),
        "loss_weights": (made.loss_weights, starts),
        "seq_lengths": (made.lengths.astype(np.int32), firsts),
    }
    chosen = [values[name] for name in _columns(config)]
    for at in range(len(made)):
        arrays = [_array(array[bounds[at] : bounds[at + 1]]) for array, bounds in chosen]
        yield b"".join((np.array(list(map(len, arrays)), "<u4").tobytes(), *arrays))


def _array(values: Any) -> bytes:
    """One dimension of values: how many dimensions and in which type their length is, the length, the values."""
    code = int(len(values) >= 1 << 8) + int(len(values) >= 1 << 16)
    head: bytes = bytes((1 << 2 | code,)) + np.array(len(values), SHAPES[code]).tobytes()
    return head + bytes(values.tobytes())


def suffix(config: Config) -> str:
    """The file type."""
    return ".mds.zstd" if config.compression == "zstd" else ".mds"


# ---------------------------------------------------------------------------------------------- beside the files


def finish(written: dict[str, dict[str, Any]], above: Above, config: Config) -> Iterator[tuple[str, bytes]]:
    """The index of shards, the ledger, the tokenizer, and the lines of a trainer's config."""
    yield from tokenizer_files(above.resources)
    manifest = manifest_of(written, above.resources)
    manifest["not_held"] = not_held(manifest)
    yield "manifest.json", pretty(manifest)
    yield USAGE, _usage(manifest, config).encode()
    shards = [_shard(name, facts, config) for name, facts in written.items() if facts["sequences"]]
    yield "index.json", pretty({"shards": shards, "version": 2})


def _shard(name: str, facts: dict[str, Any], config: Config) -> dict[str, Any]:
    """What the index says of a shard."""
    raw = {"basename": name.removesuffix(".zstd"), "bytes": facts["bytes"], "hashes": {}}
    packed = {"basename": name, "bytes": facts["packed"], "hashes": {}} if config.compression == "zstd" else None
    return {**_about(config), "raw_data": raw, "samples": facts["sequences"], "zip_data": packed}


def _usage(manifest: dict[str, Any], config: Config) -> str:
    """What to paste."""
    tokenizer = "\n\ntokenizer:\n  name: FOLDER/tokenizer" if manifest["tokenizer"] else ""
    return f"""# Tokens for MosaicML streaming

{manifest["sequences"]:,} samples of up to {manifest["length"]:,} tokens, {manifest["tokens"]:,} in all, of \
{manifest["documents"]:,} documents: {", ".join(_columns(config))}. FOLDER is the folder of this file, or where you \
have put it.

In Python: `StreamingDataset(local="FOLDER", shuffle=True, batch_size=8)`, or with `remote=` an address of the folder.

In a config of LLM Foundry and Composer:

```yaml
train_loader:
  name: text
  dataset:
    local: FOLDER
    shuffle: true
    max_seq_len: {manifest["length"]}
  drop_last: true
  num_workers: 8{tokenizer}
```

The loader `text` makes labels of its own from `input_ids`: the loss mask is in `labels` (-100), and the bounds of
documents in `seq_lengths`, for a collator that takes them. Nothing is lost in this format.
"""


STAGE = Sink(
    name="write.mds",
    version=1,
    config=Config,
    libraries=("numpy", "zstandard"),
    select=select,
    write=write,
    suffix=suffix,
    gather=Gather(emit=emit, files=count_files, finish=finish, sort=SORT),
)
