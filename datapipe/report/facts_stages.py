"""What a report says of stages, sources and the run itself; counts come from records, the rest from layers.

Costs reading the records, and of each stage the columns that are measured (`datapipe.report.measures`).
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import xxhash

import datapipe
from datapipe.lineage import mask_url
from datapipe.recipe import Cluster, Node
from datapipe.report.categories import Counted, hosts
from datapipe.report.findings import Alarm, Fate, SourceFacts
from datapipe.report.measures import TOKENS, measured
from datapipe.report.model import Amount, Corpus, RunFacts, StageFacts, WorkFacts
from datapipe.report.walk import Seen, came_to, source_of
from datapipe.run.context import Context
from datapipe.run.paths import Path
from datapipe.run.reopen import standing
from datapipe.run.standing import StageState
from datapipe.run.state import totals
from datapipe.schema import FRAMEWORK_REASONS
from datapipe.stage import Expand, IndexedConfig, Sink, Source

__all__ = ["alarms_of", "corpus_of", "last_stages", "run_facts", "share_of", "sources_of", "stage_facts", "work_facts"]

SHOWN = ("language", "source", "kind", "host")


def share_of(part: int, whole: int) -> float | None:
    """`part` of `whole`; None of nothing."""
    return part / whole if whole else None


# ---------------------------------------------------------------------------------------------- the run


def run_facts(context: Context, states: list[StageState]) -> RunFacts:
    """Which run this is."""
    recipe = context.recipe
    head = recipe.head.model_copy(update={"run": "-", "cluster": Cluster()})
    text = dataclasses.replace(recipe, head=head).resolved_yaml()
    sources = (node for node in recipe.nodes.values() if isinstance(node.stage, Source))
    unfinished = {state.name: mask_url(state.text) for state in states if state.state != "done"}
    return RunFacts(
        name=mask_url(recipe.run.rstrip("/").rpartition("/")[2]),
        description=None if head.description is None else mask_url(head.description),
        recipe=xxhash.xxh3_128_hexdigest(text.encode()),
        seed=recipe.seed,
        versions=_versions(context),
        inputs={node.name: tuple(mask_url(path) for path in _paths(node)) for node in sources},
        reuse=tuple(mask_url(url) for url in recipe.reuse),
        complete=not unfinished,
        unfinished=unfinished,
    )


def _paths(node: Node) -> tuple[str, ...]:
    config: Any = node.config
    return tuple(config.paths)


def _versions(context: Context) -> dict[str, str]:
    """What the stages that are there were made with."""
    found: dict[str, str] = {}
    for name in context.recipe.nodes:
        about = f"{name}/stage.json"
        told = json.loads(context.store.read(about)) if context.store.exists(about) else {}
        for payload in told.get("values", {}).values():
            found |= payload.get("libraries", {})
    return {"datapipe": datapipe.__version__, **dict(sorted(found.items()))}


# ---------------------------------------------------------------------------------------------- stages


def stage_facts(context: Context, node: Node, state: StageState) -> StageFacts:
    """One stage."""
    seen = list(came_to(context, node))
    sums = totals([each.record for each in seen])
    found = measured(context, node)
    came, stayed = found.tokens or (None, None)
    documents, kept = sums["documents_in"], sums["documents_kept"]
    return StageFacts(
        use=node.use,
        kind=node.stage.kind,  # type: ignore[arg-type]
        version=node.stage.version,
        parents=node.parents,
        options=_masked(node.config.model_dump(mode="json")),
        state=state.state,  # type: ignore[arg-type]
        shards=len(seen),
        came=Amount(documents=documents, bytes=sums["bytes_in"], tokens=came),
        stayed=Amount(documents=kept, bytes=sums["bytes_kept"], tokens=stayed),
        kept=share_of(kept, documents),
        made=_made(context, node),
        dropped=sums["dropped"],
        meanings={reason: _meaning(node, reason) for reason in sums["dropped"]},
        not_applied=sums["not_applied"],
        not_judged=sums["not_judged"],
        measures=found.measures,
        categories=found.categories,
    )


def _masked(value: Any) -> Any:
    """The value with all texts in it masked."""
    if isinstance(value, str):
        return mask_url(value)
    if isinstance(value, dict):
        return {mask_url(str(key)): _masked(each) for key, each in value.items()}
    return [_masked(each) for each in value] if isinstance(value, list | tuple) else value


def _meaning(node: Node, reason: str) -> str:
    return node.stage.reasons.get(reason) or FRAMEWORK_REASONS.get(reason, "nothing was made of it")


def _made(context: Context, node: Node) -> Amount | None:
    if not isinstance(node.stage, Expand):
        return None
    return _amount(list(_ending(context, node)))


def work_facts(context: Context, state: StageState) -> WorkFacts:
    """What a stage took."""
    processed = sum(record.work.processed for record in context.state.of(state.name).values())
    return WorkFacts(
        seconds=round(state.seconds, 3),
        documents_per_second=processed / state.seconds if processed and state.seconds else None,
        processed=processed,
        disk_bytes=state.bytes,
        exchange_bytes=state.exchange_bytes,
    )


# ---------------------------------------------------------------------------------------------- what stands at the end


def last_stages(context: Context) -> list[Node]:
    """Stages whose documents no other stage takes on; those that only write do not count."""
    nodes = context.recipe.nodes
    taken = {parent for node in nodes.values() if not isinstance(node.stage, Sink) for parent in node.parents}
    return [node for name, node in nodes.items() if name not in taken and not isinstance(node.stage, Sink)]


def _ending(context: Context, node: Node) -> Iterator[Seen]:
    """The shards of the documents that a stage lets on; of an Expand, those that it made."""
    for path in context.paths.onward(node.name):
        for shard in context.shards[path.root_key]:
            record = standing(context, path, shard)
            if record is not None:
                yield Seen(context, path, shard, record)


def corpus_of(context: Context) -> Corpus:
    """What stands at the end."""
    last = last_stages(context)
    seen = [each for node in last for each in _ending(context, node)]
    counted = {name: Counted(name) for name in SHOWN}
    for each in seen:
        for given in each.slices():
            for name, counts in counted.items():
                column = "url" if name == "host" else name
                if column in each.path.owners_after:
                    values = each.values(column, given.rows)
                    counts.add(hosts(values) if name == "host" else values, given.kept)
    return Corpus(
        stages=tuple(node.name for node in last),
        amount=_amount(seen),
        categories={name: facts for name, counts in counted.items() if (facts := counts.facts()) is not None},
    )


def _amount(seen: list[Seen]) -> Amount:
    tokens = None
    for each in seen:
        if TOKENS in each.path.owners_after:
            counts = (each.values(TOKENS, given.rows[given.kept]) for given in each.slices())
            tokens = (tokens or 0) + sum(int(values.fill_null(0).to_numpy().sum()) for values in counts)
    return Amount(
        documents=sum(each.record.kept.documents for each in seen),
        bytes=sum(each.record.bytes_kept for each in seen),
        tokens=tokens,
    )


# ---------------------------------------------------------------------------------------------- sources


def sources_of(context: Context) -> dict[str, SourceFacts]:
    """By source what each stage left of it, from the records alone."""
    came: dict[str, Counter[str]] = {}
    kept: dict[str, Counter[str]] = {}
    made: set[str] = set()  # sources of which documents were made of others
    for name, node in context.recipe.nodes.items():
        for seen in () if isinstance(node.stage, Sink) else came_to(context, node):
            source = source_of(seen.path)
            _add(came.setdefault(source, Counter()), name, seen.record.incoming.documents)
            _add(kept.setdefault(source, Counter()), name, seen.record.kept.documents)
            if seen.path.origin is not None:
                made.add(source)
    last = [node.name for node in last_stages(context)]
    found = {}
    for source, counts in came.items():
        read = sum(counts[name] for name in _readers(context, source))
        left = max((kept[source][name] for name in last), default=0)
        stages = {name: _fate(context, name, (counts[name], kept[source][name])) for name in counts}
        share = None if source in made else share_of(left, read)
        found[source] = SourceFacts(documents=read, kept=left, share=share, stages=stages)
    return found


def _add(counts: Counter[str], name: str, number: int) -> None:
    counts[name] += number


def _readers(context: Context, source: str) -> list[str]:
    nodes = (node for node in context.recipe.nodes.values() if isinstance(node.stage, Source))
    return [node.name for node in nodes if source_of(Path((node,))) == source]


def _fate(context: Context, stage: str, counts: tuple[int, int]) -> Fate:
    documents, kept = counts
    limit = _alarm(context, stage)
    alarm = limit is not None and documents - kept > limit * documents
    return Fate(documents=documents, kept=kept, share=share_of(kept, documents), alarm=alarm)


def _alarm(context: Context, stage: str) -> float | None:
    config = context.recipe.nodes[stage].config
    return config.alarm if isinstance(config, IndexedConfig) else None


def alarms_of(context: Context, sources: dict[str, SourceFacts]) -> tuple[Alarm, ...]:
    """The stages that took more of a source than they may, in the order of the recipe."""
    found = []
    for stage in context.recipe.nodes:
        for source, facts in sources.items():
            fate, limit = facts.stages.get(stage), _alarm(context, stage)
            if fate is not None and fate.alarm and limit is not None:
                dropped = fate.documents - fate.kept
                found.append(Alarm(stage=stage, source=source, documents=fate.documents, dropped=dropped, limit=limit))
    return tuple(found)
