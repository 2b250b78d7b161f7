"""Makes the tasks of a line: for each shard, the stages from the first that is not current."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from datapipe.corpus.record import Record
from datapipe.engine.task import ShardTask, Step
from datapipe.recipe import Node
from datapipe.run.context import Context, Shard
from datapipe.run.lines import Line
from datapipe.run.paths import Path
from datapipe.stage import Group

__all__ = ["current", "exchange", "keys_current", "line_steps", "shard_tasks", "stale_shards"]

SET_ASIDE = ("crashed", "timed_out", "too_big")


def exchange(node: Node) -> str:
    """Where the records of a Group's keys stand."""
    return f"{node.name}/exchange"


def stale_shards(context: Context, line: Line, incoming: Sequence[tuple[Path, Shard]]) -> list[tuple[Path, Shard, int]]:
    """Shards on which a stage of the line is not current, and the number of the first; paths end before the line."""
    found = []
    for before, shard in incoming:
        start = _first_stale(context, line, before, shard)
        if start is not None:
            found.append((before, shard, start))
    return found


def shard_tasks(context: Context, line: Line, stale: Sequence[tuple[Path, Shard, int]]) -> Iterator[ShardTask]:
    """A task for each stale shard, made when it is its turn."""
    for before, shard, start in stale:
        done = before.then(*line.nodes[:start])
        steps = line_steps(context, Line(line.nodes[start:], line.emits), done, shard)
        yield ShardTask(context.store.url, context.base(done, shard), steps, context.limits)


def line_steps(context: Context, line: Line, done: Path, shard: Shard | None) -> tuple[Step, ...]:
    """The stages of a line as steps of a task; without a shard, for one that is still to be read."""
    steps = []
    path = done
    for node in line.nodes:
        path = path.then(node)
        values = context.values(path)
        verdicts = context.verdicts[node.name] if isinstance(node.stage, Group) else None
        steps.append(
            Step(
                call=context.paths.call(node),
                values=values,
                decision=context.paths.decision(node),
                owners=path.owners,
                where=node.where,
                resource=context.resource(node),
                old=context.state.get(node.name, shard.name, values) if shard else None,
                verdicts=verdicts.on(shard.name) if verdicts and shard else (),
            )
        )
    if line.emits is not None:
        path = path.then(line.emits)
        values = context.paths.keys(path)
        steps.append(
            Step(
                call=context.paths.call(line.emits),
                values=values,
                decision="",
                owners=path.owners,
                where=line.emits.where,
                resource=context.resource(line.emits),
                old=context.state.get(exchange(line.emits), shard.name, values) if shard else None,
                emits=True,
            )
        )
    return tuple(steps)


def _first_stale(context: Context, line: Line, before: Path, shard: Shard) -> int | None:
    """Number of the first stage of a line that is not current on a shard; None if all are."""
    last = context.record(before, shard)
    path = before
    for number, node in enumerate(line.nodes):
        path = path.then(node)
        record = context.state.get(node.name, shard.name, context.values(path))
        if record is None or not current(context, record, last, path):
            return number
        if record.shard not in context.state.of(node.name) or context.state.of(node.name)[record.shard] != record:
            context.state.adopt(record)
        last = record
    return None if line.emits is None or keys_current(context, path.then(line.emits), shard) else len(line.nodes)


def keys_current(context: Context, path: Path, shard: Shard) -> bool:
    """Whether the keys that a Group takes from a shard stand, in this run or one that it may reuse."""
    last = context.record(path.before(), shard)
    values = context.paths.keys(path)
    keys = context.state.get(exchange(path.last), shard.name, values)
    if keys is None or keys.values != values or keys.rows_in != last.rows_kept or keys.base != last.base:
        return False
    if context.state.of(exchange(path.last)).get(shard.name) != keys:
        context.state.adopt(keys)
    return True


def current(context: Context, record: Record, before: Record, path: Path) -> bool:
    """Whether a record holds today's values and decisions for the rows that come in today."""
    same = record.values == context.values(path) and record.decision == context.paths.decision(path.last)
    retry = context.limits.retry_failed and any(reason in record.dropped for reason in SET_ASIDE)
    return same and record.rows_in == before.rows_kept and record.base == before.base and not retry
