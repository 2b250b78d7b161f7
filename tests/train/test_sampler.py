"""The order of sequences: one for all ranks, workers and interruptions, and found again without reading up to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from datapipe.errors import InputError
from datapipe.train.collator import Collator
from datapipe.train.packed import FILLER, PackedDataset
from datapipe.train.sampler import OrderedSampler, permuted
from tests.train.packed_folder import drawn, write_packed


def sampler(count: int = 10, **options: int | bool) -> OrderedSampler:
    return OrderedSampler("d", count, **({"seed": 7} | options))  # type: ignore[arg-type] # of many kinds


def over_ranks(count: int, world: int, batch: int, **options: int | bool) -> list[int]:
    """What all ranks get, step by step."""
    ranks = [list(sampler(count, rank=rank, world=world, batch=batch, **options)) for rank in range(world)]
    assert len({len(each) for each in ranks}) == 1
    assert [len(each) for each in ranks] == [
        len(sampler(count, rank=rank, world=world, batch=batch, **options)) for rank in range(world)
    ]
    steps = range(0, len(ranks[0]), batch)
    return [number for step in steps for each in ranks for number in each[step : step + batch]]


def test_the_packed_order_is_kept_unless_another_is_asked_for() -> None:
    assert list(sampler(5, epochs=2)) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]


def test_ranks_take_turns_and_the_last_step_is_filled_up() -> None:
    assert list(sampler(5, rank=0, world=2, batch=2)) == [0, 1, 4, FILLER]
    assert list(sampler(5, rank=1, world=2, batch=2)) == [2, 3, FILLER, FILLER]


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
    batch=st.integers(1, 7),
    place=st.floats(0, 1),
)
def test_any_number_of_ranks_takes_up_anywhere_what_one_rank_would_see(
    count: int, epochs: int, world: int, batch: int, place: float, *, shuffle: bool
) -> None:
    alone = list(sampler(count, epochs=epochs, shuffle=shuffle))
    assert sorted(alone) == sorted(list(range(count)) * epochs)
    position = int(place * len(alone))
    told = over_ranks(count, world, batch, epochs=epochs, position=position, shuffle=shuffle)
    assert [number for number in told if number != FILLER] == alone[position:]
    assert len(told) - len(alone[position:]) < world * batch


def test_what_is_made_at_a_time_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [over_ranks(100, 2, 3, epochs=2, shuffle=shuffle) for shuffle in (False, True)]
    for chunk in (1, 5, 64):
        monkeypatch.setattr("datapipe.train.sampler.CHUNK", chunk)
        assert [over_ranks(100, 2, 3, epochs=2, shuffle=shuffle) for shuffle in (False, True)] == whole


def test_its_state_is_where_it_is() -> None:
    one = sampler(10, epochs=3, shuffle=True)
    assert one.state_dict() == {"digest": one.digest, "epoch": 0, "position": 0}
    one.advance(14)
    assert one.state_dict() == {"digest": one.digest, "epoch": 1, "position": 4}
    other = sampler(10, epochs=3, shuffle=True, world=2, rank=1, batch=2)
    other.load_state_dict(one.state_dict())
    assert list(other)[:2] == list(one)[2:4]
    one.advance(99)
    assert (one.position, len(one), list(one)) == (30, 0, [])


def test_iterating_ahead_moves_nothing() -> None:
    one = sampler(10)
    ahead = iter(one)
    assert [next(ahead), next(ahead)] == [0, 1]
    assert one.state_dict()["position"] == 0


def test_it_takes_up_far_away_without_going_there() -> None:
    count, epochs = 10**9, 10**6
    for shuffle in (False, True):
        one = sampler(count, epochs=epochs, shuffle=shuffle)
        one.load_state_dict({"digest": one.digest, "epoch": epochs - 1, "position": count - 3})
        wanted = np.arange(count - 3, count)
        assert list(one) == (permuted(wanted, count, 7, epochs - 1) if shuffle else wanted).tolist()


@pytest.mark.parametrize(
    "other",
    [
        OrderedSampler("other data", 10, seed=7),
        OrderedSampler("d", 11, seed=7),
        OrderedSampler("d", 10, seed=7, shuffle=True),
    ],
)
def test_the_state_of_another_order_is_refused_in_one_line(other: OrderedSampler) -> None:
    with pytest.raises(InputError, match="other packed data, or in another order") as raised:
        sampler(10).load_state_dict(other.state_dict())
    assert "\n" not in str(raised.value)
    shuffled = sampler(10, shuffle=True)
    with pytest.raises(InputError):
        shuffled.load_state_dict(sampler(10, seed=8, shuffle=True).state_dict())


def test_an_order_over_nothing_is_refused() -> None:
    for options in ({"count": 0}, {"epochs": 0}, {"rank": 2, "world": 2}, {"batch": 0}):
        with pytest.raises(InputError):
            sampler(**options)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> PackedDataset:
    return PackedDataset(write_packed(tmp_path_factory.mktemp("order") / "out", drawn(40), files=3, length=12))


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # more workers than cores
@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("world", [1, 2])
def test_a_loader_gives_the_same_batches_with_any_workers_and_ranks(
    dataset: PackedDataset, workers: int, world: int
) -> None:
    position, whole = 23, 4  # sequences of a step of all ranks
    alone = list(OrderedSampler(dataset.digest, len(dataset), seed=3, epochs=2, shuffle=True))[position:]
    ranks = []
    for rank in range(world):
        order = OrderedSampler(
            dataset.digest, len(dataset), seed=3, epochs=2, shuffle=True, rank=rank, world=world, batch=whole // world
        )
        order.load_state_dict({"digest": order.digest, "epoch": 0, "position": position})
        loader: DataLoader[Any] = DataLoader(
            dataset,  # type: ignore[arg-type] # any map will do
            batch_size=whole // world,
            sampler=order,
            num_workers=workers,
            collate_fn=Collator(12, source_numbers=dataset.source_numbers),
        )
        ranks.append(list(loader))
    for step in range(len(ranks[0])):
        told = [number for batches in ranks for number in batches[step]["indices"].tolist()]
        wanted = alone[step * whole : (step + 1) * whole]
        assert told == wanted + [FILLER] * (whole - len(wanted))
        tokens = [row for batches in ranks for row in batches[step]["input_ids"].tolist()]
        for number, row in zip(wanted, tokens, strict=False):
            held = dataset[number]["input_ids"].tolist()
            assert row == held + [0] * (12 - len(held))
    assert len(ranks[0]) == -(-len(alone) // whole)
