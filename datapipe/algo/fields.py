"""Which fields of a user's record become which columns; shared by the sources that read records and tables.

A field that has no column is kept in `metadata`, so that nothing the user gave is lost without a word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
from pydantic import field_validator

from datapipe.algo.inputs import DAMAGED_INPUT, ROW_HEAD, batches, nearest_name
from datapipe.errors import InputError
from datapipe.schema import COLUMNS
from datapipe.stage import File, Size, SourceConfig, measure, schema

NO_TEXT = "no_text"
NO_TEXT_SAYS = "the record has no text, or text that is not a string"
RECORD_TOO_LARGE = "record_too_large"
RECORD_TOO_LARGE_SAYS = "the record has more bytes than max_record_bytes"
FIELDS = ("text", "url", "title", "author", "date", "language", "kind")
EMBEDDING = "embedding"
ONLY_NAMED = ("id", EMBEDDING)  # columns that a document has only where the user names a field for them
_LONG_NUMBER = re.compile(rb"[:,\[\s]-?[0-9]{19,}\s*[,}\]]")  # orjson rounds whole numbers over 64 bits to floats
_NAME = re.compile(r"[^\W\d][\w.:/-]{0,39}( [\w.:/-]{1,20}){0,3}")  # without @, and not beginning with a digit
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
            if name not in (*FIELDS, *ONLY_NAMED):
                near = nearest_name(name, (*FIELDS, *ONLY_NAMED))
                known = ", ".join((*ONLY_NAMED, *FIELDS))
                raise ValueError(f"{name!r} is none of {known}" + (f"; {near}?" if near else ""))
        return value


class RecordConfig(TableConfig):
    """The same for records that are read one by one."""

    max_record_bytes: Size = measure(64 << 20, "bytes of a record; more: record_too_large", gt=0)


class Entry(NamedTuple):
    """A record as read: its place, its bytes' size and digest, and its fields; None where it could not be read.

    A damaged place has a size of 0; `too_large` is said of a record over the limit.
    """

    offset: int
    size: int
    digest: bytes
    data: dict[str, Any] | None
    too_large: bool = False


def field_of(config: TableConfig) -> dict[str, str]:
    """The input's field for each of our columns, and for those of ONLY_NAMED that the user names one for."""
    return {name: config.columns.get(name, name) for name in FIELDS} | {
        name: field for name, field in config.columns.items() if name in ONLY_NAMED
    }


def adds(config: TableConfig) -> pa.Schema:
    """Columns of a table source."""
    own = (EMBEDDING,) if EMBEDDING in config.columns else ()
    names = (*FIELDS, *own, *(("metadata",) if config.metadata else ()))
    return schema(**{name: COLUMNS[name] for name in (*names, "source", "snapshot")})


def batch_schema(config: TableConfig) -> pa.Schema:
    """Place, then columns; the two constants come last."""
    head = [field for field in ROW_HEAD if field.name != "digest" or "id" not in config.columns]
    own = [pa.field("id", pa.string())] if "id" in config.columns else []
    return pa.schema([*head, *own, *adds(config)])


def substitute_id(file: str, record: int) -> str:
    """Id of a record whose own cannot be had, where the other documents bring theirs."""
    return f"{file}@{record}"


def shown_names(names: Iterable[str]) -> str:
    """Names of columns for an error; of names that look like values, as of a table without a header, only how many."""
    names = list(names)
    if all(_NAME.fullmatch(name) for name in names):
        return ", ".join(names) or "none"
    return f"{len(names)} columns whose names look like values (is there no header?)"


def check_fields(given: list[str], file: File, config: TableConfig) -> None:
    """Raise InputError if a table lacks the field of `text` or one that the user names, or has two of one name."""
    fields = field_of(config)
    known = frozenset(fields.values())
    twice = [name for name in given if given.count(name) > 1 and (config.metadata or name in known)]
    if twice:
        raise InputError(
            f"{file.path}: two columns are named {shown_names(twice[:1])}", remedy="give each its own name"
        )
    named = {"text": fields["text"], **{name: fields[name] for name in config.columns}}
    for name, field in named.items():
        if field not in given:
            near = nearest_name(field, given)
            raise InputError(
                f"{file.path}: no column {field!r} for {name}; it has {shown_names(given)}",
                remedy=f"set columns: {{{name}: {near or '...'}}}",
            )


def documents(
    entries: Iterable[Entry], file: File, config: TableConfig, *, cursor: int = 0
) -> Iterator[pa.RecordBatch]:
    """Batches of documents, with the place of each record as `record` and `cursor`."""
    constants = {"source": config.source, "snapshot": config.snapshot}
    yield from batches(_rows(entries, file, config), batch_schema(config), constants, cursor=cursor)


def _rows(entries: Iterable[Entry], file: File, config: TableConfig) -> Iterator[tuple[Any, ...]]:
    fields = field_of(config)
    known = frozenset(fields.values())
    empty = (None,) * (len(fields) - ("id" in fields) + config.metadata)
    for entry in entries:
        data, offset = entry.data, entry.offset
        own = as_string(data.get(fields["id"])) if data and "id" in fields else None
        identity: str | bytes = entry.digest
        if "id" in fields:
            identity = own or substitute_id(file.name, offset)
        if data is None or ("id" in fields and not own):
            reason = RECORD_TOO_LARGE if entry.too_large else DAMAGED_INPUT
            yield offset, offset, entry.size, file.name, reason, identity, *empty
            continue
        text = data.get(fields["text"])
        values: list[Any] = [
            as_vector(data.get(field)) if name == EMBEDDING else as_string(data.get(field))
            for name, field in fields.items()
            if name not in ("id", "text")
        ]
        if config.metadata:
            rest = {name: value for name, value in data.items() if name not in known}
            values.append(as_json(rest) if rest else None)
        fine = isinstance(text, str)
        place = (offset, offset, entry.size, file.name, None if fine else NO_TEXT, identity)
        yield *place, text if fine else None, *values


def as_string(value: Any) -> str | None:
    """A field's value as a string: numbers and dates as JSON writes them, lists and objects as JSON."""
    if value is None or isinstance(value, str):
        return value
    written = as_json(value)
    return str(orjson.loads(written)) if written.startswith('"') else written


def as_vector(value: Any) -> list[float] | None:
    """A list of numbers, also one that is written as JSON in a string; null for anything else."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
    if not isinstance(value, list) or any(type(number) not in {int, float} for number in value):
        return None
    try:
        return [float(number) for number in value]
    except OverflowError:  # a whole number of hundreds of digits
        return None


def is_vectors(kind: pa.DataType) -> bool:
    """Whether a type is that of lists of numbers."""
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        return False
    return pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)


def as_json(value: Any) -> str:
    """JSON without spaces; what JSON does not know, such as dates, as strings."""
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS
    try:
        return orjson.dumps(value, default=_foreign, option=options).decode()
    except TypeError:  # integers over 64 bits, or nested deeper than orjson goes
        return _deep_json(value)


def _deep_json(value: Any) -> str:
    try:
        return json.dumps(value, default=_foreign, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return '"nested too deeply"'  # of a field that no column asks for; the document stays


def _foreign(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def parse(line: bytes) -> dict[str, Any] | None:
    """A JSON object, or None. NaN, which Python writes, is taken; lone surrogates become U+FFFD."""
    try:
        value = _parse_leniently(line) if _LONG_NUMBER.search(line) else orjson.loads(line)
    except orjson.JSONDecodeError:
        value = _parse_leniently(line)
    return value if isinstance(value, dict) else None


def _parse_leniently(line: bytes) -> Any:
    try:
        value = json.loads(line.decode("utf-8"))
        return json.loads(_SURROGATES.sub("\ufffd", json.dumps(value, ensure_ascii=False)))
    except (ValueError, RecursionError):
        return None
