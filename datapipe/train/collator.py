"""Sequences of a packed folder as the tensors of one step.

What: input_ids, labels, position_ids that start again with each document, loss weights, sources, and what keeps
documents apart: for `varlen` one row of all sequences and cumulative lengths; for `sdpa` and `eager` a row a sequence,
from whose position_ids transformers makes the mask. There is never an attention_mask: with one, transformers does not
look for documents. Why rows: a mask of all sequences in one row would be batch² times as large.
A first token of a document is never a target, whatever its label says: what is before it is of another document.
Costs: a copy of the tokens; shapes stay the same from step to step, so that a compiled model is compiled once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from datapipe.errors import CorruptData
from datapipe.train.marks import NO_LOSS

__all__ = ["NOT_FOR_THE_MODEL", "Collator", "model_inputs", "padded"]

Ints = npt.NDArray[np.int64]
Batch = dict[str, Any]
# What a batch holds beside the model's arguments.
NOT_FOR_THE_MODEL = ("labels", "loss_weights", "sources", "indices", "documents")
PAD = 0  # any token does: padding is a document of its own and carries no loss
NO_SOURCE = -1
FEWEST_TOKENS = 64  # of a document, in the mean of a batch, below which its cumulative lengths take more room


def model_inputs(batch: Batch) -> Batch:
    """The part of a batch that is the model's; labels are not in it, the loss is computed outside."""
    return {name: value for name, value in batch.items() if name not in NOT_FOR_THE_MODEL}


class Collator:
    """Makes a batch of the items that `PackedDataset` gives.

    Tensors are [1, B × T] for `varlen`, [B, T] else; T is `length`, or with `fixed_size=False` what the batch needs.
    `input_ids`, `labels`, `position_ids` (int64), `loss_weights` (float32, 0 where no loss), `indices` (int64 [B]),
    `documents` (how many there are). With `source_numbers`, a function from sequence to the sources of its documents,
    `sources` (int64, -1 at padding). For `varlen` also `cu_seq_lens_q`, `cu_seq_lens_k` (int32), padded with empty
    documents to a power of two, and `max_length_q`, `max_length_k` (int, a power of two).
    Raises CorruptData if a sequence is longer than `length`.
    """

    def __init__(
        self,
        length: int,
        *,
        fixed_size: bool = True,
        attention: Literal["varlen", "sdpa", "eager"] = "sdpa",
        source_numbers: Callable[[int], Ints] | None = None,
    ) -> None:
        self.length, self.fixed_size, self.attention = length, fixed_size, attention
        self.source_numbers = source_numbers

    def __call__(self, items: list[dict[str, Any]]) -> Batch:
        """The batch of some items."""
        width = self.length if self.fixed_size else max(1, *(len(item["input_ids"]) for item in items))
        rows = _Rows(len(items), width)
        for row, item in enumerate(items):
            sources = None if self.source_numbers is None else self.source_numbers(item["index"])
            rows.put(row, item, sources)
        made = rows.tensors()
        if self.source_numbers is None:
            del made["sources"]
        if self.attention == "varlen":
            made = {name: value.reshape(1, -1) for name, value in made.items()} | _cumulative(rows)
        indices = torch.tensor([item["index"] for item in items])
        documents = sum(len(item["seq_lengths"]) for item in items)
        return made | {"indices": indices, "documents": documents}


class _Rows:
    """Rows of one width, filled one by one; the rest of each is padding, a document of its own."""

    def __init__(self, count: int, width: int) -> None:
        self.width = width
        self.tokens: Ints = np.full((count, width), PAD)
        self.labels: Ints = np.full((count, width), NO_LOSS)
        self.positions: Ints = np.empty((count, width), np.int64)
        self.sources: Ints = np.full((count, width), NO_SOURCE)
        self.weights: npt.NDArray[np.float32] = np.zeros((count, width), np.float32)
        self.lengths: list[Ints] = []

    def put(self, row: int, item: dict[str, Any], sources: Ints | None) -> None:
        """Fill a row with a sequence."""
        size, lengths = len(item["input_ids"]), item["seq_lengths"]
        if size > self.width:
            raise CorruptData(
                f"sequence {item['index']} has {size} tokens, more than the {self.width} of a row",
                remedy="set the training plan's length to that of the packed folder",
            )
        self.tokens[row, :size] = item["input_ids"]
        labels = self.labels[row, :size]
        labels[:] = item["labels"]
        starts = np.cumsum(lengths) - lengths
        labels[starts[lengths > 0]] = NO_LOSS
        carries = labels != NO_LOSS
        self.weights[row, :size] = carries if item["loss_weights"] is None else item["loss_weights"] * carries
        if sources is not None:
            self.sources[row, :size] = np.repeat(sources, lengths)
        if size < self.width:
            lengths, starts = np.append(lengths, self.width - size), np.append(starts, size)
        self.positions[row] = np.arange(self.width) - np.repeat(starts, lengths)
        self.lengths.append(lengths)

    def tensors(self) -> Batch:
        """[B, T] each."""
        return {
            "input_ids": torch.from_numpy(self.tokens),
            "labels": torch.from_numpy(self.labels),
            "position_ids": torch.from_numpy(self.positions),
            "loss_weights": torch.from_numpy(self.weights),
            "sources": torch.from_numpy(self.sources),
        }


def _cumulative(rows: _Rows) -> Batch:
    """Cumulative lengths of all documents of a batch, padding included, in few different sizes."""
    lengths = np.concatenate(rows.lengths)
    total = rows.tokens.size
    size = _power(max(len(lengths) + 1, total // FEWEST_TOKENS))
    bounds = np.full(size, total, np.int32)
    bounds[0] = 0
    bounds[1 : len(lengths) + 1] = np.cumsum(lengths)
    cumulative, longest = torch.from_numpy(bounds), _power(int(lengths.max()))
    return {
        "cu_seq_lens_q": cumulative,
        "cu_seq_lens_k": cumulative,
        "max_length_q": longest,
        "max_length_k": longest,
    }


def _power(number: int) -> int:
    """The power of two from `number` on."""
    return 1 << (number - 1).bit_length()


def padded(items: list[dict[str, Any]]) -> Batch:
    """The same documents a row each, padded to the longest, with an attention_mask: what packing is compared with.

    [D, L]: input_ids, labels, position_ids, attention_mask (int64), loss_weights (float32).
    """
    parts = [part for item in items for part in _documents(item)]
    rows = _Rows(len(parts), max(len(part["input_ids"]) for part in parts))
    for row, part in enumerate(parts):
        rows.put(row, part, None)
    made = rows.tensors()
    del made["sources"]
    lengths = torch.tensor([len(part["input_ids"]) for part in parts])
    mask = torch.arange(rows.width)[None, :] < lengths[:, None]
    return made | {"attention_mask": mask.long()}


def _documents(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The documents of a sequence as sequences of their own."""
    ends = np.cumsum(item["seq_lengths"])
    for length, end in zip(item["seq_lengths"].tolist(), ends.tolist(), strict=True):
        own = slice(end - length, end)
        weights = item["loss_weights"]
        yield {
            "input_ids": item["input_ids"][own],
            "labels": item["labels"][own],
            "seq_lengths": np.array([length]),
            "loss_weights": None if weights is None else weights[own],
            "index": item["index"],
        }
