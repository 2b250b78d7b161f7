"""From a token of a packed sequence back to the document that it is of, and to the token's text.

Reads the index beside the packed files, and of them the one sequence; the tokenizer that lies there, where its package
is installed. Costs: reading a row group of the index.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datapipe.corpus.store import Store
from datapipe.errors import InputError

__all__ = ["NO_LOSS", "Sequence", "Stretch", "sequence_of"]

NO_LOSS = -100
BEFORE, BEHIND = 12, 12  # tokens shown around one


@dataclass(frozen=True)
class Stretch:
    """Tokens of a sequence, from `offset` on, that are tokens [start, end) of one document."""

    offset: int
    id: str
    source: str | None
    start: int
    end: int

    @property
    def stop(self) -> int:
        """The first token of the sequence behind it."""
        return self.offset + self.end - self.start


@dataclass(frozen=True)
class Sequence:
    """A packed sequence: its tokens, which of them carry loss (bools), and the documents that they are of."""

    number: int
    file: str
    tokens: Any
    trained: Any
    stretches: tuple[Stretch, ...]
    tokenizer: Any  # None where there is none, or its package is missing

    def stretch_at(self, token: int) -> Stretch:
        """The document that a token is of."""
        if not 0 <= token < len(self.tokens):
            raise InputError(
                f"sequence {self.number} has no token {token}", remedy=f"it has {len(self.tokens)}, counted from 0"
            )
        return next(each for each in self.stretches if each.offset <= token < each.stop)

    def text(self, first: int, stop: int) -> str | None:
        """Some tokens as text; None without a tokenizer."""
        if self.tokenizer is None:
            return None
        text: str = self.tokenizer.decode(self.tokens[max(0, first) : stop].tolist(), skip_special_tokens=False)
        return text

    def around(self, token: int) -> tuple[str, str, str] | None:
        """A token's text, and some of its document's before and behind it."""
        stretch = self.stretch_at(token)
        first, stop = max(stretch.offset, token - BEFORE), min(stretch.stop, token + 1 + BEHIND)
        parts = [self.text(a, b) for a, b in ((first, token), (token, token + 1), (token + 1, stop))]
        return None if parts[0] is None else (parts[0], parts[1] or "", parts[2] or "")


def sequence_of(folder: str, number: int) -> Sequence:
    """A sequence of a packed folder by its number, from 0 through all files. Raises InputError if there is none."""
    store = Store(folder)
    if not store.exists("manifest.json"):
        raise InputError(
            f"{folder} holds no packed sequences", remedy="name the folder that `write.packed` wrote: RUN/STAGE"
        )
    manifest = json.loads(store.read("manifest.json"))
    before = 0
    for each in manifest["files"]:
        if 0 <= number - before < each["sequences"]:
            return _read(store, each["name"], number, number - before)
        before += each["sequences"]
    raise InputError(f"{folder} has no sequence {number}", remedy=f"it has {before:,}, counted from 0")


def _read(store: Store, name: str, number: int, own: int) -> Sequence:
    index = f"index/{name.removesuffix('.arrow')}.parquet"
    rows = pq.read_table(io.BytesIO(store.read(index)), filters=[("sequence", "=", own)]).to_pylist()
    stretches = tuple(Stretch(**{field: row[field] for field in Stretch.__dataclass_fields__}) for row in rows)
    with store.open(name) as opened:
        file: Any = opened
        reader: Any = pa.ipc.open_stream(file)
        batch, at = next(reader), own
        while at >= len(batch):
            at -= len(batch)
            batch = next(reader)
    tokens, labels = (np.array(batch[column][at].as_py(), np.int32) for column in ("input_ids", "labels"))
    return Sequence(number, name, tokens, labels != NO_LOSS, stretches, _tokenizer(store))


def _tokenizer(store: Store) -> Any:
    if not store.exists("tokenizer/tokenizer.json"):
        return None
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415 - not everyone who packs has it
    except ImportError:
        return None
    return Tokenizer.from_str(store.read("tokenizer/tokenizer.json").decode())
