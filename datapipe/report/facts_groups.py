"""What a report says of groups of people that are mentioned, of benchmark items, and of personal data.

Costs what `lineage.bias` and `lineage.contamination` cost, and reading the counts of personal data.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.algo.mentions import QUANTILES, Mentions
from datapipe.algo.pii.risk import RISKS
from datapipe.errors import InputError, RunError
from datapipe.lineage import Bias, bias_of, contamination, looks_for_items, safe, tells_groups
from datapipe.recipe import Node
from datapipe.report.facts_stages import share_of
from datapipe.report.findings import Benchmark, Contamination, Entity, Fate, Groups, Mention, Personal, Word
from datapipe.report.walk import came_to
from datapipe.run.context import Context

__all__ = ["contamination_of", "groups_of", "personal_of"]

WORDS = 10


def groups_of(context: Context, *, words: int = WORDS) -> Groups | None:
    """What became of documents that mention groups; None where no stage tells groups, or none is done."""
    teller = next((node.name for node in context.recipe.nodes.values() if tells_groups(node)), None)
    if teller is None:
        return None
    for wanted in dict.fromkeys((words, 0)):  # texts may be read from an input that is not at hand
        with contextlib.suppress(InputError, RunError):
            return _groups(bias_of(context, teller, words=wanted))
    return None


def _groups(bias: Bias) -> Groups:
    return Groups(
        stage=bias.stage,
        score=bias.score,
        documents=bias.documents,
        judged=bias.judged,
        sampled=bias.sampled,
        mentions=tuple(_mention(each, bias) for each in bias.mentions),
    )


def _mention(each: Mentions, bias: Bias) -> Mention:
    names = [f"p{round(part * 100):02d}" for part in QUANTILES]
    words = bias.words.get(each.group, []) if each.group else []
    return Mention(
        group=each.group or "all",
        documents=each.documents,
        scored=each.scored,
        mean=None if math.isnan(each.mean) else each.mean,
        quantiles=dict(zip(names, each.quantiles, strict=True)) if each.scored else {},
        stages={
            stage: Fate(documents=left.total, kept=left.total - left.hit, share=_kept(left), alarm=False)
            for stage, left in each.removed.items()
        },
        words=tuple(Word(word=safe(word.word, lines=False), documents=word.documents, bits=word.pmi) for word in words),
    )


def _kept(left: Any) -> float | None:
    return share_of(left.total - left.hit, left.total)


# ---------------------------------------------------------------------------------------------- benchmarks


def contamination_of(context: Context) -> Contamination | None:
    """What the last stage that looks for items of benchmarks found; None where none has done anything."""
    for node in reversed(context.recipe.nodes.values()):
        if looks_for_items(node):
            with contextlib.suppress(InputError, RunError):
                return _contamination(context, node)
    return None


def _contamination(context: Context, node: Node) -> Contamination:
    found = contamination(context, node.name)
    return Contamination(
        stage=found.stage,
        total=found.left,
        documents=found.documents,
        holding=found.holding,
        benchmarks={safe(split.benchmark, lines=False): _benchmark(split) for split in found.splits},
    )


def _benchmark(split: Any) -> Benchmark:
    kinds: Counter[str] = Counter()
    for counts in split.found.values():
        kinds.update(kind for kind, number in counts.items() if number and kind != "documents")
    return Benchmark(
        items=len(split.identifiable),
        dirty=len(split.dirty),
        clean=len(split.clean),
        identifiable=sum(split.identifiable.values()),
        documents=sum(counts["documents"] for counts in split.found.values()),
        left=len(split.left),
        kinds=dict(sorted(kinds.items())),
    )


# ---------------------------------------------------------------------------------------------- personal data


def personal_of(context: Context) -> dict[str, Personal]:
    """By stage that counts personal data by type, what it found."""
    return {name: _personal(context, node) for name, node in context.recipe.nodes.items() if _counts(node)}


def _counts(node: Node) -> bool:
    adds = node.stage.adds_for(node.config)
    kind: Any = adds.field("counts").type if "counts" in adds.names else None
    fits = kind is not None and pa.types.is_list(kind) and pa.types.is_struct(kind.value_type)
    return fits and {"entity", "count"} <= {field.name for field in kind.value_type} and "severity" in adds.names


def _personal(context: Context, node: Node) -> Personal:
    found: Counter[str] = Counter()
    documents: Counter[str] = Counter()
    gravest: Counter[int] = Counter()
    looked = 0
    for seen in came_to(context, node):
        for given in seen.slices():
            lists = seen.values(f"{node.name}.counts", given.rows)
            severity = seen.values(f"{node.name}.severity", given.rows).filter(lists.is_valid())
            looked += len(severity)
            gravest.update(np.asarray(severity.fill_null(0)).tolist())
            flat = lists.flatten()
            rows = pa.table({"entity": flat.field("entity"), "count": flat.field("count")})
            summed = rows.group_by("entity").aggregate([("count", "sum"), ("count", "count")])
            for each in summed.to_pylist():
                found[each["entity"]] += each["count_sum"]
                documents[each["entity"]] += each["count_count"]
    entities = {name: _entity(name, number, documents[name]) for name, number in _ordered(found)}
    return Personal(
        documents=looked,
        holding=looked - gravest[0],
        found=sum(found.values()),
        entities=entities,
        severities={"none" if grade == 0 else str(grade): number for grade, number in sorted(gravest.items())},
    )


def _ordered(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def _entity(name: str, found: int, documents: int) -> Entity:
    risk = RISKS[name]
    return Entity(found=found, documents=documents, severity=risk.severity, category=risk.category)
