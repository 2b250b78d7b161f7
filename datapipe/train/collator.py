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
from functools import lru_cache
from itertools import repeat
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from datapipe.errors import CorruptData, InputError
from datapipe.train.marks import NO_LOSS

__all__ = ["NOT_FOR_THE_MODEL", "Collator", "model_inputs", "padded"]

Ints = npt.NDArray[np.int64]
Batch = dict[str, Any]
# What a batch holds beside the model's arguments.
NOT_FOR_THE_MODEL = ("labels", "loss_weights", "sources", "indices", "lengths")
PAD = 0  # any token does: padding is a document of its own and carries no loss
NO_SOURCE = -1
MOST_TOKENS = 1 << 31  # of a vocabulary whose size is not told
FEWEST_TOKENS = 64  # of a document, in the mean of a batch, below which its cumulative lengths take more room


def model_inputs(batch: Batch) -> Batch:
    """The part of a batch that is the model's; labels are not in it, the loss is computed outside."""
    return {name: value for name, value in batch.items() if name not in NOT_FOR_THE_MODEL}


class Collator:
    """Makes a batch of the items that `PackedDataset` gives.

    Tensors are [1, B × T] for `varlen`, [B, T] else; T is `length`, or with `fixed_size=False` what the batch needs.
    `input_ids`, `labels`, `position_ids` (int64), `loss_weights` (float32, 0 where no loss); lists of int, which stay
    on the CPU: `indices` of the sequences, `lengths` in tokens of their documents. With `source_numbers`, a function
    from sequence to the sources of its documents, `sources` (int64, -1 at padding). For `varlen` also `cu_seq_lens_q`,
    `cu_seq_lens_k` (int32), padded with empty documents to a power of two, and `max_length_q`, `max_length_k` (int, a
    power of two).
    Raises CorruptData if a sequence is longer than `length`, has tokens that a model of `vocabulary` rows has not,
    labels that are neither NO_LOSS nor the token itself (shifting them is the loss's), or weights that weigh nothing;
    InputError if a document is longer than the `positions` that the model knows.
    """

    def __init__(
        self,
        length: int,
        *,
        fixed_size: bool = True,
        attention: Literal["varlen", "sdpa", "eager"] = "sdpa",
        source_numbers: Callable[[int], Ints] | None = None,
        vocabulary: int | None = None,
        positions: int | None = None,
    ) -> None:
        self.positions = positions
        self.length, self.fixed_size, self.attention = length, fixed_size, attention
        self.source_numbers, self.vocabulary = source_numbers, vocabulary or MOST_TOKENS

    def __call__(self, items: list[dict[str, Any]]) -> Batch:
        """The batch of some items."""
        return self.several(items, len(items))[0]

    def several(self, items: list[dict[str, Any]], micro: int) -> list[Batch]:
        """Batches of `micro` items each, made at once: what a batch costs beside its tokens is shared.

        Without a fixed size all are as wide as the widest. Their tensors are views of common ones.
        """
        width = self.length if self.fixed_size else max(1, *(len(item["input_ids"]) for item in items))
        rows = _Rows(items, width, self.source_numbers)
        rows.check(self.vocabulary)
        if self.positions is not None and self.positions < width:
            rows.check_positions(self.positions)
        rows.no_first_targets()
        varlen, size = self.attention == "varlen", micro * width
        made = rows.tensors((-1, 1, size) if varlen else (-1, micro, width))
        batches: list[Batch] = [
            dict(zip(made, values, strict=True))
            for values in zip(*(each.unbind() for each in made.values()), strict=True)
        ]
        bounds: Iterator[Batch] = _cumulative(rows, size) if varlen else repeat({})
        for at, batch in enumerate(batches):
            own = items[at * micro : (at + 1) * micro]
            batch["indices"] = [item["index"] for item in own]
            batch["lengths"] = [length for item in own for length in item["seq_lengths"].tolist() if length]
            batch.update(next(bounds))
        return batches


class _Rows:
    """Sequences in rows of one width; the rest of each is padding, a document of its own.

    One pass a row copies lists into place; what depends on documents is made of the whole batch at once.
    """

    def __init__(
        self, items: list[dict[str, Any]], width: int, source_numbers: Callable[[int], Ints] | None = None
    ) -> None:
        self.items, self.shape, self.size = items, (len(items), width), len(items) * width
        self.tokens: Ints = np.empty(self.shape, np.int64)
        self.labels: Ints = np.empty(self.shape, np.int64)
        self.weights: npt.NDArray[np.float32] | None = None
        lengths, sources = list[Ints](), list[Ints]()
        for row, item in enumerate(items):
            size = self._copy(row, item)
            lengths += [item["seq_lengths"], np.array([width - size])]
            if source_numbers is not None:
                sources += [source_numbers(item["index"]), _NO_SOURCE]
        whole = np.concatenate(lengths)
        there = whole > 0
        self.lengths: Ints = whole[there]
        self.starts: Ints = np.cumsum(self.lengths) - self.lengths
        self.targets = self.labels != NO_LOSS
        self.sources = np.repeat(np.concatenate(sources)[there], self.lengths) if sources else None

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
            if self.weights is None:
                self.weights = np.ones(self.shape, np.float32)
            self.weights[row, :size] = item["loss_weights"]
        return size

    def check(self, vocabulary: int) -> None:
        """Raises CorruptData for what a model would train on without a word, or end on without a useful one."""
        if self.tokens.view(np.uint64).max() >= vocabulary:  # negative ones are large without their sign
            self._refuse((self.tokens < 0) | (self.tokens >= vocabulary), f"tokens outside of [0, {vocabulary:,})")
        odd = self.targets & (self.labels != self.tokens)
        if odd.any():
            self._refuse(odd, "labels that are not its tokens")
        if self.weights is not None and not (self.weights.min() >= 0 and self.weights.max() < np.inf):
            self._refuse(
                ~((self.weights >= 0) & (self.weights < np.inf)), "loss weights that are negative or no numbers"
            )

    def check_positions(self, known: int) -> None:
        """Raises InputError for a document that is longer than what the model was made for."""
        for item in self.items:
            longest = int(item["seq_lengths"].max(initial=0))
            if longest > known:
                raise InputError(
                    f"sequence {item['index']} has a document of {longest:,} tokens, the model knows {known:,} places",
                    remedy="pack into shorter sequences, or set the model's max_position_embeddings",
                )

    def _refuse(self, odd: npt.NDArray[np.bool_], what: str) -> None:
        number = self.items[int(odd.any(1).argmax())]["index"]
        raise CorruptData(
            f"sequence {number} of the packed data has {what}",
            remedy="write the packed folder anew: its recipe, with the tokenizer of the model that is trained",
        )

    def no_first_targets(self) -> None:
        """Take the loss from the first token of each document."""
        self.labels.ravel()[self.starts] = NO_LOSS
        self.targets.ravel()[self.starts] = False

    def tensors(self, shape: tuple[int, ...]) -> dict[str, torch.Tensor]:
        """Of all rows, `shape` each."""
        before = np.repeat(self.starts, self.lengths)
        weights = self.targets.astype(np.float32)
        made = {
            "input_ids": self.tokens,
            "labels": self.labels,
            "position_ids": np.subtract(_counted(self.size), before, out=before),
            "loss_weights": weights if self.weights is None else np.multiply(weights, self.weights, out=weights),
        }
        if self.sources is not None:
            made["sources"] = self.sources
        return {name: torch.from_numpy(values.reshape(shape)) for name, values in made.items()}


_NO_SOURCE: Ints = np.array([NO_SOURCE])


@lru_cache(maxsize=4)
def _counted(size: int) -> Ints:
    """0, 1, …, the same for every batch."""
    return np.arange(size)


def _cumulative(rows: _Rows, size: int) -> Iterator[Batch]:
    """Cumulative lengths of the documents of each `size` tokens, padding included, in few different sizes."""
    begins = np.arange(0, rows.size, size)
    edges = np.searchsorted(rows.starts, begins)
    longest = np.maximum.reduceat(rows.lengths, edges).tolist()
    ends = [*edges[1:].tolist(), len(rows.starts)]
    for begin, edge, end, most in zip(begins.tolist(), edges.tolist(), ends, longest, strict=True):
        bounds = np.full(_power(max(end - edge + 1, size // FEWEST_TOKENS)), size, np.int32)
        bounds[: end - edge] = rows.starts[edge:end] - begin
        cumulative = torch.from_numpy(bounds)
        yield {
            "cu_seq_lens_q": cumulative,
            "cu_seq_lens_k": cumulative,
            "max_length_q": _power(most),
            "max_length_k": _power(most),
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
    rows = _Rows(parts, width)
    rows.no_first_targets()
    made = rows.tensors(rows.shape)
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
