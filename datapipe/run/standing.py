"""How far a run is: per stage what is done, what is stale and why, and who works on it.

Reads records and leases alone, so it can be asked from any shell while a run goes on, and without the input.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from datapipe.corpus.fingerprint import config_by_role, difference
from datapipe.corpus.lease import holder
from datapipe.corpus.record import Record
from datapipe.errors import DatapipeError
from datapipe.recipe import Node, Recipe
from datapipe.run.context import Context, Shard
from datapipe.run.expanding import parents_of
from datapipe.run.group import rests_on
from datapipe.run.paths import Path
from datapipe.run.reopen import standing, view
from datapipe.run.state import totals
from datapipe.run.tasks import current, exchange
from datapipe.run.writing import sink_values
from datapipe.stage import Expand, Group, Sink, Source

__all__ = ["StageState", "run_state", "stage_states"]


@dataclass(frozen=True)
class StageState:
    """One stage of a run. `state` is `done`, `partly`, `stale` or `not started`."""

    name: str
    use: str
    state: str
    done: int  # shards that are as a run would make them today
    shards: int
    causes: tuple[str, ...] = ()  # why shards are stale
    holder: str | None = None
    totals: dict[str, Any] = field(default_factory=dict)  # of all shards there are, stale or not
    bytes: int = 0  # on disk
    exchange_bytes: int = 0  # of them what a Group keeps to compare documents: keys, rounds, what is measured
    seconds: float = 0.0  # of all tasks together

    @property
    def text(self) -> str:
        """In a few words."""
        parts = f"{self.done} of {self.shards} shards"
        said = {"partly": f"partly, {parts}", "stale": f"stale ({parts} current)"}.get(self.state, self.state)
        why = f": {'; '.join(self.causes)}" if self.causes else ""
        who = f", being run by {self.holder}" if self.holder else ""
        return f"{said}{why}{who}"


def run_state(recipe: Recipe) -> list[StageState]:
    """How far the run folder of a recipe is, by stage, in the order of the recipe."""
    return stage_states(view(recipe))


def stage_states(context: Context) -> list[StageState]:
    """How far an opened run is."""
    sound: set[tuple[str, str, str]] = set()  # (root, stage, shard) that are as they should be, all before included
    return [_state(context, node, sound) for node in context.recipe.nodes.values()]


def _state(context: Context, node: Node, sound: set[tuple[str, str, str]]) -> StageState:
    causes: dict[str, None] = {}
    done = shards = found = 0
    for path, shard in context.incoming(node):
        shards += 1
        record = _own(context, path, shard)
        if record is None:
            continue
        found += 1
        why = list(_stale(context, path, shard, record))
        above = _above(path)
        if not why and above is not None and (above.root_key, above.last.name, shard.name) not in sound:
            why = [f"{above.last.name!r} above is not done"]
        if not why:
            done += 1
            sound.add((path.root_key, node.name, shard.name))
        causes.update(dict.fromkeys(why))
    if done and not causes and (why_earlier := _earlier(context, node)):
        causes, done = {why_earlier: None}, 0
        sound -= {each for each in sound if each[1] == node.name}
    stands = _records(context, node)
    exchanged = context.store.folder_size(exchange(node)) if isinstance(node.stage, Group) else 0
    return StageState(
        node.name,
        node.use,
        _word(context, node, (done, found, shards), stale=bool(causes)),
        done,
        shards,
        tuple(causes),
        holder(context.store, node.name),
        totals([record for record in stands if record.stage == node.name]),
        exchanged
        + sum(p.bytes for record in stands if record.stage != exchange(node) for p in record.parts if not p.run),
        exchanged,
        sum(record.work.seconds for record in stands),
    )


def _above(path: Path) -> Path | None:
    """How documents came to the stage before the last; that of an Expand's children is the Expand."""
    before = path.before()
    if len(before.nodes) > 1:
        return before
    return path.origin if path.origin is not None else before if before.nodes else None


def _word(context: Context, node: Node, counts: tuple[int, int, int], *, stale: bool) -> str:
    done, found, shards = counts
    if not found:
        return "not started"
    if stale:
        return "stale"
    if done < shards or (isinstance(node.stage, Source) and not context.store.exists(f"{node.name}/stage.json")):
        return "partly"
    return "done"


def _records(context: Context, node: Node) -> list[Record]:
    folders = [node.name]
    folders += [exchange(node)] if isinstance(node.stage, Group) else []
    folders += [parents_of(node)] if isinstance(node.stage, Expand) else []
    return [record for folder in folders for record in context.state.of(folder).values()]


def _own(context: Context, path: Path, shard: Shard) -> Record | None:
    if isinstance(path.last.stage, Expand):
        record = context.state.of(parents_of(path.last)).get(shard.name)
        return record if record is not None and record.base == shard.record.base else None
    return standing(context, path, shard)


def _earlier(context: Context, node: Node) -> str | None:
    """What has become of the runs that a finished stage is compared with, if they are not as they were."""
    if not getattr(node.config, "against", ()):
        return None
    try:
        today = rests_on(context, node)
    except DatapipeError as error:
        return error.message
    stands = context.state.of(node.name).values()
    same = all(record.values.endswith(f"-{today}") for record in stands)
    return None if same else "an earlier run that it is compared with has changed"


def _stale(context: Context, path: Path, shard: Shard, record: Record) -> Iterator[str]:
    """Why a record is not what a run would write today."""
    node = path.last
    if not context.state.intact(record):
        yield "what another run lent is gone, or made anew there"
        return
    before = None if len(path.nodes) == 1 else standing(context, path.before(), shard)
    if record.values != _values(context, path):
        yield from _changed(context, path)
    if isinstance(node.stage, Sink | Expand):
        if before is not None and record.rows_in != before.rows_kept:
            yield "other documents come in"
        return
    if record.decision != context.paths.decision(node):
        yield from _redecided(context, node)
    if before is not None and not current(context, record, before, path) and record.rows_in != before.rows_kept:
        yield "other documents come in"


def _values(context: Context, path: Path) -> str:
    if isinstance(path.last.stage, Sink):
        return sink_values(context, path)
    return context.values(path)


def _changed(context: Context, path: Path) -> Iterator[str]:
    """Which settings, versions or columns differ from those that the layer was made with."""
    old = _about(context, path.last).get("values", {}).get(path.root.name)
    if old is None:
        yield "made with other settings"
        return
    lines = difference(old, json.loads(json.dumps(context.paths.payload(path))))
    plain = [line.removeprefix("config.") for line in lines if not line.startswith("reads.")]
    yield from plain
    if not plain:
        made = [line.removeprefix("reads.").partition(":")[0] for line in lines]
        yield f"made anew above: {', '.join(made)}" if made else "made with other settings or documents"


def _redecided(context: Context, node: Node) -> Iterator[str]:
    new = config_by_role(node.config, "decide")
    stored = _about(context, node).get("config", {})
    lines = difference({key: stored.get(key) for key in new}, new) if stored else []
    yield from lines or ["decided with other settings or data files"]


def _about(context: Context, node: Node) -> dict[str, Any]:
    name = f"{node.name}/stage.json"
    about: dict[str, Any] = json.loads(context.store.read(name)) if context.store.exists(name) else {}
    return about
