"""The texts of a document: its `text`, or the contents of its messages where it is a conversation.

A stage on text is written once and works on both: it measures pieces, and says how the measures of a
document's pieces combine. Costs one look at offsets; texts are not copied unless a batch mixes both kinds.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datapipe.schema import COLUMNS, MESSAGE
from datapipe.text.buffers import view_bytes
from datapipe.text.cache import carry

Combine = Literal["sum", "max", "min", "weighted"]


@dataclass(frozen=True)
class Pieces:
    """All texts of a batch, in order of document and message.

    `document` (int64) is the row of the batch that a text belongs to; `message` (int64) is its place in the
    conversation, -1 for a document's own text; `role` is null there.
    """

    texts: pa.LargeStringArray
    document: npt.NDArray[np.int64]
    message: npt.NDArray[np.int64]
    role: pa.StringArray

    def combine(self, values: npt.NDArray[Any], rows: int, how: Combine) -> npt.NDArray[np.float64]:
        """One value a document out of one a piece; NaN for a document without pieces.

        `weighted` is the mean, weighted by the length of the pieces in bytes.
        """
        found = np.full(rows, np.nan)
        if len(self.document) == 0:
            return found
        starts = np.flatnonzero(np.r_[True, np.diff(self.document) > 0])
        numbers = values.astype(np.float64)
        if how == "weighted":
            sizes = _sizes(self.texts)
            total = np.add.reduceat(sizes, starts)
            mean = np.add.reduceat(numbers * sizes, starts) / np.where(total > 0, total, 1)
            found[self.document[starts]] = np.where(total > 0, mean, np.nan)
        else:
            reduce = {"sum": np.add, "max": np.maximum, "min": np.minimum}[how]
            found[self.document[starts]] = reduce.reduceat(numbers, starts)
        return found


def pieces(batch: pa.RecordBatch) -> Pieces:
    """The texts of a batch with a column `text`, `messages`, or both; messages win where a document has both.

    Null texts and documents without messages give no piece.
    """
    rows = len(batch)
    own = _own_texts(batch, rows)
    talks: Any = batch.column("messages") if "messages" in batch.schema.names else None
    if talks is None or talks.null_count == rows:  # the texts as they lie share their segmentation; a copy would not
        return _of_texts(own, np.ones(rows, np.bool_))
    talking = talks.is_valid().to_numpy(zero_copy_only=False)
    flat = talks.flatten()
    contents = flat.field("content").cast(pa.large_string())
    counts = np.where(talking, np.diff(talks.offsets.to_numpy()), 0)
    document = np.repeat(np.arange(rows), counts)
    message = np.arange(len(document)) - np.repeat(np.cumsum(counts) - counts, counts)
    said = contents.is_valid().to_numpy(zero_copy_only=False)
    spoken = Pieces(
        contents.filter(pa.array(said)), document[said], message[said], flat.field("role").filter(pa.array(said))
    )
    return spoken if talking.all() else _merged(spoken, _of_texts(own, ~talking))


def replace_pieces(batch: pa.RecordBatch, found: Pieces, texts: pa.LargeStringArray) -> pa.RecordBatch:
    """The batch with new texts in the places of its pieces."""
    if len(texts) != len(found.texts):
        raise ValueError(f"{len(texts)} texts for {len(found.texts)} pieces")
    inside = found.message >= 0
    changed = batch
    if "text" in batch.schema.names:
        at = _places(found.document[~inside], np.flatnonzero(~inside), len(batch))
        new = _taken(texts, at)
        kept = batch.column("text").cast(pa.large_string())
        changed = _with(changed, "text", _choose(at >= 0, new, kept))
    if "messages" in batch.schema.names and inside.any():
        changed = _with(changed, "messages", _replaced_messages(batch, found, texts, inside))
    return changed


def _own_texts(batch: pa.RecordBatch, rows: int) -> pa.LargeStringArray:
    if "text" in batch.schema.names:
        texts: Any = batch.column("text")
        own: pa.LargeStringArray = texts.cast(pa.large_string())
        return own
    return pa.nulls(rows, pa.large_string())


def _of_texts(texts: pa.LargeStringArray, wanted: npt.NDArray[np.bool_]) -> Pieces:
    has = wanted & texts.is_valid().to_numpy(zero_copy_only=False)
    document = np.flatnonzero(has)
    if has.all():
        mine = texts
    else:
        mine = _taken(texts, document)
        carry(texts, mine, document)
    return Pieces(mine, document, np.full(len(document), -1), pa.nulls(len(document), pa.string()))


def _merged(one: Pieces, other: Pieces) -> Pieces:
    document = np.concatenate([one.document, other.document])
    order = np.argsort(document, kind="stable")
    return Pieces(
        _taken(pa.concat_arrays([one.texts, other.texts]), order),
        document[order],
        np.concatenate([one.message, other.message])[order],
        _taken(pa.concat_arrays([one.role, other.role]), order),
    )


def _replaced_messages(batch: pa.RecordBatch, found: Pieces, texts: Any, inside: npt.NDArray[np.bool_]) -> Any:
    talks: Any = batch.column("messages")
    counts = np.where(talks.is_valid().to_numpy(zero_copy_only=False), np.diff(talks.offsets.to_numpy()), 0)
    flat = talks.flatten()
    first = np.cumsum(counts) - counts
    at = _places(first[found.document[inside]] + found.message[inside], np.flatnonzero(inside), len(flat))
    content = _choose(at >= 0, _taken(texts, at), flat.field("content").cast(pa.large_string()))
    fields = [content if field.name == "content" else flat.field(field.name) for field in MESSAGE]
    rebuilt = pa.StructArray.from_arrays(fields, fields=list(MESSAGE))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return pa.LargeListArray.from_arrays(pa.array(offsets), rebuilt, type=COLUMNS["messages"], mask=talks.is_null())


def _places(slots: npt.NDArray[Any], values: npt.NDArray[Any], size: int) -> npt.NDArray[np.int64]:
    at = np.full(size, -1, np.int64)
    at[slots] = values
    return at


def _choose(mask: npt.NDArray[np.bool_], first: Any, second: Any) -> Any:
    at = np.where(mask, np.arange(len(mask)), np.arange(len(mask)) + len(mask))
    return _taken(pa.concat_arrays([first, second]), at)


def _taken(values: Any, at: npt.NDArray[np.int64]) -> Any:
    """Values at some places, null where the place is below 0."""
    return values.take(pa.array(at, mask=at < 0))


def _with(batch: pa.RecordBatch, name: str, values: Any) -> pa.RecordBatch:
    return batch.set_column(batch.schema.names.index(name), pa.field(name, values.type), values)


def _sizes(texts: pa.LargeStringArray) -> npt.NDArray[np.float64]:
    view = view_bytes(texts)
    return (view.ends - view.starts).astype(np.float64)
