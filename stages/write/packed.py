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
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import xxhash

from datapipe.algo.exports import pretty
from datapipe.algo.sequences import (
    SORT,
    Ledger,
    Sequences,
    TokenSinkConfig,
    count_files,
    pieces,
    readable,
    totals,
)
from datapipe.algo.tokenizers import tokenizer_digests, tokenizer_files
from datapipe.stage import USAGE, Above, Gather, Sink, Written, measure

_VALUES: dict[str, pa.DataType] = {"int32": pa.int32(), "float32": pa.float32()}
BATCH = 256  # sequences of one record batch


class Config(TokenSinkConfig):
    """How large files are, and what they hold."""

    length: int | None = measure(
        None, "tokens that a sequence can hold, for the count of padding; none given: that of the longest", gt=0
    )
    loss_weights: bool = measure(
        False, "write a column `loss_weights`; without it a weight that is neither 0 nor 1 is refused"
    )


def select(available: tuple[str, ...], config: Config) -> tuple[str, ...]:
    """What packing needs, and the loss and the source where there are any."""
    return tuple(dict.fromkeys((*readable(available), "segments")))


def emit(batch: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """A row for each piece."""
    return pieces(batch, weights=config.loss_weights)


def write(stream: Iterator[pa.RecordBatch], target: BinaryIO, config: Config) -> Written:
    """Write one file of sequences."""
    ledger, held, count = Ledger(), list[pa.RecordBatch](), 0
    form = _form(config)
    sink: Any = target
    with pa.ipc.new_stream(sink, form) as file:
        for sequences in Sequences.of(stream):
            ledger.add(sequences)
            held.append(_table(sequences, config))
            count += len(sequences)
            while count >= BATCH:  # of one size, however the stream is cut
                table = pa.Table.from_batches(held, form).combine_chunks()
                file.write_table(table.slice(0, BATCH))
                held, count = table.slice(BATCH).to_batches(), count - BATCH
        if count:
            file.write_table(pa.Table.from_batches(held, form).combine_chunks())
    return ledger.written()


def _table(made: Sequences, config: Config) -> pa.RecordBatch:
    """A row for each sequence."""
    lists: Any = pa.array(made.starts.astype(np.int32))
    segments: Any = pa.array(made.firsts.astype(np.int32))
    arrays = [
        pa.ListArray.from_arrays(lists, pa.array(made.tokens)),
        pa.ListArray.from_arrays(lists, pa.array(made.labels)),
        pa.ListArray.from_arrays(segments, pa.array(made.lengths.astype(np.int32))),
    ]
    if config.loss_weights:
        arrays.append(pa.ListArray.from_arrays(lists, pa.array(made.loss_weights)))
    return pa.RecordBatch.from_arrays(arrays, schema=_form(config))


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


def finish(written: dict[str, dict[str, Any]], above: Above, config: Config) -> Iterator[tuple[str, bytes]]:
    """The ledger, what `datasets` asks for, and the tokenizer."""
    yield from tokenizer_files(above.resources)
    manifest = totals(written, config.length) | {"tokenizer": tokenizer_digests(above.resources)}
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
        yield name, pretty(value)
    yield USAGE, _usage(manifest).encode()


def _usage(manifest: dict[str, Any]) -> str:
    """What to paste."""
    return f"""# Packed sequences

{manifest["sequences"]:,} sequences of up to {manifest["length"]:,} tokens, {manifest["tokens"]:,} in all, of \
{manifest["documents"]:,} documents. FOLDER is the folder of this file; `manifest.json` is the ledger, and `index/` \
leads from each token back to its document.

## TRL

```python
from datasets import load_from_disk
from trl import SFTConfig, SFTTrainer

config = SFTConfig(packing=False, padding_free=True, max_length={manifest["length"]})
trainer = SFTTrainer(model=MODEL, args=config, train_dataset=load_from_disk("FOLDER"))
```

It is packed already, and `padding_free` makes positions begin anew with each document, from `seq_lengths`; the model
needs `attn_implementation="flash_attention_2"` or another that heeds them. TRL takes no `loss_weights`: its loss is
the mean over the labels that are not -100.

## Any other trainer

`input_ids`, `labels` (-100 carries no loss) and `seq_lengths` of each sequence, not padded. Positions begin anew, and
attention ends, at each document.
"""


STAGE = Sink(
    name="write.packed",
    version=2,
    config=Config,
    libraries=("pyarrow",),
    select=select,
    write=write,
    suffix=suffix,
    gather=Gather(emit=emit, files=count_files, finish=finish, sort=SORT),
)
