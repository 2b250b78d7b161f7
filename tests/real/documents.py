"""Real documents, English and Chinese, on which kernels are held against their plain references."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "raw/c4_demo_300.jsonl.gz": "text",
    "raw/oiwiki_zh.jsonl.gz": "text",
    "raw/tang_poems.jsonl.gz": "text",
    "extract-zh/gold.jsonl.gz": "text",
    "extract-wcxb/gold.jsonl.gz": "main_content",
    "sft/llamafactory/alpaca_zh_demo.jsonl.gz": "output",
}
CHARACTERS = 6_000  # of each document: the plain references are slow
FEWEST = 5_000


def documents(folder: Path) -> list[str]:
    """At least `FEWEST` texts, each without what stands behind its first `CHARACTERS`."""
    found = []
    for name, column in FILES.items():
        with gzip.open(folder / name, "rt", encoding="utf-8") as lines:
            found += [(json.loads(line).get(column) or "")[:CHARACTERS] for line in lines]
    assert len(found) >= FEWEST
    return found
