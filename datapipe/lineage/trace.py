"""From a token of a packed sequence back to the document that it is of, and to the token's text.

The one reader of what `write.packed` wrote: the index beside the packed files, and of them the one sequence; the
tokenizer that lies there, where its package is installed. Costs: reading a row group of the index.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datapipe.algo.chance import Chance
from datapipe.corpus.store import Store
from datapipe.errors import CorruptData, InputError

__all__ = ["NO_LOSS", "Packed", "Sequence", "Stretch", "open_packed", "sequence_of"]

NO_LOSS = -100
BEFORE, BEHIND = 12, 12  # tokens shown around one
ANEW = "delete it, and let a run write it anew: datapipe run"


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
    """A packed sequence: its tokens, which of them carry loss (bools), its weight, and the documents they are of."""

    number: int
    file: str
    tokens: Any
    trained: Any
    weights: Any
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


@dataclass(frozen=True)
class Packed:
    """A folder of packed sequences, open for reading."""

    store: Store
    manifest: dict[str, Any]
    tokenizer: Any  # None where there is none, or its package is missing

    @property
    def length(self) -> int:
        """Tokens that a sequence can hold."""
        return int(self.manifest["length"])

    @property
    def sequences(self) -> int:
        """How many there are, in all files."""
        return sum(each["sequences"] for each in self.manifest["files"])

    def sequence(self, number: int) -> Sequence:
        """One by its number, from 0 through all files. Raises InputError if there is none, CorruptData if damaged."""
        before = 0
        for each in self.manifest["files"]:
            if 0 <= number - before < each["sequences"]:
                return self._read(each["name"], number, number - before)
            before += each["sequences"]
        raise InputError(f"{self.store.url} has no sequence {number}", remedy=f"it has {before:,}, counted from 0")

    def drawn(self, number: int, seed: int) -> list[int]:
        """Numbers of some sequences, in order: all that there are, or as many as asked for, by chance."""
        chance = Chance(seed)
        found: set[int] = set()
        while len(found) < min(number, self.sequences):
            found.add(chance.below(self.sequences))
        return sorted(found)

    def _read(self, name: str, number: int, own: int) -> Sequence:
        index = f"index/{name.removesuffix('.arrow')}.parquet"
        for each in (name, index):
            if not self.store.exists(each):
                raise CorruptData(f"{self.store.path(each)} is missing", remedy="let a run write it anew: datapipe run")
        with _whole(self.store.path(index)):
            rows = pq.read_table(io.BytesIO(self.store.read(index)), filters=[("sequence", "=", own)]).to_pylist()
            stretches = tuple(Stretch(**{field: row[field] for field in Stretch.__dataclass_fields__}) for row in rows)
        with _whole(self.store.path(name)), self._opened(name) as file:
            reader: Any = pa.ipc.open_stream(file)
            batch, at = next(reader), own
            while at >= len(batch):
                at -= len(batch)
                batch = next(reader)
            tokens, labels = (np.array(batch[column][at].values, np.int32) for column in ("input_ids", "labels"))
            trained = labels != NO_LOSS
            if stretches[-1].stop != len(tokens) or len(labels) != len(tokens):
                raise pa.ArrowInvalid("its index is of other sequences")
            weighted = "loss_weights" in batch.schema.names
            weights = np.array(batch["loss_weights"][at].values) if weighted else trained.astype(np.float32)
        return Sequence(number, name, tokens, trained, weights, stretches, self.tokenizer)

    def _opened(self, name: str) -> Any:
        """A file: mapped where it lies on a disk, so that what stands before a sequence is not read."""
        return pa.memory_map(self.store.path(name)) if self.store.local else self.store.open(name)


def open_packed(folder: str) -> Packed:
    """The folder that `write.packed` wrote. Raises InputError if it is none, CorruptData if it is damaged."""
    store = Store(folder)
    if not store.exists("manifest.json"):
        raise InputError(
            f"{folder} holds no packed sequences", remedy="name the folder that `write.packed` wrote: RUN/STAGE"
        )
    if not store.exists("state.json"):
        raise InputError(f"the sequences of {folder} are not all written", remedy="let the run end: datapipe run")
    with _whole(store.path("manifest.json")):
        manifest = json.loads(store.read("manifest.json"))
        packed = Packed(store, manifest, _tokenizer(store))
        if packed.length < 1 or packed.sequences < 0:
            raise ValueError("no manifest of sequences")
    return packed


def sequence_of(folder: str, number: int) -> Sequence:
    """A sequence of a packed folder by its number, from 0 through all files. Raises as `Packed.sequence` does."""
    return open_packed(folder).sequence(number)


@contextmanager
def _whole(path: str) -> Iterator[None]:
    """Raises CorruptData for what a file of packed sequences that is cut off or changed leads to."""
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except (pa.ArrowException, OSError, StopIteration, ValueError, LookupError, TypeError):
        raise CorruptData(f"{path} is damaged", remedy=ANEW) from None


def _tokenizer(store: Store) -> Any:
    if not store.exists("tokenizer/tokenizer.json"):
        return None
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415 - not everyone who packs has it
    except ImportError:
        return None
    try:
        return Tokenizer.from_str(store.read("tokenizer/tokenizer.json").decode())
    except Exception:  # noqa: BLE001 - the package raises Exception itself
        raise CorruptData(f"{store.path('tokenizer/tokenizer.json')} is damaged", remedy=ANEW) from None
