"""The story of one document: every stage that met it, what was measured, what was decided, and why.

Nothing is kept for this: a document's history is its row in each layer. Values come as they are stored; whoever
shows them masks and escapes them.
Costs one row group of each column of each layer of one shard.
"""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from datapipe.corpus.fingerprint import config_by_role
from datapipe.corpus.layer import TableFile
from datapipe.corpus.record import Record
from datapipe.engine.columns import Columns
from datapipe.engine.sink import by_column, folder_of
from datapipe.engine.step import FAILURE
from datapipe.errors import DatapipeError, InputError
from datapipe.lineage.find import Place, find
from datapipe.recipe import Node
from datapipe.run.context import Context, Shard
from datapipe.run.earlier import earlier_runs
from datapipe.run.expanding import parents_of
from datapipe.run.paths import Path, added
from datapipe.run.reopen import open_columns, roots, standing, with_input
from datapipe.schema import CONTENT, FRAMEWORK_REASONS, qualified
from datapipe.stage import Expand, Group, Map, Sink
from datapipe.text.thresholds import BY_LANGUAGE, is_by_language, threshold_of

__all__ = ["OTHERS", "SURVIVOR", "Chapter", "Measure", "Story", "measure_bound_by", "measures_of", "story"]

SURVIVOR = "survivor"  # the column in which a Group names the document that stays in another's place
OTHERS = "decided by"  # stands for the options that bound no single measure, such as labels to drop


@dataclass(frozen=True)
class Measure:
    """A stored value, and the options of the stage that bound it, such as `min_words 3`."""

    name: str
    value: Any
    thresholds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chapter:
    """What one stage did with the document.

    `outcome`: `read`, `made` (out of another document), `kept`, `left`, `passed` (its `where` did not hold),
    `expanded`, `wrote`; or `not done`, or `stale` (the stage has not seen what the one before lets through today).
    """

    stage: str
    use: str
    outcome: str
    reason: str | None = None
    meaning: str = ""
    measures: tuple[Measure, ...] = ()
    text: tuple[str | None, str | None] | None = None  # before and after, where the stage changed it
    survivor: Place | None = None
    survivor_run: str | None = None  # where it stands, if in an earlier run


@dataclass(frozen=True)
class Story:
    """One document through the stages of its run, in the order of the recipe."""

    place: Place
    base: dict[str, Any]  # the stored columns of its base shard, but for content
    chapters: tuple[Chapter, ...]
    parent: Story | None = None  # of the document that it was made from


def story(context: Context, place: Place) -> Story:
    """Everything that a run knows of one document."""
    shard, row = with_input(place.shard), np.array([place.row], np.uint32)
    file = TableFile(context.store, shard.record.layer[0])
    stored = [name for name in file.columns if name not in CONTENT]
    base = {name: file.take(name, row.astype(np.int64))[0].as_py() for name in stored}
    teller = _Teller(context, place.root, shard, row)
    parent = None
    if place.root.origin is not None and shard.parent is not None:
        parent = story(context, _parent(context, place.root.origin, shard.parent, int(base["parent_row"])))
    return Story(place, base, tuple(teller.chapters()), parent)


def _parent(context: Context, origin: Path, shard: Shard, row: int) -> Place:
    root = next(each for each in roots(context) if each.root_key == origin.root_key)
    file = TableFile(context.store, shard.record.layer[0])
    at = np.array([row])
    url = file.take("url", at)[0].as_py() if "url" in file.columns else None
    return Place(root, shard, row, file.take("id", at)[0].as_py(), url)


class _Teller:
    """Walks the stages below a root for one row."""

    def __init__(self, context: Context, root: Path, shard: Shard, row: Any) -> None:
        self._context, self._root, self._shard, self._row = context, root, shard, row
        self._in: set[str] = set()  # stages that let the document go on

    def chapters(self) -> list[Chapter]:
        told = []
        reason = self._reason(self._shard.record)
        node = self._root.root
        outcome = "left" if reason else "read"
        measures: tuple[Measure, ...] = ()
        if isinstance(node.stage, Expand):
            columns = open_columns(self._context, self._root, self._shard)
            outcome, measures = "made", measures_of(columns, self._root, self._row)
        text = _text_read(self._context, self._root, self._shard, self._row)
        told.append(Chapter(node.name, node.use, outcome, reason, _meaning(node, reason), measures, text))
        if reason is None:
            self._in.add(node.name)
        for node in self._context.recipe.nodes.values():
            for path in self._context.paths.to(node.name):
                if path.root_key == self._root.root_key and self._comes_to(path):
                    told.append(self._chapter(path))  # noqa: PERF401 - each chapter says whether the next comes
        return told

    def _comes_to(self, path: Path) -> bool:
        return len(path.nodes) > 1 and path.nodes[-2].name in self._in

    def _reason(self, record: Record) -> str | None:
        """Why the document leaves; raises LookupError if it did not come in."""
        if record.reasons is None:
            raise LookupError
        file = TableFile(self._context.store, record.reasons)
        at = file.find(self._row)
        if at[0] < 0:
            raise LookupError
        reason: str | None = file.take("reason", at)[0].as_py()
        return reason

    def _chapter(self, path: Path) -> Chapter:
        node = path.last
        if isinstance(node.stage, Sink):
            return self._written(path)
        if isinstance(node.stage, Expand):
            record = self._context.state.of(parents_of(node)).get(self._shard.name)
        else:
            record = standing(self._context, path, self._shard)
        if record is None:
            return Chapter(node.name, node.use, "not done")
        try:
            reason = self._reason(record)
        except LookupError:
            return Chapter(node.name, node.use, "stale")
        if reason is None and not isinstance(node.stage, Expand):
            self._in.add(node.name)
        return self._told(path, reason)

    def _written(self, path: Path) -> Chapter:
        node = path.last
        record = standing(self._context, path, self._shard)
        before = standing(self._context, path.before(), self._shard)
        if record is None or before is None:
            return Chapter(node.name, node.use, "not done")
        outcome = "wrote" if record.rows_in == before.rows_kept else "stale"
        return Chapter(node.name, node.use, outcome, meaning=self._file(path, record))

    def _file(self, path: Path, record: Record) -> str:
        """The file that a sink wrote the document into, or the folder of one that gathers: it may be in several."""
        stage: Any = path.last.stage
        if stage.gather is not None:
            return f"{path.last.name}/"
        by = by_column(path.last.config)
        if by is None:
            return record.layer[0].path
        columns = open_columns(self._context, path, self._shard)
        folder = folder_of(columns.get(by, self._row, path.owners.get(by, ()))[0].as_py())
        mine = [part.path for part in record.layer if posixpath.basename(posixpath.dirname(part.path)) == folder]
        return mine[0] if mine else ""

    def _told(self, path: Path, reason: str | None) -> Chapter:
        node = path.last
        if isinstance(node.stage, Expand):
            if reason is not None:
                return Chapter(node.name, node.use, "left", reason, _meaning(node, reason))
            return Chapter(node.name, node.use, "expanded", meaning=self._children(node))
        columns = open_columns(self._context, path, self._shard)
        if not any(file.find(self._row)[0] >= 0 for file in columns.files(node.name)):
            return Chapter(node.name, node.use, "passed", meaning=node.where.text if node.where else "")
        measures = measures_of(columns, path, self._row)
        survivor, run = self._survivor(node, measures)
        return Chapter(
            stage=node.name,
            use=node.use,
            outcome="left" if reason else "kept",
            reason=reason,
            meaning=_meaning(node, reason),
            measures=measures,
            text=_change(columns, path, self._row),
            survivor=survivor,
            survivor_run=run,
        )

    def _children(self, node: Node) -> str:
        """How many documents an Expand made of this one, and the ids of the first and last."""
        record = self._context.state.of(node.name).get(self._shard.name)
        if record is None:
            return ""
        file = TableFile(self._context.store, record.layer[0])
        mine = np.flatnonzero(file.take("parent_row", np.arange(file.part.rows)).to_numpy() == self._row[0])
        if not len(mine):
            return ""
        first, last = (file.take("id", mine[[at]])[0].as_py() for at in (0, -1))
        return f"{len(mine)}: {first}" + (f" to {last.rpartition('#')[2]}" if len(mine) > 1 else "")

    def _survivor(self, node: Node, measures: tuple[Measure, ...]) -> tuple[Place | None, str | None]:
        """The document that stays in this one's place, and the earlier run that it stands in, if any."""
        named = [str(measure.value) for measure in measures if measure.name == SURVIVOR and measure.value]
        if not isinstance(node.stage, Group) or not named:
            return None, None
        if found := find(self._context, named[0]):
            return found[0], None
        with contextlib.suppress(DatapipeError):  # an earlier run that is gone or damaged: its id is all that is known
            for old in earlier_runs(self._context, node):
                if found := find(old, named[0]):
                    return found[0], old.recipe.run
        return None, None


def _meaning(node: Node, reason: str | None) -> str:
    if reason is None:
        return ""
    if isinstance(node.stage, Expand) and reason == node.stage.childless:
        return node.stage.reasons.get(reason, "nothing was made of it")
    return node.stage.reasons.get(reason) or FRAMEWORK_REASONS.get(reason, "")


def measures_of(columns: Columns, path: Path, row: Any) -> tuple[Measure, ...]:
    """What the last stage of a path has measured of one row, each beside the options that bound it."""
    node = path.last
    names = [name for name in node.stage.adds_for(node.config).names if name not in CONTENT]
    bounds, others = _bounds(node, names, _language(columns, path, row) if is_by_language(node.config) else None)
    found = []
    for name in names:
        value = columns.get(qualified(name, node.name), row, (node.name,))[0].as_py()
        found.append(Measure(name, value, tuple(bounds.get(name, ()))))
    if isinstance(node.stage, Map) and node.stage.guarded:
        failure = columns.get(qualified(FAILURE, node.name), row, (node.name,))[0].as_py()
        found += [Measure(FAILURE, failure)] if failure else []
    return (*found, Measure(OTHERS, None, tuple(others))) if others else tuple(found)


def _bounds(node: Node, names: list[str], language: str | None) -> tuple[dict[str, list[str]], list[str]]:
    """The options that decide: by the measure that they name, and those that name none and are not off."""
    found: dict[str, list[str]] = {}
    others = []
    for option, value in config_by_role(node.config, "decide").items():
        said = "off" if value is None else str(value)
        if value == BY_LANGUAGE:
            number, given = threshold_of(node.config, node.use, option, language)
            said = ("off" if number is None else f"{number:g}") + (f" for {language}" if given else "")
        if (meant := measure_bound_by(option, names)) is not None:
            found.setdefault(meant, []).append(f"{option} {said}")
        elif value not in (None, [], {}):
            others.append(f"{option} {said}")
    return found, others


def measure_bound_by(option: str, names: Sequence[str]) -> str | None:
    """The measure of a stage that an option bounds; None where it names none.

    `min_words` and `max_words` bound `words`; `max_passage` bounds `worst_passage`, if no other measure ends so.
    """
    measure = option.removeprefix("min_").removeprefix("max_")
    meant = [measure] if measure in names else [name for name in names if name.endswith(f"_{measure}")]
    return meant[0] if len(meant) == 1 else None


def _language(columns: Columns, path: Path, row: Any) -> str | None:
    """The language of a document as the last stage of a path met it, if any stage has told it."""
    if "language" not in path.owners:
        return None
    code: str | None = columns.get("language", row, path.owners["language"])[0].as_py()
    return code


def _text_read(context: Context, root: Path, shard: Shard, row: Any) -> tuple[None, str] | None:
    """The text that a document began with, if it had one and it is at hand."""
    if "text" not in added(root.root):
        return None
    try:
        text = open_columns(context, root, shard).get("text", row, (root.root.name,))[0].as_py()
    except InputError:
        return None
    return None if text is None else (None, text)


def _change(columns: Columns, path: Path, row: Any) -> tuple[str | None, str | None] | None:
    """The text before and after a stage that writes text; None where it wrote the same."""
    if "text" not in path.last.stage.adds_for(path.last.config).names:
        return None
    after = columns.get("text", row, (path.last.name,))[0].as_py()
    try:
        before = columns.get("text", row, path.owners.get("text", ()))[0].as_py()
    except InputError:  # it is read from the input, which is not at hand
        before = None
    return None if before == after else (before, after)
