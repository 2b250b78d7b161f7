"""A side corpus beside a run: planted cases that come to one stage as its documents do, in a run folder of their own.

To the paths of the recipe the cases are children of the documents that they are made of; the stages above, their
layers and resources are those of the run, named from the side corpus and only read. A Group compares the cases with
the run as if that were an earlier one.
Costs nothing: look-ups.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pyarrow as pa

from datapipe.corpus.record import Record
from datapipe.corpus.store import Store
from datapipe.engine.planting import CASE, HIDDEN
from datapipe.engine.task import BaseShard
from datapipe.recipe import Node
from datapipe.run.context import Context, Shard
from datapipe.run.earlier import from_here
from datapipe.run.paths import Path
from datapipe.run.progress import Silent
from datapipe.run.state import State, lent
from datapipe.run.tasks import exchange
from datapipe.schema import COLUMNS
from datapipe.stage import Expand, Group, IndexedConfig, StageConfig, measure, schema

__all__ = ["AUDIT", "PLANTED", "SideContext", "side_of"]

AUDIT = "audit"  # folder of the run, and its lease
PLANTED = "planted-cases"  # no stage of a recipe can be called so


class _Planted(StageConfig):
    """What the cases depend on, besides the documents."""

    rate: float = measure(description="share of the documents of which a case is made")
    seed: int = measure(description="of the choice, and of what is made of them")
    of: str = measure(description="the config of the stage that is audited")


@dataclass
class SideContext(Context):
    """The side corpus of one stage; `real` is the run, `audited` the stage in it."""

    real: Context = field(kw_only=True)
    audited: Node = field(kw_only=True)
    back: str = field(kw_only=True)  # the run's folder, from here

    @property
    def node(self) -> Node:
        """The stage as the cases meet it."""
        return self.recipe.nodes[self.audited.name]

    def resource(self, node: Node) -> str | None:
        """The folder of a stage's resource: the run's own."""
        return self.real.resource(self.real.recipe.nodes[node.name])

    def finished(self, node: Node) -> list[tuple[Path, Shard, Record]]:
        """The run's shards with the keys that the Group took from them."""
        if not isinstance(node.stage, Group):
            return []
        keys = self.real.state.of(exchange(self.audited))
        return [
            (path, self.lent(shard), lent(keys[shard.name], self.back))
            for path, shard in self.real.incoming(self.audited)
        ]

    def lent(self, shard: Shard) -> Shard:
        """A shard of the run, named from here."""
        parent = self.lent(shard.parent) if shard.parent is not None else None
        return dataclasses.replace(shard, record=lent(shard.record, self.back), parent=parent)

    def sources(self) -> Iterator[tuple[Path, Shard, BaseShard]]:
        """The run's shards that cases are made of: how the cases begin, the shard, and its documents.

        Those are what a Map kept, so that no case is found for what stood in its document before; of a Group, all.
        """
        begins = {path.origin.root_key: path for path in self.paths.onward(PLANTED) if path.origin is not None}
        for path, shard in self.real.incoming(self.audited):
            last = path.before() if isinstance(self.audited.stage, Group) else path
            yield begins[path.root_key], self.lent(shard), _lent_base(self.real.base(last, shard), self.back)


def _lent_base(base: BaseShard, back: str) -> BaseShard:
    parent = base.parent
    return dataclasses.replace(
        base,
        record=lent(base.record, back),
        layers={name: lent(record, back) for name, record in base.layers.items()},
        parent=parent and dataclasses.replace(parent, base=_lent_base(parent.base, back)),
    )


class _SideState(State):
    """Records of the side corpus, and those of the run as lent."""

    def __init__(self, store: Store, real: State, *, own: frozenset[str], back: str) -> None:
        super().__init__(store)
        self._real, self._own, self._back = real, own, back

    def of(self, stage: str) -> dict[str, Record]:
        """Records of a stage, by shard."""
        if stage in self._own:
            return super().of(stage)
        if stage not in self._records:
            self._records[stage] = {name: lent(record, self._back) for name, record in self._real.of(stage).items()}
        return self._records[stage]


def side_of(context: Context, node: Node, *, rate: float) -> SideContext:
    """The side corpus of a stage that has run, as far as it is there."""
    store = Store(f"{context.store.url.rstrip('/')}/{AUDIT}/{node.name}")
    back = from_here(store, context.store)
    cases = _cases(node, rate=rate, seed=context.recipe.seed)
    judged = dataclasses.replace(node, config=_beside(node, context.store.url), parents=(PLANTED,))
    above = {}
    for name, each in context.recipe.nodes.items():
        if name == node.name:
            break
        above[name] = each
    recipe = dataclasses.replace(context.recipe, nodes={**above, PLANTED: cases, node.name: judged})
    paths = context.paths.beside(recipe)
    if (resource := context.paths.resources.get(node.name)) is not None:
        paths.resources[PLANTED] = resource
    own = frozenset({PLANTED, node.name, exchange(node)})
    state = _SideState(store, context.state, own=own, back=back)
    return SideContext(
        recipe,
        context.engine,
        Silent(),
        store,
        state,
        paths,
        context.limits,
        leases=context.leases,
        loaded=context.loaded,
        real=context,
        audited=node,
        back=back,
    )


def _beside(node: Node, run: str) -> StageConfig:
    """The config of a Group whose own run is one more earlier run."""
    if not isinstance(node.stage, Group) or not isinstance(node.config, IndexedConfig):
        return node.config
    return node.config.model_copy(update={"against": (*node.config.against, run), "index": False})


def _cases(node: Node, *, rate: float, seed: int) -> Node:
    """The cases as children of the documents that come to a stage; no engine expands them."""
    stage: Any = node.stage
    config, planting = node.config, stage.audit
    changes = {name: COLUMNS[name] for name in planting.changes_for(config)}
    made = Expand(
        name=PLANTED,
        version=planting.version,
        config=_Planted,
        reads=planting.reads_for(config),
        adds=schema(**{CASE: pa.string(), HIDDEN: pa.string(), **changes}),
        libraries=stage.libraries_for(config),
        expand=_never,
        childless="",
    )
    settings = _Planted(rate=rate, seed=seed, of=config.model_dump_json())
    return Node(PLANTED, node.use, made, settings, node.parents, node.where, None, 0)


def _never(*_: Any) -> NoReturn:
    raise AssertionError
