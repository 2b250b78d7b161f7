"""Carries out the rounds of a Group: which ranges of keys, from which files, and what the verdicts rest on.

Memory of the driver: the names and bucket offsets of one round's files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from datapipe.corpus.exchange import BUCKETS, BucketRange, ranges
from datapipe.corpus.fingerprint import fingerprint
from datapipe.engine.answering import is_measured, run_answer
from datapipe.engine.resolve import Resolved, finished, run_resolve
from datapipe.engine.task import AnswerTask, BaseShard, Input, Keys, ResolveTask, Slice
from datapipe.recipe import Node
from datapipe.run.context import Context, Shard, Verdicts
from datapipe.run.earlier import EarlierShard, earlier_shards
from datapipe.run.merging import in_blocks, in_few_files, keys_of
from datapipe.run.paths import Path
from datapipe.run.tasks import exchange
from datapipe.stage import IndexedConfig

__all__ = ["Standing", "resolve", "resolved", "rests_on", "rounds_standing"]

RANGE_ROWS = 2_000_000  # of one task: about 100 MB of keys


def resolve(context: Context, node: Node) -> Verdicts:
    """Run all rounds of a Group over the keys of its shards; ranges that are done are not done again."""
    verdicts = _Rounds(context, node, run=True).verdicts()
    assert verdicts is not None
    return verdicts


def resolved(context: Context, node: Node) -> Verdicts | None:
    """The verdicts of a Group whose rounds are all done; None if they are not."""
    return _Rounds(context, node, run=False).verdicts()


def rests_on(context: Context, node: Node) -> str:
    """What the verdicts of a Group depend on today; see `Verdicts`. All its keys must be there."""
    return _Rounds(context, node, run=False).rests_on


@dataclass(frozen=True)
class Standing:
    """What stands of the rounds of a Group: the files, and by shard where the rows are that ask its documents."""

    files: frozenset[str]
    asked: dict[str, tuple[Slice, ...]]


def rounds_standing(context: Context, node: Node) -> Standing | None:
    """What stands of a Group whose rounds are all done; None if they are not. All its keys must be there."""
    rounds = _Rounds(context, node, run=False)
    return Standing(rounds.files(), rounds.asked) if rounds.verdicts() is not None else None


class _Missing(Exception):
    """A task is not done, and none may run."""


@dataclass(frozen=True)
class _Place:
    """A shard by its number: of this run, or of an earlier one."""

    name: str
    run: int
    own: tuple[Path, Shard] | None
    earlier: EarlierShard | None = None
    beside: bool = False  # of the finished run beside which a side corpus is judged


class _Rounds:
    """All rounds of one Group."""

    def __init__(self, context: Context, node: Node, *, run: bool) -> None:
        self._context, self._node, self._run = context, node, run
        self._stage: Any = node.stage
        self._records: list[Any] = []
        self._places: list[_Place] = []
        for each in earlier_shards(context, node):
            self._records.append(each.keys)
            self._places.append(_Place(f"{each.run}-{each.keys.shard}", each.run, None, each))
        own = len(getattr(node.config, "against", ()))
        for path, shard, keys in context.finished(node):
            self._records.append(keys)
            self._places.append(_Place(f"{own - 1}-{shard.name}", own - 1, (path, shard), beside=True))
        for path, shard in context.incoming(node):
            self._records.append(context.state.of(exchange(node))[shard.name])
            self._places.append(_Place(shard.name, own, (path, shard)))
        what = {
            "stage": {path.root_key: context.paths.keys(path) for path, _ in context.incoming(node)},
            "documents": [[record.shard, record.base, record.rows_in] for record in self._records],
            "runs": [place.run for place in self._places],
        }
        others = (place.earlier or place.beside for place in self._places)
        if earlier := [record.values for record, other in zip(self._records, others, strict=True) if other]:
            what["earlier"] = earlier  # their keys may be of other texts of the same documents
        if told := [part.digests for place in self._places if place.earlier for part in place.earlier.told]:
            what["recalled"] = told
        self.rests_on = fingerprint(what)
        self._kept: dict[int, list[tuple[str, Any]]] = {}  # by round, what its tasks gave
        self.asked: dict[str, tuple[Slice, ...]] = {}

    def verdicts(self) -> Verdicts | None:
        """Of the last round; None where a task is not done and none may run."""
        numbers = {place.name: number for number, place in enumerate(self._places) if place.own}
        try:
            found = self._near(self._first_keys())
            for number, round_ in enumerate(self._stage.rounds):
                if round_.answer is not None:
                    found = self._answers(number, found)
                found = self._resolve(number, self._merged(number, found))
        except _Missing:
            return None
        if self._run:
            self._forget(numbers)
            self._forget_rounds()
        return Verdicts(found, self.rests_on, numbers)

    def _first_keys(self) -> tuple[Keys, ...]:
        return tuple(
            Keys(record.layer[0], tuple(record.buckets or ()), number, place.run)
            for number, (record, place) in enumerate(zip(self._records, self._places, strict=True))
        )

    # ------------------------------------------------------------------ the steps of a round

    def _near(self, keys: tuple[Keys, ...]) -> tuple[Keys, ...]:
        """Beside a finished run: of what is not of the side corpus, only rows that share a key with a row of it."""
        if not any(place.beside for place in self._places):
            return keys
        is_side = [place.own is not None and not place.beside for place in self._places]
        side = self._merged(0, tuple(each for each, own in zip(keys, is_side, strict=True) if own), name="side")
        near = tuple(each.slice(0, BUCKETS).rows for each in side if each.part.rows)
        rest = [each for each, own in zip(keys, is_side, strict=True) if not own and each.part.rows]
        blocks = in_blocks(rest)
        names = [f"near-{at:05d}" for at in range(len(blocks))]

        def task(at: int) -> ResolveTask:
            whole = tuple(each.slice(0, BUCKETS) for each in blocks[at])
            return dataclasses.replace(self._resolve_task(0, names[at], (whole,), merges=True), near=near)

        results = self._carry_out(run_resolve, 0, names, task)
        return (*side, *(each for result in results for each in keys_of(result, None, None)))

    def _answers(self, number: int, asked: tuple[Keys, ...]) -> tuple[Keys, ...]:
        """What documents answer, a file or more a shard."""
        config = self._node.config
        index = isinstance(config, IndexedConfig) and config.index and self._stage.measure is not None
        asks = [_asks(asked, at) for at in range(len(self._places))]
        wanted = [at for at, place in enumerate(self._places) if asks[at] or (index and place.own)]
        for at, place in enumerate(self._places):
            self.asked[place.name] = (*self.asked.get(place.name, ()), *asks[at])

        def task(at: int) -> AnswerTask:
            place = self._places[at]
            path = place.own[0] if place.own else None
            return AnswerTask(
                run=self._context.store.url,
                call=self._context.paths.call(self._node),
                round=number,
                name=place.name,
                asked=asks[at],
                fingerprint=self._fingerprint(number, place.name, index=index),
                base=self._base(place),
                owners=path.owners if path else {},
                values=self._context.paths.keys(path) if path else "",
                resource=self._context.resource(self._node),
                measured=place.earlier.measured if place.earlier else None,
                recalled=place.earlier.told if place.earlier else (),
                recalled_of=place.earlier.stage if place.earlier else "",
                everything=index and place.own is not None,
                where=self._node.where,
            )

        names = [self._places[at].name for at in wanted]
        lacking = {self._places[at].name for at in wanted if index and not self._keeps(self._places[at])}
        results = self._carry_out(
            run_answer, number, names, lambda nth: task(wanted[nth]), index=index, lacking=lacking
        )
        found = zip(wanted, results, strict=True)
        return tuple(keys for at, result in found for keys in keys_of(result, at, self._places[at].run))

    def _base(self, place: _Place) -> BaseShard | None:
        """The documents of a shard, by the name that sets it apart from those of the side corpus."""
        if place.own is None:
            return None
        path, shard = place.own
        base = self._context.base(path.before(), shard)
        return dataclasses.replace(base, shard=place.name) if place.beside else base

    def _keeps(self, place: _Place) -> bool:
        """Whether what a run with `index` keeps of a shard stands."""
        return place.own is None or is_measured(self._context.store, self._node.name, place.name)

    def _merged(self, number: int, inputs: tuple[Keys, ...], *, name: str = "merged") -> tuple[Keys, ...]:
        """The same rows in no more files than a task may open."""

        def merge(names: list[str], blocks: list[tuple[Input, ...]]) -> list[Resolved]:
            def task(at: int) -> ResolveTask:
                return self._resolve_task(number, names[at], (blocks[at],), merges=True)

            return self._carry_out(run_resolve, number, names, task)

        return in_few_files(inputs, merge, name)

    def _resolve(self, number: int, inputs: tuple[Keys, ...]) -> tuple[Keys, ...]:
        """What a round makes of all ranges of keys."""
        cuts = ranges(_totals(inputs), RANGE_ROWS)
        parts: list[list[BucketRange]] = [cuts] if self._stage.rounds[number].whole else [[cut] for cut in cuts]
        names = [f"{part[0].first:04d}-{part[-1].last:04d}" for part in parts]

        def task(at: int) -> ResolveTask:
            return self._resolve_task(number, names[at], tuple(_within(inputs, cut) for cut in parts[at]))

        results = self._carry_out(run_resolve, number, names, task)
        if self._run:
            self._sweep(number)
        return tuple(keys for result in results for keys in keys_of(result, None, None))

    def _resolve_task(
        self, number: int, name: str, inputs: tuple[tuple[Input, ...], ...], *, merges: bool = False
    ) -> ResolveTask:
        following = self._stage.rounds[number + 1 : number + 2]
        return ResolveTask(
            run=self._context.store.url,
            call=self._context.paths.call(self._node),
            round=number,
            name=name,
            inputs=inputs,
            fingerprint=self._fingerprint(number, name),
            shards=len(self._places),
            by_document=not following or following[0].answer is not None,
            merges=merges,
        )

    def _fingerprint(self, number: int, name: str, *, index: bool = False) -> str:
        """`index`: a run that is to keep more measures answers once more, to make them."""
        return fingerprint({"of": self.rests_on, "round": number, "name": name, **({"index": True} if index else {})})

    def _carry_out(
        self,
        function: Callable[[Any], Resolved],
        number: int,
        names: Sequence[str],
        task: Callable[[int], Any],
        *,
        index: bool = False,
        lacking: Container[str] = (),
    ) -> list[Resolved]:
        """Run the tasks that are not done, or that lack what they keep; results in order of their names."""
        store = self._context.store
        prints = [self._fingerprint(number, name, index=index) for name in names]
        folder = f"{exchange(self._node)}/round-{number}"
        found: dict[str, Resolved | None] = {}
        for key, name in zip(prints, names, strict=True):
            found[key] = None if name in lacking else finished(store, folder, name, key)
        missing = [at for at, key in enumerate(prints) if found[key] is None]
        if missing and not self._run:
            raise _Missing
        if missing:  # else no worker need start
            made = self._context.engine.map(function, (task(at) for at in missing))
            found.update((result.fingerprint, result) for result in made)
        self._kept.setdefault(number, []).extend(zip(names, (found[key] for key in prints), strict=True))
        return [result for key in prints if (result := found[key])]

    def _sweep(self, number: int) -> None:
        """Remove the files of a round that it does not have today."""
        folder, named = f"{exchange(self._node)}/round-{number}", self._files(number)
        for name in self._context.store.names(folder):
            if f"{folder}/{name}" not in named:
                self._context.store.remove(f"{folder}/{name}")

    def _files(self, number: int) -> set[str]:
        """The files of a round, once its tasks are done."""
        folder, kept = f"{exchange(self._node)}/round-{number}", self._kept[number]
        notes = {f"{folder}/{name}.json" for name, _ in kept}
        return notes | {part.path for _, result in kept for part in result.parts}

    def files(self) -> frozenset[str]:
        """The files of all rounds, once these are done."""
        return frozenset().union(*(self._files(number) for number in self._kept))

    def _forget(self, shards: Container[str]) -> None:
        """Remove what is measured of shards that are no longer there."""
        folder = f"{exchange(self._node)}/measured"
        for name in self._context.store.names(folder):
            if name.partition(".")[0] not in shards and not name.startswith("."):
                self._context.store.remove(f"{folder}/{name}")

    def _forget_rounds(self) -> None:
        """Remove the rounds that the stage no longer has."""
        for folder in self._context.store.folders(exchange(self._node)):
            number = folder.removeprefix("round-")
            if number.isdigit() and int(number) >= len(self._stage.rounds):
                self._context.store.remove(f"{exchange(self._node)}/{folder}")


def _asks(asked: tuple[Keys, ...], shard: int) -> tuple[Slice, ...]:
    """Where the rows are that ask the documents of a shard."""
    found = (keys.slice(shard, shard + 1).rows for keys in asked)
    return tuple(rows for rows in found if rows.first < rows.last)


def _within(inputs: tuple[Keys, ...], cut: BucketRange) -> tuple[Input, ...]:
    """The rows of each file that belong to a range of keys; files without any are left out."""
    found = (keys.slice(cut.first, cut.last) for keys in inputs)
    return tuple(each for each in found if each.rows.first < each.rows.last)


def _totals(inputs: tuple[Keys, ...]) -> Any:
    """Rows in each bucket, over all inputs."""
    total = np.zeros(BUCKETS, np.int64)
    for keys in inputs:
        starts: Any = np.array(keys.buckets, np.int64)
        total += starts[1:] - starts[:-1]
    return total
