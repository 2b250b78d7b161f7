"""Which fields of a user's record become which columns; shared by the sources that read tables.

A field that has no column is kept in `metadata`, so that nothing the user gave is lost without a word.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson
import pyarrow as pa
from pydantic import field_validator

from datapipe.algo.inputs import nearest_name
from datapipe.schema import COLUMNS
from datapipe.stage import SourceConfig, measure, schema

NO_TEXT = "no_text"
NO_TEXT_SAYS = "the record has no text, or text that is not a string"
DAMAGED_INPUT = "damaged_input"
FIELDS = ("text", "url", "title", "author", "date", "language", "kind")
_SURROGATES = re.compile("[\ud800-\udfff]")


class TableConfig(SourceConfig):
    """Which field is which column."""

    columns: dict[str, str] = measure(
        {}, "our column: field of the input, such as {text: body, id: key}; a column not named is its own field"
    )
    metadata: bool = measure(True, "whether fields without a column are kept as one JSON object")

    @field_validator("columns")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name not in (*FIELDS, "id"):
                near = nearest_name(name, (*FIELDS, "id"))
                raise ValueError(f"{name!r} is none of id, {', '.join(FIELDS)}" + (f"; {near}?" if near else ""))
        return value


def field_of(config: TableConfig) -> dict[str, str]:
    """The input's field for each of our columns, and for `id` where the user names one."""
    return {name: config.columns.get(name, name) for name in FIELDS} | {
        name: field for name, field in config.columns.items() if name == "id"
    }


def adds(config: TableConfig) -> pa.Schema:
    """Columns of a table source."""
    names = (*FIELDS, "metadata") if config.metadata else FIELDS
    return schema(**{name: COLUMNS[name] for name in (*names, "source", "snapshot")})


def batch_schema(config: TableConfig) -> pa.Schema:
    """Place, then columns; the two constants come last."""
    named = {"id": pa.string()} if "id" in config.columns else {"digest": pa.binary(16)}
    whole = pa.int64()
    place = schema(record=whole, cursor=whole, bytes=whole, file=pa.string(), reason=pa.string(), **named)
    return pa.schema([*place, *adds(config)])


def substitute_id(file: str, record: int) -> str:
    """Id of a record whose own cannot be had, where the other documents bring theirs."""
    return f"{file}@{record}"


def as_string(value: Any) -> str | None:
    """A field's value as a string: numbers as written, lists and objects as JSON."""
    if value is None or isinstance(value, str):
        return value
    return as_json(value)


def as_json(value: Any) -> str:
    """JSON without spaces; what JSON does not know, such as dates, as strings."""
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS
    try:
        return orjson.dumps(value, default=_foreign, option=options).decode()
    except TypeError:  # integers over 64 bits
        return json.dumps(value, default=_foreign, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _foreign(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def parse(line: bytes) -> dict[str, Any] | None:
    """A JSON object, or None. NaN, which Python writes, is taken; lone surrogates become U+FFFD."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        value = _parse_leniently(line)
    return value if isinstance(value, dict) else None


def _parse_leniently(line: bytes) -> Any:
    try:
        value = json.loads(line.decode("utf-8"))
        return json.loads(_SURROGATES.sub("\ufffd", json.dumps(value, ensure_ascii=False)))
    except (ValueError, RecursionError):
        return None
