"""What a run did to the documents that mention a group of people: scores, losses at each later stage, words.

A stage that tells groups (such as `mark.bias`) says which documents mention whom; the stages after it say who left,
and one of the stages has a score. All of it is stored, so that nothing is measured again. Documents that left before
the stage that tells groups are unknown to it. After a stage that makes new documents the old ones are not followed.
Costs a pass over those columns, 4 s of CPU and 300 MB for a million documents. Words cost two passes over the texts of
a sample of SAMPLED documents at most, chosen by hash of id, which bounds the memory for them: 9 s for short ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.mentions import Association, Mentions, associated, summarised
from datapipe.corpus.layer import Rows, TableFile
from datapipe.errors import InputError, RunError
from datapipe.lineage.chosen import only_stage
from datapipe.recipe import Node
from datapipe.recipe.wording import did_you_mean
from datapipe.run.again import SLICE_ROWS
from datapipe.run.context import Context, Shard
from datapipe.run.paths import Path
from datapipe.run.reopen import open_columns, standing, with_input
from datapipe.stage import Deciding
from datapipe.text import forget, hash128

__all__ = ["LEAST", "Bias", "bias_of", "tells_groups"]

LEAST = 10  # documents of a group that hold a word, for it to be told; fewer are chance
SAMPLED = 200_000  # documents of which words are counted
BATCH_ROWS = 256  # of texts that are held at once
SCORE = "toxicity"  # column of the score, where none is named
TOLD = {"groups": pa.list_(pa.string()), "terms": pa.list_(pa.string()), "judged": pa.bool_()}


@dataclass(frozen=True)
class Bias:
    """All documents first, then those of each group.

    `judged` of `documents` are in a language with terms; only those are counted. `stages` are the later ones, `score`
    is the column of the scores. `words` are by group, from `sampled` documents.
    """

    stage: str
    score: str | None
    stages: tuple[str, ...]
    shards: int  # that the stage has done
    of_shards: int
    documents: int
    judged: int
    mentions: tuple[Mentions, ...]
    words: dict[str, list[Association]]
    sampled: int


def bias_of(
    context: Context, stage: str | None = None, *, score: str | None = None, terms: bool = False, words: int = 10
) -> Bias:
    """What became of the documents of each group, or with `terms` of each term such as `religion:muslim`.

    `stage`: the one that tells groups, where there are several; `score`: a column of numbers between 0 and 1; `words`:
    how many a group. Raises InputError where a stage or column is none of the kind, RunError where nothing is done.
    """
    node = _teller(context, stage)
    column = _score(context, score)
    read = _Reader(context, node, column, "terms" if terms else "groups")
    shards = [each for each in context.incoming(node) if _done(context, *each)]
    if not shards:
        raise RunError(f"stage {node.name!r} of {context.recipe.run} has done nothing yet", remedy="run it first")
    later = read.later()
    mentions = summarised(
        (batch for each in shards for batch in read.fates(*each, later)),
        "groups",
        score=column and "score",
        stages=later,
    )
    share = min(1.0, SAMPLED / max(1, read.judged))
    found: dict[str, list[Association]] = {}
    if words:
        found = associated(
            lambda: read.sample(shards, share),
            "groups",
            least=LEAST,
            most=words,
            without=read.terms_of,
        )
    return Bias(
        stage=node.name,
        score=column,
        stages=later,
        shards=len(shards),
        of_shards=len(context.incoming(node)),
        documents=read.documents,
        judged=read.judged,
        mentions=tuple(mentions),
        words=found,
        sampled=read.sampled,
    )


def _teller(context: Context, stage: str | None) -> Node:
    """The stage that tells groups: by its columns, whatever it is called."""
    remedy = "add one to the recipe, such as `groups: {use: mark.bias}` before the filters, and run it"
    return only_stage(context, stage, tells_groups, ("tells groups", remedy))


def tells_groups(node: Node) -> bool:
    """Whether a stage says which groups of people documents mention."""
    adds = node.stage.adds_for(node.config)
    return all(name in adds.names and adds.field(name).type == kind for name, kind in TOLD.items())


def _score(context: Context, score: str | None) -> str | None:
    """The column of the score; of several by the usual name the first."""
    numbers = {
        f"{name}.{field.name}": field.name
        for name, node in context.recipe.nodes.items()
        if isinstance(node.stage, Deciding)
        for field in node.stage.adds_for(node.config)
        if pa.types.is_floating(field.type)
    }
    if score is None:
        return next((column for column, name in numbers.items() if name == SCORE), None)
    if score not in numbers:
        remedy = did_you_mean(score, numbers)
        raise InputError(f"no stage of the run stores a score {score!r}", remedy=remedy)
    return score


def _done(context: Context, path: Path, shard: Shard) -> bool:
    record = standing(context, path, shard)
    return record is not None and record.reasons is not None


@dataclass
class _Reader:
    """Reads what is stored of the documents that came to the stage, a slice at a time, and counts them."""

    context: Context
    node: Node
    score: str | None
    by: str
    documents: int = 0
    judged: int = 0
    sampled: int = 0

    def __post_init__(self) -> None:
        self._seen: dict[str, set[str]] = {}

    def later(self) -> tuple[str, ...]:
        """Stages that documents of the stage may come to, and leave at."""
        names = (name for name, node in self.context.recipe.nodes.items() if isinstance(node.stage, Deciding))
        return tuple(name for name in names if any(self._passes(path) for path in self.context.paths.to(name)))

    def _passes(self, path: Path) -> bool:
        return any(node.name == self.node.name for node in path.nodes[:-1])

    def terms_of(self, group: str) -> set[str]:
        """The terms by which documents of a group were found."""
        return self._seen.get(group, set())

    def fates(self, path: Path, shard: Shard, later: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        """Groups, score, and for each later stage whether a document left there; of documents that were judged."""
        left = {name: self._reasons(path, shard, name) for name in later}
        ends = self._path_of_score(path)
        columns, scored = open_columns(self.context, path, shard), open_columns(self.context, ends, shard)
        for came, rows in self._slices(path, shard, columns):
            self.documents += came
            self.judged += len(rows)
            arrays, names = [self._groups(rows, columns, path)], ["groups"]
            if self.score is not None:
                arrays.append(self._scores(rows, scored, ends))
                names.append("score")
            arrays += [_left(file, rows) for file in left.values()]
            yield pa.RecordBatch.from_arrays(arrays, names=[*names, *left])

    def _scores(self, rows: Rows, columns: Any, path: Path) -> Any:
        assert self.score is not None
        scores = columns.get(self.score, rows, path.owners_after.get(self.score, ())).cast(pa.float64())
        ends: Any = pc.min_max(scores).as_py()
        if ends["min"] is not None and (ends["min"] < 0 or ends["max"] > 1):
            remedy = "name a column of probabilities, such as that of filter.toxicity"
            raise InputError(f"{self.score} holds numbers beyond 0 and 1, which are no scores", remedy=remedy)
        return scores

    def _groups(self, rows: Rows, columns: Any, path: Path) -> Any:
        groups, terms = (
            columns.get(f"{self.node.name}.{name}", rows, (path.last.name,)) for name in ("groups", "terms")
        )
        for term in pc.unique(terms.flatten()).to_pylist():
            group, _, said = term.partition(":")
            self._seen.setdefault(term if self.by == "terms" else group, set()).add(said)
        return terms if self.by == "terms" else groups

    def _slices(self, path: Path, shard: Shard, columns: Any) -> Iterator[tuple[int, Rows]]:
        """How many documents came, and which of them were judged."""
        record = standing(self.context, path, shard)
        assert record is not None
        assert record.reasons is not None
        rows = TableFile(self.context.store, record.reasons).rows
        for start in range(0, len(rows), SLICE_ROWS):
            mine = rows[start : start + SLICE_ROWS]
            known = columns.get(f"{self.node.name}.judged", mine, (path.last.name,)).fill_null(pa.scalar(value=False))
            yield len(mine), mine[known.to_numpy(zero_copy_only=False)]

    def _reasons(self, path: Path, shard: Shard, name: str) -> TableFile | None:
        """What a later stage decided on the shard."""
        ways = (way for way in self.context.paths.to(name) if way.root_key == path.root_key and self._passes(way))
        records = (standing(self.context, way, shard) for way in ways)
        parts = [record.reasons for record in records if record is not None and record.reasons is not None]
        return TableFile(self.context.store, parts[0]) if parts else None

    def _path_of_score(self, path: Path) -> Path:
        """The longest of the ways that hold both the groups and the score, which may be taken later."""
        owner = (self.score or "").partition(".")[0]
        ways = self.context.paths.to(owner) if owner else []
        return next((way for way in ways if way.root_key == path.root_key and self._passes(way)), path)

    def sample(self, shards: list[tuple[Path, Shard]], share: float) -> Iterator[pa.RecordBatch]:
        """Groups and texts as the stage met them, of a share of the documents that were judged."""
        sampled = 0
        for path, shard in shards:
            columns = open_columns(self.context, path, with_input(shard))
            held = [name for name in ("text", "messages") if name in path.owners]
            for _, rows in self._slices(path, shard, columns):
                chosen = rows[_in_sample(columns.get("id", rows, path.owners["id"]), share)]
                sampled += len(chosen)
                for start in range(0, len(chosen), BATCH_ROWS):
                    mine = chosen[start : start + BATCH_ROWS]
                    forget()
                    batch = columns.batch(tuple(held), mine, path.owners)
                    groups = self._groups(mine, columns, path)
                    yield pa.RecordBatch.from_arrays([*batch.columns, groups], names=[*held, "groups"])
        self.sampled = sampled


def _in_sample(ids: Any, share: float) -> Any:
    """By the other half of the hash than samples of sources are chosen by."""
    _, low = hash128(ids)
    return low <= np.float64(share) * 2.0**64


def _left(file: TableFile | None, rows: Rows) -> Any:
    """Whether each row left; null: it did not come."""
    if file is None:
        return pa.nulls(len(rows), pa.bool_())
    at = file.find(rows)
    came = at >= 0
    left = np.zeros(len(rows), np.bool_)
    left[came] = file.take("reason", at[came]).is_valid().to_numpy(zero_copy_only=False)
    return pa.array(left, mask=~came)
