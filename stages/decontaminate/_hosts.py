"""Documents from hosts that publish a benchmark: WebText left out Wikipedia, of which many benchmarks are made.

Costs splitting each URL, and a look at its host for each host that is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.benchmark_files import Benchmark
from datapipe.algo.resource import loaded_once
from datapipe.algo.urls import split_urls

__all__ = ["build_hosts", "publishers"]

_NAME = "hosts.json"


def build_hosts(benchmarks: Iterable[Benchmark], folder: Path) -> None:
    """Write the hosts of each benchmark."""
    (folder / _NAME).write_bytes(orjson.dumps({one.name: one.hosts for one in benchmarks if one.hosts}))


@loaded_once(_NAME)
def _load(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = orjson.loads((folder / _NAME).read_bytes())
    return found


def publishers(urls: Any, folder: Path) -> Any:
    """Of each URL the first benchmark that its host, or one that it lies in, publishes (string); null: none."""
    found: Any = pa.nulls(len(urls), pa.string())
    listed = _load(folder)
    if not listed or urls.null_count == len(urls):
        return found
    hosts, _ = split_urls(urls)
    for name, published in reversed(listed.items()):
        pattern = rf"(^|\.)({'|'.join(map(re.escape, published))})$"
        theirs = pc.fill_null(pc.match_substring_regex(hosts, pattern), pa.scalar(value=False))
        found = pc.if_else(theirs, name, found)
    return found
