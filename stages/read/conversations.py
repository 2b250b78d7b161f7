"""Read conversations in every usual form, as one column `messages`; preferences as `messages` and `rejected`.

| form | its fields | others call it |
| --- | --- | --- |
| `sharegpt` | `conversations` of `from`/`value` | ShareGPT, FastChat, LLaMA-Factory `sharegpt` |
| `messages` | `messages` of `role`/`content`, `tools` | OpenAI, ChatML, TRL conversational, axolotl `chat_template` |
| `alpaca` | `instruction`, `input`, `output`, `system`, `history` | Alpaca, LLaMA-Factory `alpaca` |
| `prompt_response` | `prompt` (`question`, `query`) and `response` (`completion`, `answer`) | TRL prompt-completion |
| `pairs` | any of these, or transcripts, with `chosen` and `rejected` | DPO, RM, HH-RLHF, UltraFeedback |
| `tree` | `prompt` with `replies` | OpenAssistant message trees |
| `dialogue` | turns without a role, which alternate | KdConv |
| `seed_task` | `instruction` and `instances` | self-instruct seed tasks |
| `questions` | `question` in rounds, `function` | BFCL |
| `text` | `text`: a transcript, or all of it the assistant's | Guanaco, plain text |

Records come as JSON lines (`.jsonl`), one JSON array (`.json`), Parquet or Arrow files (folders of `save_to_disk`),
JSON also packed. Each is in the first form of `pairs`, `tree`, …, `text` that it fits, unless `form` names one. Labels
of KTO and all fields that have no column are in `metadata`, beside `as_read`: how the record was written, from which
`write.conversations` makes the same record again. A turn of calls alone (`function_call`) is the assistant's; contents
in parts are joined; images, sounds and bytes are refused.

A tree gives a document for each way from the root to an answer of the assistant's behind which there is no other:
questions that nobody answered are left out. Its id comes from the messages on that way, as `root#n`, so that a tree
that grows keeps those it had, and `split.parts` parts no tree. So does a seed task, for each instance.
What cannot be read is a row with a reason. `record` is the byte offset of the record (of tables the row); `cursor` is
that times 2^24, and the number of the document within it. `messages`, `rejected` and `tools` are not stored but read
again where they are needed; `keep: [messages, rejected, tools]` stores them.
Costs: some 80 microseconds for a conversation of 3 turns and 1.6 KB, 20 MB/s, which is 2.3 times what the same lines
take in `read.jsonl` (tests/benchmarks/conversations.py); memory: a batch, and a record as Python objects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import pyarrow as pa
from pydantic import field_validator

from datapipe.algo.conversations import ROLES, SAYS, TOO_LARGE, Talk, Unfit, read_talks
from datapipe.algo.fields import Entry, as_json
from datapipe.algo.inputs import (
    DAMAGED_INPUT,
    PACKED,
    ROW_HEAD,
    batches,
    digest16,
    find_files,
    one_split_per_file,
    packed_suffixes,
)
from datapipe.algo.json_records import line_records, value_records
from datapipe.algo.table_records import arrow_records, parquet_records
from datapipe.schema import COLUMNS
from datapipe.stage import File, Size, Source, SourceConfig, Split, measure, schema

_PARQUET, _ARROW = (".parquet", ".pq"), (".arrow", ".arrows", ".ipc", ".feather")
_SUFFIXES = (*packed_suffixes("jsonl", "ndjson", "json"), *_PARQUET, *_ARROW)
_NO_DATA = frozenset({"dataset_info.json", "dataset_dict.json", "state.json", "dataset_infos.json"})
_NUMBER_BITS = 24  # of a cursor: which document of its record
_MOST_BYTES = 128 << 20  # of a record: it cannot hold 2^24 documents then
ADDS = schema(**{name: COLUMNS[name] for name in ("messages", "rejected", "tools", "metadata", "source", "snapshot")})
_LAYOUT = pa.schema([*ROW_HEAD, *schema(within=pa.int64()), *ADDS])
_MEANINGS = ("system", "user", "assistant", "tool", "call")

Row = tuple[Any, ...]


class Config(SourceConfig):
    """What the records are, and what their words mean."""

    form: Literal[
        "auto",
        "messages",
        "sharegpt",
        "alpaca",
        "prompt_response",
        "pairs",
        "tree",
        "dialogue",
        "seed_task",
        "questions",
        "text",
    ] = measure("auto", "form of the records; auto: told of each record by its fields")
    roles: dict[str, str] = measure(
        {}, "word of yours: system, user, assistant, tool or call (of a tool), such as {customer: user}"
    )
    fields: dict[str, str] = measure(
        {}, "field as the form has it: field of the input, such as {messages: dialog, prompt: q, response: a}"
    )
    max_record_bytes: Size = measure(64 << 20, "bytes of a record; more: record_too_large", gt=0, le=_MOST_BYTES)

    @field_validator("roles")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        for word, role in value.items():
            if role not in _MEANINGS:
                raise ValueError(f"{word!r} cannot mean {role!r}; roles are {', '.join(_MEANINGS)}")
        return value


def splits(config: Config) -> list[Split]:
    """One split per file; what stands beside the data of a data set is none."""
    found = find_files(config.paths, suffixes=_SUFFIXES, allow_missing=config.allow_missing)
    return one_split_per_file(file for file in found if file.name.rpartition("/")[2] not in _NO_DATA)


def read(split: Split, config: Config, cursor: int) -> Iterator[pa.RecordBatch]:
    """Documents from `cursor` on; raises InputError if the file cannot be opened."""
    file = split.files[0]
    constants = {"source": config.source, "snapshot": config.snapshot}
    entries = _entries(file, cursor >> _NUMBER_BITS, config.max_record_bytes)
    rows = (row for row in _rows(entries, file, config) if row[1] >= cursor)
    yield from batches(rows, _LAYOUT, constants, cursor=cursor)


def _entries(file: File, place: int, limit: int) -> Iterator[Entry]:
    name = file.name.lower()
    if name.endswith(_PARQUET):
        return parquet_records(file, place, limit)
    if name.endswith(_ARROW):
        return arrow_records(file, place, limit)
    name = next((name.removesuffix(end) for end in PACKED if name.endswith(end)), name)
    if name.endswith(".json"):
        return value_records(file, place, limit)
    return line_records(file, place, limit)


def _rows(entries: Iterator[Entry], file: File, config: Config) -> Iterator[Row]:
    roles = {**ROLES, **config.roles}
    for entry in entries:
        if entry.data is None:
            reason = TOO_LARGE if entry.too_large else DAMAGED_INPUT
            yield _row(entry, (file.name, 0), _About(entry.size, reason, entry.digest))
            continue
        number = 0
        seen: Counter[str] = Counter()
        try:
            for talk in read_talks(_renamed(entry.data, config.fields), config.form, roles, config.max_record_bytes):
                about = _About(entry.size, None, entry.digest)
                if talk.key:  # one of several
                    size = sum(len((message["content"] or "").encode()) for message in talk.messages)
                    about = _About(
                        size, None, digest16(talk.root.encode()), _number(f"{talk.key}{seen[talk.key] or ''}")
                    )
                    seen[talk.key] += 1
                yield _row(entry, (file.name, number), about, talk)
                number += 1
        except Unfit as unfit:
            yield _row(entry, (file.name, number), _About(entry.size, unfit.reason, entry.digest))


def _renamed(record: dict[str, Any], fields: dict[str, str]) -> dict[str, Any]:
    given = {ours: record[theirs] for ours, theirs in fields.items() if theirs in record}
    return {**{name: value for name, value in record.items() if name not in fields.values()}, **given}


class _About(NamedTuple):
    """Bytes, and what the id is made of."""

    size: int
    reason: str | None
    digest: bytes
    within: int | None = None  # of the record


def _number(key: str) -> int:
    """A number of 63 bits."""
    return int.from_bytes(digest16(key.encode())[:8]) >> 1


def _row(entry: Entry, place: tuple[str, int], about: _About, talk: Talk | None = None) -> Row:
    """A row without its constants. `place`: file, and number in the record."""
    file, number = place
    head = (entry.offset, entry.offset << _NUMBER_BITS | number, about.size, file, *about[1:])
    if talk is None:
        return (*head, None, None, None, None)
    own = {"own": talk.fields["as_read"]} if "as_read" in talk.fields else {}  # a field of the record by our name
    metadata = as_json({**talk.fields, "as_read": talk.origin | own})
    return (*head, talk.messages, talk.rejected, talk.tools, metadata)


STAGE = Source(
    name="read.conversations",
    version=3,
    config=Config,
    adds=ADDS,
    reasons=SAYS,
    libraries=("pyarrow", "orjson"),
    splits=splits,
    read=read,
    transient=("messages", "rejected", "tools"),
    seeks=("jsonl", "ndjson", "json"),
)
