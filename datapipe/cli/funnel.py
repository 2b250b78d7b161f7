"""The closing funnel of a run: documents, bytes and the share kept by each stage, and why documents left."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from datapipe.corpus.layer import TableFile
from datapipe.recipe import Node, Recipe
from datapipe.run.context import Context
from datapipe.run.paths import Path
from datapipe.run.state import totals
from datapipe.schema import qualified
from datapipe.stage import Deciding, IndexedConfig, Source
from datapipe.units import say_bytes

__all__ = ["empty_sources", "heavy_losses", "idle_stages", "notices", "print_funnel", "troubles"]

_LANGUAGE = "language"
_SIZES = ("cluster_size", "copies")  # columns in which a Group tells how many documents are alike
TROUBLES = frozenset({"damaged_input", "crashed", "timed_out", "too_big"})


def print_funnel(context: Context, console: Console) -> None:
    """Print one row a stage, and below it one for each reason."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("stage")
    for name in ("documents in", "kept", "share", "input kept", "measured now"):
        table.add_column(name, justify="right")
    for name, records in context.records.items():
        sums = totals(list(records.values()))
        came, kept = sums["documents_in"], sums["documents_kept"]
        share = f"{kept / came:.1%}" if came else "–"
        measured = context.measured.get(name, 0)
        table.add_row(
            name, f"{came:,}", f"{kept:,}", share, say_bytes(sums["bytes_kept"]), f"{measured:,}", style="bold"
        )
        for reason, count in sums["dropped"].items():
            table.add_row(f"  {reason}", "", f"-{count:,}", f"{count / came:.1%}", "", "", style="dim")
        for passed in ("not_applied", "not_judged"):
            if sums[passed]:
                table.add_row(f"  {passed}", "", f"{sums[passed]:,}", "", "", "", style="dim italic")
    console.print(table)


def troubles(context: Context) -> dict[str, int]:
    """How many documents could not be read, or were set aside because a stage failed on them, by reason."""
    found: dict[str, int] = {}
    for records in context.records.values():
        for record in records.values():
            for reason in TROUBLES & record.dropped.keys():
                found[reason] = found.get(reason, 0) + record.dropped[reason].documents
    return dict(sorted(found.items()))


def empty_sources(context: Context) -> list[str]:
    """A line for each source whose files hold no record."""
    found = []
    for name, records in context.records.items():
        node = context.recipe.nodes.get(name)
        if node is None or not isinstance(node.stage, Source) or totals(list(records.values()))["documents_in"]:
            continue
        sizes = {file.name: file.size for record in records.values() if record.split for file in record.split.files}
        files = f"{len(sizes):,} file{'' if len(sizes) == 1 else 's'} of {say_bytes(sum(sizes.values()))}"
        found.append(f"{name} ({node.use}) met no record in {files}; look whether they are the ones that are meant")
    return found


def idle_stages(context: Context) -> list[str]:
    """A line for each stage that judged none of the documents it was to judge: it let all of them pass unseen."""
    found = []
    for name, records in context.records.items():
        sums = totals(list(records.values()))
        asked = sums["documents_in"] - sums["not_applied"]
        if 0 < asked == sums["not_judged"]:
            use = context.recipe.nodes[name].use if name in context.recipe.nodes else name
            asked_of = f"{asked:,} document{'' if asked == 1 else 's'}"
            found.append(f"{name} ({use}) judged none of its {asked_of}; {_remedy(context, name, use)}")
    return found


def _remedy(context: Context, name: str, use: str) -> str:
    node = context.recipe.nodes.get(name)
    if node is None or _LANGUAGE not in node.stage.reads_for(node.config):
        return f"what it asks of them: datapipe stages {use}"
    above = [each for path in context.paths.to(name) for each in path.nodes[:-1] if not isinstance(each.stage, Source)]
    if any(_LANGUAGE in each.stage.adds_for(each.config).names for each in above):
        return f"which languages it knows: datapipe stages {use}"
    return "it asks for their language: put a stage {use: filter.language} above it"


def notices(recipe: Recipe, sums: dict[str, dict[str, Any]]) -> list[str]:
    """What stages say of all documents that they kept; `sums`: the totals of each by name."""
    found = []
    for name, node in recipe.nodes.items():
        told = sums.get(name, {}).get("sums")
        if told and isinstance(node.stage, Deciding) and node.stage.notice is not None:
            line = node.stage.notice.say(told, node.config)
            found += [f"{name} ({node.use}): {line}"] if line else []
    return found


def heavy_losses(context: Context) -> list[str]:
    """A line for each source of which a stage that compares documents let go more than its `alarm`."""
    found = []
    for name, records in context.records.items():
        node = context.recipe.nodes.get(name)
        if node is None or not isinstance(node.config, IndexedConfig) or node.config.alarm is None:
            continue
        came: Counter[str] = Counter()
        left: Counter[str] = Counter()
        for path, shard in context.incoming(node):
            record = records[shard.name]
            came[_source(path)] += record.incoming.documents
            left[_source(path)] += record.incoming.documents - record.kept.documents
        heavy = [source for source in came if left[source] > node.config.alarm * came[source]]
        found += [_loss(context, node, source, (left[source], came[source])) for source in heavy]
    return found


def _source(path: Path) -> str:
    """The name of the source that documents of a path come from."""
    while path.origin is not None:
        path = path.origin
    config: Any = path.root.config
    return str(config.source)


def _loss(context: Context, node: Node, source: str, counts: tuple[int, int]) -> str:
    left, came = counts
    assert isinstance(node.config, IndexedConfig)
    records = context.records[node.name].values()
    size = _largest(context, node)
    most = f"; the largest cluster holds {size:,}" if size else ""
    (reason, *_) = totals(list(records))["dropped"]
    return (
        f"{node.name} ({node.use}) dropped {left:,} of {came:,} documents of source {source!r} ({left / came:.1%}; "
        f"alarm: {node.config.alarm:g}){most}; see: datapipe show {shlex.quote(context.recipe.run)} --reason {reason}"
    )


def _largest(context: Context, node: Node) -> int | None:
    """How many documents the largest cluster holds, from the footers of the layers."""
    names = [name for name in _SIZES if name in node.stage.adds_for(node.config).names]
    files = [TableFile(context.store, part) for record in context.records[node.name].values() for part in record.layer]
    sizes = [file.greatest(qualified(name, node.name)) for name in names for file in files if file.part.rows]
    return max((size for size in sizes if size is not None), default=None)
