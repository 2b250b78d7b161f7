"""The order of sequences: one for all ranks, workers and interruptions, and found again without reading up to it."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datapipe.errors import InputError
from datapipe.train.joined import Feed, JoinedDataset, StepBatches
from datapipe.train.packed import FILLER
from datapipe.train.sampler import OrderedSampler, permuted
from tests.train.packed_folder import Document, drawn, write_packed


def order(count: int = 10, **options: Any) -> OrderedSampler:
    return OrderedSampler("d", count, **({"seed": 7} | options))


def batches(count: int, *, batch: int = 1, micro: int = 1, **options: Any) -> StepBatches:
    made = order(count, **options)
    return StepBatches(order=made, total=made.total, batch=batch, micro=micro)


def over_ranks(whole: StepBatches, world: int) -> list[int]:
    """What all ranks get, micro-batch by micro-batch."""
    ranks = [list(replace(whole, rank=rank, world=world)) for rank in range(world)]
    (micros,) = {len(each) for each in ranks}
    assert micros == (whole.steps - whole.first) * replace(whole, world=world).accumulation
    return [number for at in range(micros) for each in ranks for number in each[at]]


def test_the_packed_order_is_kept_unless_another_is_asked_for() -> None:
    assert list(batches(5, epochs=2)) == [[0], [1], [2], [3], [4], [0], [1], [2], [3], [4]]


def test_ranks_take_turns_and_what_a_step_leaves_over_is_filled_up() -> None:
    one = batches(8, batch=5, micro=2)  # a step: 0 1 2 3 4, then 5 6 7
    assert list(replace(one, rank=0, world=2)) == [[0, 1], [4, FILLER], [5, 6], [FILLER, FILLER]]
    assert list(replace(one, rank=1, world=2)) == [[2, 3], [FILLER, FILLER], [7, FILLER], [FILLER, FILLER]]


@given(count=st.integers(1, 3000), seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 5))
def test_a_permutation_takes_every_sequence_once(count: int, seed: int, epoch: int) -> None:
    made = permuted(np.arange(count), count, seed, epoch)
    assert sorted(made.tolist()) == list(range(count))


def test_permutations_differ_by_seed_and_epoch_and_look_drawn() -> None:
    count = 4000
    made = [permuted(np.arange(count), count, seed, epoch) for seed, epoch in ((1, 0), (1, 1), (2, 0))]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        # of two independent permutations one place in `count` agrees in the mean, 6 or more in 1 of 1,700
        assert int((made[one] == made[other]).sum()) < 10
    for each in made:
        # a drawn permutation's correlation with the order has a deviation of 1 / sqrt(count) = 0.016
        assert abs(float(np.corrcoef(each, np.arange(count))[0, 1])) < 0.08
        assert int((np.diff(each) == 1).sum()) < 10


@pytest.mark.parametrize("shuffle", [False, True])
@given(
    count=st.integers(1, 60),
    epochs=st.integers(1, 3),
    world=st.integers(1, 5),
    batch=st.integers(1, 20),
    micro=st.integers(1, 7),
    place=st.floats(0, 1),
)
def test_any_number_of_ranks_takes_up_anywhere_what_one_rank_would_see(
    count: int, epochs: int, world: int, batch: int, micro: int, place: float, *, shuffle: bool
) -> None:
    alone = [number for (number,) in batches(count, epochs=epochs, shuffle=shuffle)]
    assert sorted(alone) == sorted(list(range(count)) * epochs)
    whole = batches(count, batch=batch, micro=micro, epochs=epochs, shuffle=shuffle)
    whole.first = int(place * whole.steps)
    told = over_ranks(whole, world)
    assert [number for number in told if number != FILLER] == alone[whole.first * batch :]
    size = len(told) // max(1, whole.steps - whole.first)
    for at, step in enumerate(range(whole.first, whole.steps)):  # each step holds its own positions
        held = [number for number in told[at * size : (at + 1) * size] if number != FILLER]
        assert held == alone[step * batch : (step + 1) * batch]


def test_a_part_of_an_epoch_ends_where_it_is_told_to() -> None:
    made = StepBatches(order=order(10), total=7, batch=4, micro=2)
    assert list(made) == [[0, 1], [2, 3], [4, 5], [6, FILLER]]
    assert (made.steps, len(made)) == (2, 4)


def test_what_is_made_at_a_time_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [batches(100, batch=7, micro=3, epochs=2, shuffle=shuffle) for shuffle in (False, True)]
    whole = [over_ranks(each, 2) for each in made]
    for chunk in (1, 5, 64):
        monkeypatch.setattr("datapipe.train.joined.CHUNK", chunk)
        assert [over_ranks(each, 2) for each in made] == whole


def test_its_state_is_where_it_is() -> None:
    made = batches(10, batch=7, epochs=3, shuffle=True)
    digest = made.order.digest
    assert made.state(0) == {"digest": digest, "epoch": 0, "position": 0}
    assert made.state(2) == {"digest": digest, "epoch": 1, "position": 4}
    assert made.state(99) == {"digest": digest, "epoch": 3, "position": 0}
    assert [made.epochs(step) for step in (0, 2, 99)] == [0, 1.4, 3]


def test_it_takes_up_far_away_without_going_there() -> None:
    count, epochs = 10**9, 10**6
    for shuffle in (False, True):
        made = batches(count, epochs=epochs, batch=3, shuffle=shuffle)
        made.first = made.steps - 1  # 10^15 = 3 × 333,333,333,333,333 + 1
        wanted = np.array([count - 1])
        found = [number for (number,) in islice(made, 3)]
        assert found == [*(permuted(wanted, count, 7, epochs - 1) if shuffle else wanted).tolist(), FILLER, FILLER]


def test_the_digest_tells_other_data_and_other_orders_apart() -> None:
    orders = [order(), OrderedSampler("other data", 10, seed=7), order(11), order(shuffle=True)]
    orders.append(order(shuffle=True, seed=8))
    assert len({each.digest for each in orders}) == 5
    assert order(seed=8).digest == order(epochs=3).digest == order().digest  # none of these changes the packed order


def test_an_order_over_nothing_is_refused() -> None:
    for options in ({"count": 0}, {"epochs": 0}):
        with pytest.raises(InputError):
            order(**options)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> JoinedDataset:
    folder = tmp_path_factory.mktemp("order")
    made = [drawn(40), drawn(25, seed=1)]
    return JoinedDataset(
        [str(write_packed(folder / str(at), some, files=3, length=12)) for at, some in enumerate(made)]
    )


@pytest.mark.parametrize("attention", ["varlen", "sdpa"])
def test_how_many_batches_are_made_at_a_time_does_not_show(
    data: JoinedDataset, attention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = OrderedSampler(data.digest, len(data), seed=3, shuffle=True)
    own = StepBatches(order=order, total=len(data), batch=6, micro=2, first=1)
    told = []
    for group in (1, 70, 10**6):  # one batch, two, and all
        monkeypatch.setattr("datapipe.train.joined.GROUP", group)
        loader = Feed(data=data, batches=own, attention=attention).loader(0, pinned=False)
        made = list(loader)
        assert [each["indices"] for each in made] == list(own)
        assert len(loader) == len(own)  # that of the whole, wherever it begins
        told.append([{name: torch.as_tensor(value).tolist() for name, value in each.items()} for each in made])
    assert told[0] == told[1] == told[2]


def test_data_that_no_token_is_learned_from_is_refused(tmp_path: Path) -> None:
    single = [[Document(str(at), "web", [at + 1])] for at in range(4)]  # a first token is never a target
    data = JoinedDataset([str(write_packed(tmp_path / "out", single, length=12))])
    own = StepBatches(order=OrderedSampler(data.digest, len(data), seed=3), total=len(data), batch=6, micro=2)
    with pytest.raises(InputError, match="no token is trained on") as raised:
        Feed(data=data, batches=own, attention="sdpa")
    assert "\n" not in str(raised.value)


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # more workers than cores
@pytest.mark.parametrize(("workers", "world"), [(0, 1), (1, 2), (3, 1), (2, 2)])
def test_a_loader_gives_the_same_batches_with_any_workers_and_ranks(
    data: JoinedDataset, workers: int, world: int
) -> None:
    first, step = 5, 4  # steps that are behind, sequences of a step of all ranks
    made = OrderedSampler(data.digest, len(data), seed=3, epochs=2, shuffle=True)
    alone = made.at(np.arange(made.total)).tolist()[first * step :]
    ranks = []
    for rank in range(world):
        own = StepBatches(
            order=made, total=made.total, batch=step, micro=step // world, rank=rank, world=world, first=first
        )
        ranks.append(list(Feed(data=data, batches=own, attention="sdpa").loader(workers, pinned=False)))
    for at in range(len(ranks[0])):
        told = [number for each in ranks for number in each[at]["indices"]]
        wanted = alone[at * step : (at + 1) * step]
        assert told == wanted + [FILLER] * (step - len(wanted))
        rows = [row for each in ranks for row in each[at]["input_ids"].tolist()]
        for number, row in zip(wanted, rows, strict=False):
            which, within = data.place(number)
            held = data.parts[which][within]["input_ids"].tolist()
            assert row == held + [0] * (12 - len(held))
    assert len(ranks[0]) == -(-len(alone) // step)
