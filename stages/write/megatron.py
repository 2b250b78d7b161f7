"""Write tokens as Megatron's indexed data sets, `.bin` and `.idx`, which Megatron-LM, NeMo and their kin map.

What: a pair of files for each range of documents. Every document is a sequence of the index, so that its bounds hold;
of packed documents every piece is one, and the pieces of a packed sequence are one document of the index, in order.
Tokens take 2 bytes where the tokenizer has fewer than 65,500 of them, else 4. Why: Megatron reads nothing else.
The format has no place for a loss mask: which tokens carry no loss is lost, and `manifest.json` counts them.
Costs: the tokens once over in the exchange, then 150 MB/s of tokens a core; memory: a batch of rows, 20 bytes a
sequence of a file.
Source: Megatron-LM, megatron/core/datasets/indexed_dataset.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.exports import manifest_of, not_held, pretty
from datapipe.algo.sequences import SORT, Ledger, Sequences, TokenSinkConfig, count_files, pieces, readable
from datapipe.algo.tokenizers import tokenizer_files, vocabulary_of
from datapipe.errors import InputError
from datapipe.stage import USAGE, Above, Gather, Sink, Written, measure
from datapipe.text.jit import Int64s

MAGIC = b"MMIDIDX\0\0"
CODES = {"int32": 4, "uint16": 8}
FEW = 65_500  # tokens of a vocabulary; Megatron takes uint16 below this


class Config(TokenSinkConfig):
    """How wide tokens are, and how large files."""

    dtype: Literal["auto", "uint16", "int32"] = measure(
        "auto", "type of a token; auto: uint16 where the tokenizer has fewer than 65,500 tokens, else int32"
    )


def select(available: tuple[str, ...], config: Config) -> tuple[str, ...]:
    """Tokens, their places, and the source where there is one."""
    return readable(available)


def settle(config: Config, resources: dict[str, Path]) -> Config:
    """The type of tokens by the vocabulary; raises InputError where that asked for does not hold it."""
    vocabulary = vocabulary_of(resources)
    if config.dtype == "uint16" and vocabulary is not None and vocabulary >= FEW:
        raise InputError(
            f"write.megatron: a vocabulary of {vocabulary:,} tokens does not fit uint16, which holds {FEW - 1:,}",
            remedy="set `dtype: int32`, or leave it out",
        )
    if config.dtype != "auto":
        return config
    small = vocabulary is not None and vocabulary < FEW
    return config.model_copy(update={"dtype": "uint16" if small else "int32"})


def emit(batch: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """A row for each piece; raises InputError if a token does not fit."""
    rows = pieces(batch)
    found: Any = rows["tokens"]
    least, most = (each.as_py() for each in pc.min_max(found.flatten()).values())
    if most is not None and least < 0:
        raise InputError(f"write.megatron: there is a token {least}", remedy="tokens are numbers from 0 on")
    if most is not None and config.dtype == "uint16" and most >= FEW:
        raise InputError(f"write.megatron: token {most:,} does not fit uint16", remedy="set `dtype: int32`")
    return rows


def write(stream: Iterator[pa.RecordBatch], target: BinaryIO, config: Config) -> Written:
    """Write the tokens of one file; the index is made beside it."""
    kind = "uint16" if config.dtype == "uint16" else "int32"
    ledger, lengths, counts = Ledger(), list[Int64s](), list[Int64s]()
    for made in Sequences.of(stream):
        ledger.add(made)
        target.write(made.tokens.astype(f"<{kind[0]}{np.dtype(kind).itemsize}").tobytes())
        lengths.append(made.lengths)
        counts.append(np.diff(made.firsts))
    index = _index(_joined(lengths), _joined(counts), kind)
    return ledger.written(dtype=kind, beside={".idx": index})


def _joined(parts: list[Int64s]) -> Int64s:
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _index(lengths: Int64s, counts: Int64s, kind: str) -> bytes:
    """The `.idx` of sequences of so many tokens, so many of which are each document."""
    pointers = (np.cumsum(lengths) - lengths) * np.dtype(kind).itemsize
    documents = np.append(0, np.cumsum(counts))
    head = MAGIC + struct.pack("<QBQQ", 1, CODES[kind], len(lengths), len(documents))
    numbers = (lengths.astype("<i4"), pointers.astype("<i8"), documents.astype("<i8"))
    return head + b"".join(each.tobytes() for each in numbers)


def suffix(config: Config) -> str:
    """The file type."""
    return ".bin"


# ---------------------------------------------------------------------------------------------- beside the files


def finish(written: dict[str, dict[str, Any]], above: Above, config: Config) -> Iterator[tuple[str, bytes]]:
    """The ledger with what is not held, the tokenizer, and the arguments of Megatron-LM."""
    yield from tokenizer_files(above.resources)
    manifest = manifest_of(written, above.resources)
    manifest["dtype"] = next(iter(written.values()))["dtype"]
    manifest["not_held"] = not_held(manifest, "loss", "loss_weights")
    yield "manifest.json", pretty(manifest)
    yield USAGE, _usage(written, manifest).encode()


def _usage(written: dict[str, dict[str, Any]], manifest: dict[str, Any]) -> str:
    """What to paste."""
    sizes = {
        name.removesuffix(".bin"): sum(counts["tokens"] for counts in facts["sources"].values())
        for name, facts in written.items()
    }
    paths = " \\\n    ".join(f"{tokens} FOLDER/{name}" for name, tokens in sizes.items() if tokens)
    tokenizer = ""
    if manifest["tokenizer"]:
        tokenizer = " \\\n  --tokenizer-type HuggingFaceTokenizer --tokenizer-model FOLDER/tokenizer"
    lost = manifest["not_held"]
    return f"""# Tokens for Megatron-LM

{manifest["tokens"]:,} tokens of {manifest["documents"]:,} documents as {manifest["dtype"]}, {manifest["pieces"]:,} \
sequences of the index. FOLDER is the folder of this file.

Arguments of `pretrain_gpt.py` (a path is given with its number of tokens as its weight):

```
  --data-path {paths}{tokenizer} \\
  --reset-position-ids --reset-attention-mask
```

Megatron puts documents end to end into sequences of `--seq-length`, cut anywhere, in an order of its own: order and
fit of packing are not kept. Write `eos` behind documents in `tokenize`, for it is what separates them.

Not held by this format: {lost["loss"]:,} tokens that carry no loss here carry it there, and {lost["loss_weights"]:,}
weights of loss other than 0 and 1 are lost. Which document each stretch is of stands in `index/`.
"""


STAGE = Sink(
    name="write.megatron",
    version=1,
    config=Config,
    libraries=("numpy",),
    select=select,
    write=write,
    suffix=suffix,
    gather=Gather(emit=emit, files=count_files, finish=finish, sort=SORT, settle=settle),
)
