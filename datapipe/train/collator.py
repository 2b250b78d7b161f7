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
        rows = _Rows(items, width, self.source_numbers)
        made = rows.tensors()
        if self.attention == "varlen":
            made = {name: value.reshape(1, -1) for name, value in made.items()} | _cumulative(rows.lengths, rows.size)
        indices = torch.from_numpy(np.array([item["index"] for item in items], np.int64))
        documents = sum(len(item["seq_lengths"]) for item in items)
        return made | {"indices": indices, "documents": documents}


class _Rows:
    """Sequences in rows of one width; the rest of each is padding, a document of its own.

    One pass a row copies lists into place; what depends on documents is made of the whole batch at once.
    """

    def __init__(
        self, items: list[dict[str, Any]], width: int, source_numbers: Callable[[int], Ints] | None = None
    ) -> None:
        self.shape, self.size = (len(items), width), len(items) * width
        self.tokens: Ints = np.empty(self.shape, np.int64)
        self.labels: Ints = np.empty(self.shape, np.int64)
        self.weights: npt.NDArray[np.float32] = np.ones(self.shape, np.float32)
        lengths, sources = list[Ints](), list[Ints]()
        for row, item in enumerate(items):
            size = self._copy(row, item)
            lengths += [item["seq_lengths"], np.array([width - size])]
            if source_numbers is not None:
                sources += [source_numbers(item["index"]), np.array([NO_SOURCE])]
        whole = np.concatenate(lengths)
        there = whole > 0
        self.lengths: Ints = whole[there]
        starts = np.cumsum(self.lengths) - self.lengths
        self.labels.ravel()[starts] = NO_LOSS
        self.weights *= self.labels != NO_LOSS
        self.positions: Ints = (np.arange(self.size) - np.repeat(starts, self.lengths)).reshape(self.shape)
        self.sources = np.repeat(np.concatenate(sources)[there], self.lengths).reshape(self.shape) if sources else None

    def _copy(self, row: int, item: dict[str, Any]) -> int:
        """Put the lists of a sequence into a row; how many tokens it has."""
        size, width = len(item["input_ids"]), self.shape[1]
        if size > width:
            raise CorruptData(
                f"sequence {item['index']} has {size} tokens, more than the {width} of a row",
                remedy="set the training plan's length to that of the packed folder",
            )
        self.tokens[row, :size], self.tokens[row, size:] = item["input_ids"], PAD
        self.labels[row, :size], self.labels[row, size:] = item["labels"], NO_LOSS
        if item["loss_weights"] is not None:
            self.weights[row, :size] = item["loss_weights"]
        return size

    def tensors(self) -> Batch:
        """[B, T] each."""
        made = {
            "input_ids": self.tokens,
            "labels": self.labels,
            "position_ids": self.positions,
            "loss_weights": self.weights,
        }
        if self.sources is not None:
            made["sources"] = self.sources
        return {name: torch.from_numpy(values) for name, values in made.items()}


def _cumulative(lengths: Ints, tokens: int) -> Batch:
    """Cumulative lengths of the documents of a batch, padding included, in few different sizes."""
    bounds = np.full(_power(max(len(lengths) + 1, tokens // FEWEST_TOKENS)), tokens, np.int32)
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
    width = max(len(part["input_ids"]) for part in parts)
    made = _Rows(parts, width).tensors()
    lengths = torch.tensor([len(part["input_ids"]) for part in parts])
    mask = torch.arange(width)[None, :] < lengths[:, None]
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
