"""Batches: documents side by side, each counted from its own start, no first token a target, shapes that stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datapipe.errors import CorruptData, InputError
from datapipe.train.collator import Collator, model_inputs, padded
from datapipe.train.packed import FILLER

NONE = -100


def item(*lengths: int, index: int = 0, weights: list[float] | None = None) -> dict[str, Any]:
    """A sequence of documents so long; tokens 1, 2, …, and a label for each, also the first of a document."""
    tokens = np.arange(1, sum(lengths) + 1)
    return {
        "input_ids": tokens,
        "labels": tokens.copy(),
        "seq_lengths": np.array(lengths, np.int64),
        "loss_weights": None if weights is None else np.array(weights, np.float32),
        "index": index,
    }


def numbers(index: int) -> Any:
    """Sources of the documents of the two sequences below."""
    return np.array({4: [1, 0], 9: [2]}[index])


TWO = [item(3, 2, index=4), item(4, index=9, weights=[1.0, 0.5, 0.0, 2.0])]


def told(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: value.tolist() if torch.is_tensor(value) else value for name, value in batch.items()}


def test_rows_for_masks() -> None:
    assert told(Collator(6, source_numbers=numbers)(TWO)) == {
        "input_ids": [[1, 2, 3, 4, 5, 0], [1, 2, 3, 4, 0, 0]],
        "labels": [[NONE, 2, 3, NONE, 5, NONE], [NONE, 2, 3, 4, NONE, NONE]],
        "position_ids": [[0, 1, 2, 0, 1, 0], [0, 1, 2, 3, 0, 1]],
        "loss_weights": [[0, 1, 1, 0, 1, 0], [0, 0.5, 0, 2, 0, 0]],
        "sources": [[1, 1, 1, 0, 0, -1], [2, 2, 2, 2, -1, -1]],
        "indices": [4, 9],
        "lengths": [3, 2, 4],
    }


def test_one_row_and_cumulative_lengths_for_varlen() -> None:
    batch = told(Collator(6, attention="varlen")(TWO))
    assert batch["input_ids"] == [[1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 0, 0]]
    assert batch["position_ids"] == [[0, 1, 2, 0, 1, 0, 0, 1, 2, 3, 0, 1]]
    assert batch["cu_seq_lens_q"] == batch["cu_seq_lens_k"] == [0, 3, 5, 6, 10, 12, 12, 12]
    assert batch["max_length_q"] == batch["max_length_k"] == 4
    assert "sources" not in batch
    assert "attention_mask" not in batch


def test_without_a_fixed_size_rows_are_as_wide_as_the_longest() -> None:
    assert told(Collator(6, fixed_size=False)(TWO))["input_ids"] == [[1, 2, 3, 4, 5], [1, 2, 3, 4, 0]]


def test_documents_a_row_each_with_a_mask_for_comparison() -> None:
    assert told(padded(TWO)) == {
        "input_ids": [[1, 2, 3, 0], [4, 5, 0, 0], [1, 2, 3, 4]],
        "labels": [[NONE, 2, 3, NONE], [NONE, 5, NONE, NONE], [NONE, 2, 3, 4]],
        "position_ids": [[0, 1, 2, 0], [0, 1, 0, 1], [0, 1, 2, 3]],
        "loss_weights": [[0, 1, 1, 0], [0, 1, 0, 0], [0, 0.5, 0, 2]],
        "attention_mask": [[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]],
    }


def test_the_model_is_given_neither_labels_nor_what_the_log_needs() -> None:
    batch = Collator(6, attention="varlen", source_numbers=numbers)(TWO)
    lengths = {"cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k"}
    assert set(model_inputs(batch)) == {"input_ids", "position_ids"} | lengths


def test_a_batch_of_fillers_is_padding_without_loss() -> None:
    nothing = item(index=FILLER)
    for collator in (Collator(4, attention="varlen"), Collator(4)):
        batch = collator([nothing, nothing])
        assert batch["loss_weights"].sum() == 0
        assert set(batch["labels"].ravel().tolist()) == {NONE}
        assert batch["position_ids"].ravel().tolist() == [0, 1, 2, 3] * 2
    assert Collator(4, fixed_size=False)([nothing])["input_ids"].shape == (1, 1)


def test_a_sequence_longer_than_a_row_is_one_line() -> None:
    with pytest.raises(CorruptData, match="sequence 4 has 5 tokens, more than the 4 of a row") as raised:
        Collator(4)(TWO)
    assert "\n" not in str(raised.value)


def spoilt(**changes: list[Any]) -> dict[str, Any]:
    """A sequence of five tokens with a list or two in place of its own."""
    return item(3, 2, index=9, weights=[1.0] * 5) | {name: np.array(value) for name, value in changes.items()}


@pytest.mark.parametrize("attention", ["varlen", "sdpa"])
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"labels": [2, 3, NONE, 5, NONE]}, "labels that are not its tokens"),  # shifted already
        ({"labels": [NONE, 2, -1, NONE, 5]}, "labels that are not its tokens"),
        ({"labels": [NONE, 2, 9, NONE, 5]}, "labels that are not its tokens"),
        ({"input_ids": [1, 2, 3, 10, 5]}, "tokens outside of [0, 10)"),
        ({"input_ids": [1, 2, -3, 4, 5]}, "tokens outside of [0, 10)"),
        ({"loss_weights": [1, 1, -0.5, 1, 1]}, "loss weights that are negative or no numbers"),
        ({"loss_weights": [1, 1, 1, float("nan"), 1]}, "loss weights that are negative or no numbers"),
        ({"loss_weights": [1, float("inf"), 1, 1, 1]}, "loss weights that are negative or no numbers"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_by_its_number(
    changes: dict[str, list[Any]], says: str, attention: Any
) -> None:
    collator = Collator(6, attention=attention, vocabulary=10)
    collator([TWO[0], spoilt()])
    with pytest.raises(CorruptData) as raised:
        collator([TWO[0], spoilt(**changes)])
    assert f"sequence 9 of the packed data has {says}" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.remedy


def test_a_token_may_be_any_that_the_model_has() -> None:
    with pytest.raises(CorruptData, match=r"outside of \[0, 5\)"):
        Collator(6, vocabulary=5)([item(3, 2)])
    assert Collator(6, vocabulary=6)([item(3, 2)])["input_ids"].max() == 5
    assert Collator(6)([item(1) | {"input_ids": np.array([2**31 - 1]), "labels": np.array([NONE])}])
    with pytest.raises(CorruptData):
        Collator(6)([item(1) | {"input_ids": np.array([-1]), "labels": np.array([NONE])}])


LENGTHS = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(sum), min_size=1, max_size=4)


@given(lengths=LENGTHS, attention=st.sampled_from(["varlen", "sdpa", "eager"]), fixed=st.booleans())
def test_every_token_stands_in_its_document_and_no_first_one_is_a_target(
    lengths: list[list[int]], attention: Any, *, fixed: bool
) -> None:
    batch = Collator(120, fixed_size=fixed, attention=attention)([item(*each) for each in lengths])
    rows = {name: batch[name].reshape(len(lengths), -1) for name in ("input_ids", "labels", "position_ids")}
    for row, each in enumerate(lengths):
        size = sum(each)
        assert rows["input_ids"][row, :size].tolist() == list(range(1, size + 1))
        counted = [place for length in each for place in range(length)]
        assert rows["position_ids"][row, :size].tolist() == counted
        wanted = [token if place else NONE for token, place in enumerate(counted, start=1)]
        assert rows["labels"][row].tolist() == wanted + [NONE] * (rows["labels"].shape[1] - size)
    assert torch.equal(batch["loss_weights"], (batch["labels"] != NONE).float())
    if attention == "varlen":
        bounds, positions = batch["cu_seq_lens_q"], batch["position_ids"][0]
        starts = torch.unique(bounds[:-1][bounds[:-1] < bounds[-1]])
        assert bounds.dtype == torch.int32
        assert bounds[-1] == len(positions)
        assert torch.equal(starts.long(), torch.nonzero(positions == 0).ravel())
        assert int(positions.max()) < batch["max_length_q"]


@given(lengths=LENGTHS, attention=st.sampled_from(["varlen", "sdpa"]), micro=st.integers(1, 3))
def test_batches_made_at_once_are_those_made_one_by_one(lengths: list[list[int]], attention: Any, micro: int) -> None:
    rows = [item(*each, index=at) for at, each in enumerate(lengths * micro)]
    collator = Collator(120, attention=attention, source_numbers=lambda at: np.arange(len(rows[at]["seq_lengths"])))
    alone = [collator(rows[at : at + micro]) for at in range(0, len(rows), micro)]
    assert [told(each) for each in collator.several(rows, micro)] == [told(each) for each in alone]


def test_shapes_do_not_change_from_batch_to_batch() -> None:
    rng = np.random.default_rng(0)
    shapes = set()
    for _ in range(50):
        rows = [item(*rng.integers(16, 200, 10).tolist()) for _ in range(2)]
        batch = Collator(2000, attention="varlen")(rows)
        shapes.add(tuple(tuple(value.shape) for value in batch.values() if torch.is_tensor(value)))
    assert len(shapes) == 1


def test_a_document_longer_than_the_places_of_the_model_is_refused_and_a_long_sequence_of_short_ones_is_not() -> None:
    made = Collator(6, positions=3)([item(3, 3)])
    assert made["lengths"] == [3, 3]
    with pytest.raises(InputError, match="sequence 7 has a document of 4 tokens, the model knows 3 places"):
        Collator(6, positions=3)([item(3, 3), item(1, 4, index=7)])
