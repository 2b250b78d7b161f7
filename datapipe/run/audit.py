"""Audits stages: plants cases that they ought to find, lets each stage judge its own, and says how many it found.

It comes after the run: cases are made of the documents that came to a stage, and nothing of them enters a resource, a
verdict on a real document, or a Sink. What is counted stands in `audit.json`, by stage; all else below `audit/`.
Costs, for a stage: a look at all ids, reading the chosen documents, and of a Group reading its keys once more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from datapipe.algo.interval import wilson
from datapipe.corpus import lease
from datapipe.corpus.fingerprint import fingerprint
from datapipe.corpus.record import write_json
from datapipe.corpus.store import Store
from datapipe.engine.planting import Kinds, OutcomeTask, PlantTask, run_outcome, run_plant
from datapipe.recipe import Node
from datapipe.run.context import Context, Shard
from datapipe.run.lines import Line
from datapipe.run.onward import run_on
from datapipe.run.side import AUDIT, PLANTED, SideContext, side_of
from datapipe.run.state import conserve
from datapipe.run.tasks import exchange
from datapipe.stage import Group

__all__ = ["RESULT", "audit_result", "audit_run"]

RESULT = "audit.json"
OUTCOME = "outcome.json"
DECIMALS = 4


def audit_result(store: Store) -> dict[str, Any]:
    """What an audit found, by stage: see `audit_run`; empty where there was none."""
    found: dict[str, Any] = json.loads(store.read(RESULT)) if store.exists(RESULT) else {}
    return found


def audit_run(context: Context) -> None:
    """Audit the stages that this command has run and that the recipe wants audited, and write `audit.json`.

    There stand by stage, and in `kinds` by kind of case: how many cases were `planted`, of them `judged` (not left out
    by `where`), and of those `found`; the share found as `recall`, and between `recall_low` and `recall_high` its 95%
    interval; null where none was judged.
    """
    audit = context.recipe.head.audit
    wanted = context.recipe.audited
    mine = [node for node in wanted if node.name in context.records]
    if audit is None or not mine:
        return
    with lease.held(context.store, AUDIT) as held:
        context.leases.append(held)
        old = audit_result(context.store)
        found = {node.name: old[node.name] for node in wanted if node.name in old}
        for node in mine:
            found[node.name] = {"use": node.use, "rate": audit.rate, **_told(_audit(context, node, audit.rate))}
        write_json(context.store, RESULT, {node.name: found[node.name] for node in wanted if node.name in found})
        for name in context.store.folders(AUDIT):
            if name not in {node.name for node in wanted}:
                context.store.remove(f"{AUDIT}/{name}")
        context.leases.clear()


def _audit(context: Context, node: Node, rate: float) -> Kinds:
    side = side_of(context, node, rate=rate)
    _plant(side)
    if not any(side.shards.values()):
        return {}
    context.progress.note(f"auditing {node.name}")
    if isinstance(node.stage, Group):
        run_on(side, Line((), side.node))
    run_on(side, Line((side.node,)))
    _close(side)
    return _outcome(side)


# ---------------------------------------------------------------------------------------------- the side corpus


def _plant(side: SideContext) -> None:
    """Plant cases in every shard of the run that is not as it was, and list the shards that hold any."""
    tasks = list(_tasks(side))
    side.carry_out((), run_plant, tasks, count=len(tasks))
    side.shards = {begin.root_key: [] for begin in side.paths.onward(PLANTED)}
    names = []
    for begin, shard, _ in side.sources():
        names.append(shard.name)
        record = side.state.of(PLANTED)[shard.name]
        if record.incoming.documents:
            side.shards[begin.root_key].append(Shard(begin.root, record, None, shard))
    side.state.close(PLANTED, names)


def _tasks(side: SideContext) -> Iterator[PlantTask]:
    settings: Any = side.recipe.nodes[PLANTED].config
    for begin, shard, base in side.sources():
        before = base.layers.get(base.previous, base.record)
        state = fingerprint({"base": before.base, "rows": before.rows_kept})
        old = side.state.of(PLANTED).get(shard.name)
        values = side.values(begin)
        if old is not None and (old.values, old.decision) == (values, state):
            continue
        assert begin.origin is not None
        yield PlantTask(
            run=side.store.url,
            base=base,
            call=side.paths.call(side.audited),
            name=PLANTED,
            owners=_covered_first(side.audited, begin.origin.owners),
            where=side.audited.where,
            values=values,
            state=state,
            rate=settings.rate,
            seed=settings.seed,
            resource=side.resource(side.audited),
            old=old,
        )


def _covered_first(node: Node, owners: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Who holds each column of the documents beside which cases are planted: what a cover takes out must not return."""
    cover = getattr(node.stage, "cover", None)
    covered = [name for name in cover.columns(node.config) if name in owners] if cover else []
    return owners | {name: (node.name, *owners[name]) for name in covered}


def _close(side: SideContext) -> None:
    """Check that no case was lost, and fold the records."""
    shards = side.incoming(side.node)
    for path, shard in shards:
        conserve(side.record(path, shard), shard.record)
    names = [shard.name for _, shard in shards]
    side.state.close(side.node.name, names)
    if isinstance(side.node.stage, Group):
        side.state.close(exchange(side.node), names)


# ---------------------------------------------------------------------------------------------- what was found


def _outcome(side: SideContext) -> Kinds:
    """By kind, in order of name; counted anew only where something changed."""
    shards = side.incoming(side.node)
    records = [side.record(path, shard) for path, shard in shards]
    key = fingerprint(
        {"judged": [[record.shard, record.base, record.values, record.decision, record.rows_in] for record in records]}
    )
    known = json.loads(side.store.read(OUTCOME)) if side.store.exists(OUTCOME) else {}
    if known.get("fingerprint") == key:
        kinds: Kinds = known["kinds"]
        return kinds
    call = side.paths.call(side.node)
    tasks = (OutcomeTask(side.store.url, side.base(path, shard), call) for path, shard in shards)
    total: Kinds = {}
    for _, counts in side.engine.map(run_outcome, tasks):
        for kind, numbers in counts.items():
            of = total.setdefault(kind, dict.fromkeys(numbers, 0))
            for name, number in numbers.items():
                of[name] += number
    total = dict(sorted(total.items()))
    write_json(side.store, OUTCOME, {"fingerprint": key, "kinds": total})
    return total


def _told(kinds: Kinds) -> dict[str, Any]:
    names = ("planted", "judged", "found")
    everything = {name: sum(numbers[name] for numbers in kinds.values()) for name in names}
    return {**_with_recall(everything), "kinds": {kind: _with_recall(numbers) for kind, numbers in kinds.items()}}


def _with_recall(numbers: dict[str, int]) -> dict[str, Any]:
    found, judged = numbers["found"], numbers["judged"]
    low, high = wilson(found, judged)
    recall = (found / judged, low, high) if judged else (None, None, None)
    names = ("recall", "recall_low", "recall_high")
    return {**numbers, **{n: None if v is None else round(v, DECIMALS) for n, v in zip(names, recall, strict=True)}}
