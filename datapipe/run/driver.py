"""Carries out a recipe: line by line, only what is not current, and then balances the books.

Everything that is current is left alone, so running again resumes by itself.
Memory of the driver: the records of the stages in hand.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from datapipe.corpus import lease
from datapipe.corpus.store import Store
from datapipe.engine.local import Engine
from datapipe.engine.task import Limits
from datapipe.errors import RunError
from datapipe.recipe import RESOLVED, Node, Recipe
from datapipe.run.audit import audit_run
from datapipe.run.context import Context
from datapipe.run.expanding import expand_shards, parents_of
from datapipe.run.gathering import gather_out
from datapipe.run.group import resolve
from datapipe.run.lines import Line, lines
from datapipe.run.onward import run_on
from datapipe.run.paths import Paths
from datapipe.run.prepare import prepare_resource
from datapipe.run.progress import Progress, Silent
from datapipe.run.reading import read_source
from datapipe.run.required import require_above
from datapipe.run.state import State, conserve
from datapipe.run.tasks import exchange
from datapipe.run.writing import sweep_out, write_out
from datapipe.stage import Expand, Group, Sink, Source

__all__ = ["open_run", "run_recipe"]


def open_run(
    recipe: Recipe,
    engine: Engine,
    progress: Progress | None = None,
    *,
    stages_dir: str | None = None,
    limits: Limits | None = None,
) -> Context:
    """What a run of the recipe needs; reads nothing yet."""
    store = Store(recipe.run)
    state = State(store, recipe.reuse)
    return Context(recipe, engine, progress or Silent(), store, state, Paths(recipe, stages_dir), limits or Limits())


def run_recipe(context: Context, only: Sequence[str] = ()) -> Context:
    """Run all stages that are not current, or of those named alone; earlier ones must then be done.

    Raises a DatapipeError when something cannot go on; what was finished stays and is not done again.
    """
    plan = lines(context.recipe, only)
    for line in plan:
        with contextlib.ExitStack() as leases:
            for node in [*line.nodes, *([line.emits] if line.emits else [])]:
                context.leases.append(leases.enter_context(lease.held(context.store, node.name)))
            _write_recipe(context)
            _run_line(context, line)
        context.leases.clear()
    audit_run(context)
    return context


def _write_recipe(context: Context) -> None:
    """Keep the recipe as resolved; only a driver that holds a lease may say what the run is."""
    text = context.recipe.resolved_yaml().encode()
    there = context.store.read("recipe.yaml") if context.store.exists("recipe.yaml") else b""
    if there and not there.startswith(RESOLVED.encode()):
        raise RunError(
            f"{context.store.path('recipe.yaml')} is no recipe that a run has written",
            remedy="let `run` name a folder of its own",
        )
    if there != text:
        context.store.write("recipe.yaml", text)


def _run_line(context: Context, line: Line) -> None:
    everything = [*line.nodes, *([line.emits] if line.emits else [])]
    for node in everything:
        context.state.of(node.name)  # as it stands before this line runs
        context.state.of(exchange(node))
    require_above(context, everything)
    for node in everything:
        prepare_resource(context, node)
    head = line.nodes[0] if line.nodes else None
    if head is not None and isinstance(head.stage, Group) and head.name not in context.verdicts:
        context.judge(head.name, resolve(context, head))
    rest = line
    if head is not None and isinstance(head.stage, Sink):
        (gather_out if head.stage.gather else write_out)(context, head)
    else:
        if head is not None and isinstance(head.stage, Source | Expand):
            if isinstance(head.stage, Source):
                read_source(context, line)
            else:
                expand_shards(context, head)
            rest = Line(line.nodes[1:], line.emits)
        run_on(context, rest)
    for node in line.nodes:
        _close(context, node)


def _close(context: Context, node: Node) -> None:
    """Check conservation over a stage, fold its records, and say what it is."""
    shards = context.incoming(node)
    for path, shard in shards:
        before = None if path.root.name == node.name else context.record(path.before(), shard)
        if isinstance(node.stage, Expand):
            conserve(context.state.of(parents_of(node))[shard.name], before)
            before = None
        conserve(context.record(path, shard), before)
    names = [shard.name for _, shard in shards]
    if isinstance(node.stage, Expand):
        context.records[parents_of(node)] = context.state.close(parents_of(node), names)
    context.records[node.name] = context.state.close(node.name, names)
    if isinstance(node.stage, Sink):
        sweep_out(context, node)
    if isinstance(node.stage, Group):
        context.state.close(exchange(node), names)
    about = {
        "stage": node.name,
        "use": node.use,
        "kind": node.stage.kind,
        "from": list(node.parents),
        "config": node.config.model_dump(mode="json"),
        "where": node.where.text if node.where else None,
        "values": {path.root.name: context.paths.payload(path) for path in context.paths.to(node.name)},
    }
    context.state.describe(node.name, about)
