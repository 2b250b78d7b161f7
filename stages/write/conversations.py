"""Write conversations for others, as JSON Lines: in the form that they were read in, or in one of four.

| `form` | a record | what it cannot hold |
| --- | --- | --- |
| `as_read` | as `read.conversations` met it | of trees: the branches apart, each way is a record of `messages` |
| `messages` | OpenAI `messages`, `tools`, `rejected` | nothing |
| `sharegpt` | `conversations` of `from`/`value`, `tools`, `rejected` | calls beside a text are a turn of their own |
| `alpaca` | `instruction`, `input`, `output`, `system`, `history` | calls, tools, reasoning, weights, preferences |
| `pairs` | `prompt`, `chosen`, `rejected` (TRL); `completion` where nothing was rejected | nothing |

A record that lacks something says so in its field `not_held`, a list of names: `grep -c not_held` counts them. A talk
that is no exchange of user and assistant has no form in Alpaca: it is written as `messages`, and `not_held` says so.
Fields that the reader kept in `metadata` are fields again. A record read and written in one form is the same, but for
what `datapipe.algo.conversations.writing` names: contents of several parts are one part, JSON of calls has Python's
spaces, tables lose their nulls. Beside the files stand `README.md`, with what is lost and the lines for TRL, axolotl
and LLaMA-Factory, and for the latter, which reads plain `.jsonl` alone (`compression: none`), `dataset_info.json`.
Costs some 20 microseconds for a conversation of 3 turns and 1.6 KB, 75 MB/s, without compression
(tests/benchmarks/conversations.py); memory: one batch as Python objects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal

import orjson
import pyarrow as pa

from datapipe.algo.conversations import NOT_HELD, Talk, dataset_info, usage, write_talk
from datapipe.algo.exports import pretty
from datapipe.algo.fields import as_json, parse
from datapipe.algo.packed_lines import compressed, in_blocks, suffix_of
from datapipe.stage import USAGE, Above, Sink, SinkConfig, Written, measure

READS = ("messages", "rejected", "tools", "metadata")
OF_TURNS = ("reasoning", "tool_calls", "train", "weight")
OF_ALPACA = ("system", "history")  # fields that not every record has


class Config(SinkConfig):
    """In which form, and how."""

    form: Literal["messages", "sharegpt", "alpaca", "pairs", "as_read"] = measure(
        "messages", "form of the records; as_read: each in the form that it was read in"
    )
    columns: tuple[str, ...] = measure((), "further columns to write as fields, such as [id, language]")
    compression: Literal["gz", "zst", "none"] = measure("gz", "compression of the whole file")


def select(available: tuple[str, ...], config: Config) -> tuple[str, ...]:
    """What makes a conversation, and the columns asked for; asks for messages where there are none."""
    own = tuple(name for name in READS if name in available or name == "messages")
    return (*own, *(name for name in config.columns if name not in own))


def records(stream: Iterator[pa.RecordBatch], config: Config, has: Counter[str]) -> Iterator[dict[str, Any]]:
    """A record for each document; of one without messages, its other fields. `has` counts what they have."""
    for batch in stream:
        has.update(_parts(batch))
        for row in batch.to_pylist():
            fields, origin = _metadata(row.get("metadata"))
            own = {name: row[name] for name in config.columns if row[name] is not None}
            if row["messages"] is None:
                yield {**fields, **own}
                continue
            talk = Talk(row["messages"], fields, origin, row.get("rejected"), row.get("tools"))
            yield {**write_talk(talk, config.form), **own}


def _parts(batch: pa.RecordBatch) -> dict[str, int]:
    """How many documents have tools, and how many turns have what not every form or trainer knows."""
    turns: Any = batch["messages"]
    turns = turns.flatten()
    told = {name: len(turns) - turns.field(name).null_count for name in OF_TURNS}
    return told | {name: len(batch) - batch[name].null_count for name in ("tools",) if name in batch.schema.names}


def _metadata(text: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields that have no column, and how the record was read; none where `metadata` is the user's own and no JSON."""
    fields = parse((text or "{}").encode()) or {}
    origin = fields.pop("as_read", None)
    return fields, origin if isinstance(origin, dict) else {}


def write(stream: Iterator[pa.RecordBatch], target: BinaryIO, config: Config) -> Written:
    """Write the documents of one file; `target` stays open."""
    has, lost = Counter[str](), Counter[str]()
    lines = (_line(_counted(record, has, lost)) for record in records(stream, config, has))
    with compressed(target, config.compression) as file:
        for block in in_blocks(lines):
            file.write(block)
    return Written({"has": dict(sorted(has.items())), "not_held": dict(sorted(lost.items()))})


def _counted(record: dict[str, Any], has: Counter[str], lost: Counter[str]) -> dict[str, Any]:
    has.update(name for name in OF_ALPACA if name in record)
    told = record.get(NOT_HELD)
    lost.update(told if isinstance(told, list) else ())
    return record


def _line(record: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # integers over 64 bits, values of columns that JSON does not know
        return as_json(record).encode() + b"\n"


def suffix(config: Config) -> str:
    """The file type, such as `.jsonl.gz`."""
    return suffix_of(config.compression)


def finish(written: dict[str, dict[str, Any]], above: Above, config: Config) -> Iterator[tuple[str, bytes]]:
    """How trainers read the files."""
    info = dataset_info(written, config.form)
    if info:
        yield "dataset_info.json", pretty(info)
    yield USAGE, usage(written, config.form, list(info)).encode()


STAGE = Sink(
    name="write.conversations",
    version=2,
    config=Config,
    libraries=("orjson", "zlib-ng", "zstandard"),
    select=select,
    write=write,
    suffix=suffix,
    finish=finish,
)
