"""Carries out the rounds of a Group: which ranges of keys, from which files, and what the verdicts rest on."""

from __future__ import annotations

from typing import Any

import numpy as np

from datapipe.corpus.exchange import BUCKETS, BucketRange, ranges
from datapipe.corpus.fingerprint import fingerprint
from datapipe.engine.resolve import Resolved, finished, run_resolve
from datapipe.engine.task import Keys, ResolveTask, Slice
from datapipe.recipe import Node
from datapipe.run.context import Context, Verdicts
from datapipe.run.tasks import exchange

__all__ = ["resolve", "resolved"]

RANGE_ROWS = 2_000_000  # of one task: about 100 MB of keys


def resolve(context: Context, node: Node) -> Verdicts:
    """Run all rounds of a Group over the keys of its shards; ranges that are done are not done again."""
    verdicts = _verdicts(context, node, run=True)
    assert verdicts is not None
    return verdicts


def resolved(context: Context, node: Node) -> Verdicts | None:
    """The verdicts of a Group whose rounds are all done; None if they are not."""
    return _verdicts(context, node, run=False)


def _verdicts(context: Context, node: Node, *, run: bool) -> Verdicts | None:
    stage: Any = node.stage
    incoming = context.incoming(node)
    records = [context.state.of(exchange(node))[shard.name] for _, shard in incoming]
    what = {
        "stage": {path.root_key: context.paths.keys(path) for path, _ in incoming},
        "documents": [[record.shard, record.base, record.rows_in] for record in records],
    }
    rests_on = fingerprint(what)
    inputs = tuple(Keys(record.layer[0], tuple(record.buckets or ()), number) for number, record in enumerate(records))
    rounds = len(stage.rounds) + (stage.settle is not None)
    for number in range(rounds):
        whole = number == len(stage.rounds)
        cuts = [BucketRange(0, BUCKETS)] if whole else ranges(_totals(inputs), RANGE_ROWS)
        last = number == rounds - 1
        tasks = [
            ResolveTask(
                run=context.store.url,
                call=context.paths.call(node),
                round=number,
                keys=cut,
                inputs=_within(inputs, cut),
                fingerprint=fingerprint({"of": rests_on, "round": number, "keys": cut.name}),
                shards=len(incoming),
                last=last,
            )
            for cut in cuts
        ]
        found = {task.fingerprint: finished(context.store, task) for task in tasks}
        missing = [task for task in tasks if found[task.fingerprint] is None]
        if missing and not run:
            return None
        if missing:  # else no worker need start
            found.update((result.fingerprint, result) for result in context.engine.map(run_resolve, missing))
        results = [result for task in tasks if (result := found[task.fingerprint])]
        if missing:
            _sweep(context, f"{exchange(node)}/round-{number}", {f"{task.keys.name}.json" for task in tasks}, results)
        inputs = tuple(
            Keys(part, buckets, None)
            for result in results
            for part, buckets in zip(result.parts, result.buckets, strict=True)
        )
    numbers = {shard.name: number for number, (_, shard) in enumerate(incoming)}
    return Verdicts(inputs, rests_on, numbers)


def _sweep(context: Context, folder: str, named: set[str], results: list[Resolved]) -> None:
    """Remove the files of a round that its ranges of keys do not have today."""
    named |= {part.path.rpartition("/")[2] for result in results for part in result.parts}
    for name in context.store.names(folder):
        if name not in named and not name.startswith("."):
            context.store.remove(f"{folder}/{name}")


def _within(inputs: tuple[Keys, ...], cut: BucketRange) -> tuple[tuple[Slice, int | None], ...]:
    """The rows of each file that belong to a range of keys; files without any are left out."""
    found = ((Slice(keys.part, keys.buckets[cut.first], keys.buckets[cut.last]), keys.shard) for keys in inputs)
    return tuple((rows, shard) for rows, shard in found if rows.first < rows.last)


def _totals(inputs: tuple[Keys, ...]) -> Any:
    """Rows in each bucket, over all inputs."""
    total = np.zeros(BUCKETS, np.int64)
    for keys in inputs:
        starts: Any = np.array(keys.buckets, np.int64)
        total += starts[1:] - starts[:-1]
    return total
