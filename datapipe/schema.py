"""Columns that every stage knows by the same bare name, with their types.

All other columns are named `<stage name in the recipe>.<measure>`; the framework adds the prefix.
Costs nothing: plain declarations.
"""

from __future__ import annotations

import pyarrow as pa

__all__ = [
    "CODES",
    "COLUMNS",
    "CONTENT",
    "EXPORTED",
    "FRAMEWORK_REASONS",
    "MESSAGE",
    "PIECE",
    "PLACE",
    "POSITION",
    "SPAN_OF_LOSS",
    "TOOL_CALL",
    "qualified",
]

# A call of a tool by the assistant; its arguments are JSON.
TOOL_CALL = pa.struct(
    [pa.field("id", pa.string()), pa.field("name", pa.string()), pa.field("arguments", pa.large_string())]
)

# One message of a conversation. `train` and `weight` say whether its tokens carry loss; null: as its role has it.
MESSAGE = pa.struct(
    [
        pa.field("role", pa.string()),
        pa.field("content", pa.large_string()),
        pa.field("reasoning", pa.large_string()),  # what the assistant thought before it answered
        pa.field("tool_calls", pa.large_list(TOOL_CALL)),
        pa.field("tool_call_id", pa.string()),  # of a tool's result: which call it answers
        pa.field("name", pa.string()),  # of the speaker, or of the tool that gives a result
        pa.field("train", pa.bool_()),
        pa.field("weight", pa.float32()),
        pa.field("reasoning_train", pa.bool_()),  # false: of a trained turn the reasoning carries no loss
    ]
)

# Tokens [start, end) of a document that carry loss, with what weight; those between spans carry none.
SPAN_OF_LOSS = pa.struct([pa.field("start", pa.int32()), pa.field("end", pa.int32()), pa.field("weight", pa.float32())])

# A place in the order of a mixture, of 2**64, and the part of the mixture that it is in.
POSITION = pa.struct([pa.field("part", pa.int32()), pa.field("position", pa.uint64())])

# Tokens [start, end) of a document and the place of the first in a packed sequence, whose key is its place in order.
PIECE = pa.struct(
    [
        pa.field("sequence", pa.uint64()),
        pa.field("offset", pa.int32()),
        pa.field("start", pa.int32()),
        pa.field("end", pa.int32()),
    ]
)

# Where a document comes from; written by the framework into every base shard.
PLACE: dict[str, pa.DataType] = {
    "id": pa.string(),  # never changes; 32 hex digits, or the user's own
    "file": pa.string(),  # input file, relative to the input root
    "record": pa.int64(),  # position of the record in its file, from 0
    "cursor": pa.int64(),  # where `Source.read` resumes to meet this record first
    "bytes": pa.int64(),  # size of the document as read
}

COLUMNS: dict[str, pa.DataType] = {
    **PLACE,
    "parent_row": pa.uint32(),  # of an expanded document: its parent's row in the parent shard
    "url": pa.string(),
    "source": pa.string(),
    "snapshot": pa.string(),
    "content_type": pa.string(),  # as the server sent it, with its charset parameter
    "robots": pa.string(),  # what the server said of the page's use: lines `name: value` of its header fields
    "fetched": pa.string(),  # when the page was fetched, ISO 8601
    "html": pa.large_binary(),
    "text": pa.large_string(),
    "title": pa.string(),
    "author": pa.string(),
    "date": pa.string(),  # when the text was published, ISO 8601
    "language": pa.string(),  # ISO 639-1 where one exists
    "kind": pa.string(),  # what the document is: prose, code, chat, ...
    "split": pa.string(),  # which part of a corpus the document is in, such as train or test
    "metadata": pa.large_string(),  # fields that have no column of their own, as one JSON object
    "messages": pa.large_list(MESSAGE),
    "rejected": pa.large_list(MESSAGE),  # of a preference: what the last turns of `messages` were preferred to
    "tools": pa.large_string(),  # what the assistant may call, as one JSON array of definitions
    "tokens": pa.large_list(pa.int32()),
    "loss": pa.large_list(SPAN_OF_LOSS),  # null: every token carries loss 1
    "token_count": pa.int32(),
    "trained_count": pa.int32(),  # of the tokens, those that carry loss
    "positions": pa.list_(POSITION),  # where a mixture puts each copy of a document
    "segments": pa.large_list(PIECE),  # where packing put the document's tokens
    "embedding": pa.large_list(pa.float32()),  # of the document, by a model of the user's
}

# Columns that hold the documents themselves; never handed to `decide`, read only where declared.
CONTENT = frozenset({"html", "text", "messages", "rejected", "tokens", "loss", "segments", "embedding"})

# Columns of strings that hold no text of documents: ids, dates, names and words of short lists.
CODES = frozenset({"id", "source", "snapshot", "content_type", "fetched", "date", "language", "kind", "split"})

# What a file for others holds when nobody says otherwise, in this order: all that means something outside a run.
_WITHIN = frozenset({"html", "robots", "record", "cursor", "bytes", "parent_row"})
_WITHIN |= {"embedding", "loss", "positions", "segments"}
_FIRST = ("id", "url", "text", "title", "date", "language", "source", "file")
EXPORTED = tuple(name for name in dict.fromkeys((*_FIRST, *COLUMNS)) if name not in _WITHIN)

# Reasons that the framework itself gives; every stage may meet them.
FRAMEWORK_REASONS: dict[str, str] = {
    "damaged_input": "the record could not be read",
    "not_sampled": "outside the sample that the source asks for",
    "crashed": "the stage broke down on this document",
    "timed_out": "the stage did not finish this document within its limit of CPU time",
    "too_big": "the stage needed more memory for this document than its limit",
    "suppressed": "on the run's suppression list",
    "removed": "taken out on request",
}


def qualified(column: str, stage: str) -> str:
    """Full name of a stage's own column: bare if the schema knows it, else `stage.column`."""
    return column if column in COLUMNS else f"{stage}.{column}"
