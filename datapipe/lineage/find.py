"""Finds documents of a run by id, URL or, without one, file. Reads those columns of the base shards, nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.corpus.layer import TableFile
from datapipe.run.context import Context, Shard
from datapipe.run.paths import Path
from datapipe.run.reopen import roots

__all__ = ["Place", "find", "names_of", "nearest"]

SLICE_ROWS = 65_536
BEGINNING = 6  # characters of an id that are taken for an abbreviation


@dataclass(frozen=True)
class Place:
    """One document: its id, where it stands, and its URL (or, without one, its file and place in it)."""

    root: Path
    shard: Shard
    row: int
    id: str
    url: str | None


def find(context: Context, key: str) -> list[Place]:
    """The documents with this id, URL or file, in order of the corpus; several may share a URL."""
    return list(_matching(context, lambda values: pc.equal(values, pa.scalar(key)), most=None))


def nearest(context: Context, key: str, most: int = 3) -> list[Place]:
    """Documents whose id begins as `key` does, or whose URL holds its host and path, a few at most."""
    core = re.sub(r"^[a-z]+://(www\.)?", "", key.strip(), flags=re.IGNORECASE)
    core = re.split(r"[?#]", core)[0].rstrip("/")
    if len(core) < BEGINNING:
        return []
    found = list(_matching(context, lambda values: pc.match_substring(values, core, ignore_case=True), most))
    return found or list(_matching(context, lambda values: pc.starts_with(values, key[:BEGINNING]), most))


def _matching(context: Context, test: Any, most: int | None) -> Iterator[Place]:
    count = 0
    for root in roots(context):
        for shard in context.shards[root.root_key]:
            for place in _in_shard(context, root, shard, test):
                yield place
                count += 1
                if count == most:
                    return


def _in_shard(context: Context, root: Path, shard: Shard, test: Any) -> Iterator[Place]:
    file = TableFile(context.store, shard.record.layer[0])
    for start in range(0, file.part.rows, SLICE_ROWS):
        at = np.arange(start, min(start + SLICE_ROWS, file.part.rows))
        ids, names = file.take("id", at), names_of(file, at)
        hit = pc.or_(test(ids), pc.fill_null(test(names), pa.scalar(value=False)))
        for row in np.flatnonzero(hit.to_numpy(zero_copy_only=False)).tolist():
            yield Place(root, shard, start + row, ids[row].as_py(), names[row].as_py())


def names_of(file: TableFile, at: Any) -> Any:
    """The URL of each document, or else its file, with its place in it where it is not the first: `a.jsonl#120`."""
    urls: Any = file.take("url", at) if "url" in file.columns else pa.nulls(len(at), pa.string())
    if urls.null_count == 0:
        return urls
    files, records = file.take("file", at), file.take("record", at)
    places = pc.binary_join_element_wise(files, records.cast(pa.string()), "#")
    return pc.coalesce(urls, pc.if_else(pc.equal(records, pa.scalar(0)), files, places))
