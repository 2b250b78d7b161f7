"""Reads a finished run straight from its files, as a person with Parquet tools alone would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

__all__ = ["column", "fates"]


def fates(run: Path, source: str, stages: list[str]) -> dict[str, tuple[str, str] | None]:
    """By URL: the stage and reason for which a document left, or None if it stayed."""
    found: dict[str, tuple[str, str] | None] = {}
    for base in sorted((run / source).glob("*-[0-9][0-9][0-9][0-9].parquet")):
        urls: Any = pq.read_table(base, columns=["url"])["url"].to_pylist()
        shard: dict[int, tuple[str, str] | None] = dict.fromkeys(range(len(urls)))
        for stage in [source, *stages]:
            table: Any = pq.read_table(run / stage / f"{base.stem}.reasons.parquet").to_pydict()
            for row, reason in zip(table["row"], table["reason"], strict=True):
                if reason is not None:
                    shard[row] = (stage, reason)
        found.update({url: shard[row] for row, url in enumerate(urls)})
    return found


def column(run: Path, source: str, stage: str, name: str) -> dict[str, Any]:
    """By URL: the values of a column in a stage's layer."""
    found = {}
    for base in sorted((run / source).glob("*-[0-9][0-9][0-9][0-9].parquet")):
        urls: Any = pq.read_table(base, columns=["url"])["url"].to_pylist()
        layer = pq.read_table(run / stage / base.name, columns=["row", name]).to_pydict()
        found.update({urls[row]: value for row, value in zip(layer["row"], layer[name], strict=True)})
    return found
