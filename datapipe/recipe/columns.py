"""Follows the columns through a recipe: what each stage reads must have been given above it.

Costs nothing for a sound recipe; a missing column imports all stages once, to say which of them gives it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pydantic import ValidationError

from datapipe.algo.where import Where, WhereError, parse_syntax, parse_where
from datapipe.errors import DatapipeError
from datapipe.recipe.document import Document
from datapipe.recipe.draft import Draft
from datapipe.recipe.leaving import leaving_after, leaving_joined, leaving_problems
from datapipe.recipe.model import Columns
from datapipe.recipe.wording import did_you_mean
from datapipe.registry import Registry
from datapipe.schema import COLUMNS, PLACE, qualified
from datapipe.stage import Expand, Group, Map, Sink, SinkConfig, Source, SourceConfig, Stage, StageConfig

__all__ = ["Follower"]

_PARENT = {"parent_row": COLUMNS["parent_row"]}


@dataclass(frozen=True)
class Follower:
    """What is needed to judge one stage: the document for problems, all drafts, and where stages are found."""

    document: Document
    drafts: dict[str, Draft]
    registry: Registry

    def follow(self, draft: Draft, parents: Sequence[Columns]) -> tuple[Columns | None, Where | None]:
        """Columns after a stage and its checked `where`; None where a problem leaves them unknown."""
        before = leaving_joined(_joined(parents), dict(zip(draft.parents, parents, strict=True)))
        clash = next((name for name, kinds in _kinds(parents).items() if len(kinds) > 1), None)
        if clash:
            kinds = " and ".join(str(kind) for kind in _kinds(parents)[clash])
            path = ("stages", draft.name, "from")
            self.document.problem(path, f"column `{clash}` comes as {kinds}", "rename one of them in its source")
        where = self._where(draft, before)
        stage, config = draft.stage, draft.config
        self._check_resource(draft)
        if stage is None:
            return None, where
        if config is None:  # its options are wrong; what does not depend on them can still be followed
            return (None if callable(stage.adds) else _after(draft.name, stage, None, before)), where
        reads = tuple(dict.fromkeys(self._reads(draft, stage, config, before)))
        for column in reads:
            self._check_column(draft, column, before, parents)
        if isinstance(stage, Source):
            self._check_keep(draft, stage)
        if isinstance(stage, Group):
            self._check_compares(draft, stage.compares_for(config), before)
        if isinstance(config, SinkConfig):
            self._check_by(draft, config, before)
        if isinstance(stage, Sink):
            self._check_leaving(draft, reads, before)
        return leaving_after(draft, _after(draft.name, stage, config, before), before, reads), where

    def check_syntax(self, draft: Draft) -> None:
        """What can be said of a stage when the columns before it are not known."""
        try:
            parse_syntax(draft.where or "True")
        except WhereError as error:
            for message, remedy in error.problems:
                self.document.problem(("stages", draft.name, "where"), message, remedy)

    def _where(self, draft: Draft, before: Columns) -> Where | None:
        path = ("stages", draft.name, "where")
        if draft.where is None:
            return None
        if draft.stage is not None and not isinstance(draft.stage, Map | Group):
            kind = type(draft.stage).__name__
            self.document.problem(path, f"`where` has no meaning for a {kind}", "it limits a Map or a Group")
            return None
        if isinstance(draft.stage, Group) and draft.stage.no_where:
            remedy = f"leave it out, and put {{use: filter.metadata, keep: {json.dumps(draft.where)}}} above"
            self.document.problem(path, f"those of which it does not hold {draft.stage.no_where}", remedy)
            return None
        try:
            return parse_where(draft.where, before.types)
        except WhereError as error:
            for message, remedy in error.problems:
                self.document.problem(path, message, remedy)
        return None

    def _check_resource(self, draft: Draft) -> None:
        if draft.resource is not None and draft.stage is not None and draft.stage.prepare is None:
            message = f"`{draft.use}` prepares nothing that another run could lend"
            self.document.problem(("stages", draft.name, "resource"), message, "leave `resource` out")

    def _check_keep(self, draft: Draft, stage: Source) -> None:
        config = draft.config
        for at, column in enumerate(config.keep if isinstance(config, SourceConfig) else ()):
            if column not in stage.transient:
                path = ("stages", draft.name, "keep", at)
                remedy = did_you_mean(column, stage.transient) or "leave `keep` out"
                self.document.problem(path, f"`{column}` is no transient column of `{draft.use}`", remedy)

    def _check_compares(self, draft: Draft, compares: tuple[str, ...], before: Columns) -> None:
        for column in before.shared.intersection(compares):
            message = f"documents cut from one share its `{column}`, so that all but one would leave as copies"
            self.document.problem(("stages", draft.name), message, f"put `{draft.use}` above the stage that cuts them")

    def _check_by(self, draft: Draft, config: SinkConfig, before: Columns) -> None:
        kind = before.types.get(config.by or "", pa.string())
        if kind != pa.string():
            message, remedy = f"`{config.by}` is a column of {kind}", "`by` takes one of strings, such as language"
            self.document.problem(("stages", draft.name, "by"), message, remedy)

    def _check_leaving(self, draft: Draft, written: Sequence[str], before: Columns) -> None:
        if not before.covers:
            return
        last = self.drafts[before.covers[-1]].stage
        option = last.cover.option if isinstance(last, Map) and last.cover is not None else ""
        for message, remedy in leaving_problems(written, before, option):
            self.document.problem(("stages", draft.name), message, remedy)

    def _reads(self, draft: Draft, stage: Stage, config: StageConfig, before: Columns) -> Iterator[str]:
        yield from stage.reads_for(config)
        if stage.prepare is not None:
            reads = stage.prepare.reads
            yield from reads(config) if callable(reads) else reads
        own = set(stage.adds_for(config).names)
        if isinstance(stage, Map | Group):
            yield from (column for column in stage.decides_for(config) if column not in own)
        if isinstance(stage, Group):
            yield from stage.applies_for(config)
        if isinstance(stage, Sink):
            if isinstance(config, SinkConfig) and config.by is not None:
                yield config.by
            try:
                yield from stage.select(tuple(before.types), config)
            except DatapipeError as error:
                self.document.problem(("stages", draft.name), error.message, error.remedy)

    def _check_column(self, draft: Draft, column: str, before: Columns, parents: Sequence[Columns]) -> None:
        path = ("stages", draft.name)
        if draft.stage is not None and column in draft.stage.optional:
            return
        if column not in before.types:
            message = f"`{draft.use}` reads column `{column}`, which no stage above gives"
            self.document.problem(path, message, self._who_gives(column, before))
        elif column in before.partial and not isinstance(draft.stage, Sink):  # a Sink writes null there
            lacking = [
                name
                for name, given in zip(draft.parents, parents, strict=True)
                if column not in given.types or column in given.partial
            ]
            message = f"`{draft.use}` reads column `{column}`, which documents from {' and '.join(lacking)} do not have"
            self.document.problem(path, message, "leave them out of `from`, or give them the column first")

    def _who_gives(self, column: str, before: Columns) -> str:
        below = [draft.name for draft in self.drafts.values() if column in _given(draft)]
        if below:
            return f"stage '{below[0]}' of this recipe gives it; read from it"
        givers = sorted({name for name in self.registry.names() if column in self._declared(name)})
        if givers:
            return f"given by {', '.join(givers)}"
        return did_you_mean(column, before.types)

    def _declared(self, use: str) -> tuple[str, ...]:
        """Columns that a stage gives with no options set; nothing if that cannot be told."""
        try:
            stage = self.registry.load(use)
            adds = stage.adds_for(stage.config()) if callable(stage.adds) else stage.adds
        except (DatapipeError, ValidationError):
            return ()
        return tuple(adds.names)


def _given(draft: Draft) -> tuple[str, ...]:
    if draft.stage is None or draft.config is None:
        return ()
    return tuple(qualified(column, draft.name) for column in draft.stage.adds_for(draft.config).names)


def _kinds(parents: Sequence[Columns]) -> dict[str, dict[pa.DataType, None]]:
    kinds: dict[str, dict[pa.DataType, None]] = {}
    for parent in parents:
        for name, kind in parent.types.items():
            kinds.setdefault(name, {})[kind] = None
    return kinds


def _joined(parents: Sequence[Columns]) -> Columns:
    """Columns of several branches put together."""
    types = {name: next(iter(kinds)) for name, kinds in _kinds(parents).items()}
    partial = {name for name in types for parent in parents if name not in parent.types or name in parent.partial}
    transient = frozenset().union(*(parent.transient for parent in parents))
    shared = frozenset().union(*(parent.shared for parent in parents))
    return Columns(types, frozenset(partial), transient, shared=shared)


def _after(name: str, stage: Stage, config: StageConfig | None, before: Columns) -> Columns:
    adds = stage.adds(config) if callable(stage.adds) else stage.adds
    added = {qualified(field.name, name): field.type for field in adds}
    if isinstance(stage, Source):
        kept = config.keep if isinstance(config, SourceConfig) else ()
        return Columns({**PLACE, **added}, transient=frozenset(stage.transient) - frozenset(kept))
    shared = before.shared
    if isinstance(stage, Expand):  # children have what they do not bring themselves from their parents
        added = {**PLACE, **_PARENT, **added}
        shared = frozenset(before.types)
    partial, transient = before.partial - added.keys(), before.transient - added.keys()
    return Columns({**before.types, **added}, partial, transient, shared=shared - added.keys())
