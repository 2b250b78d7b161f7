"""Small records that declarations of stages are made of: input files, splits, and what a stage takes out of columns.

Costs nothing: plain records.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from datapipe.rules import Mask

__all__ = ["Cover", "File", "Split"]


@dataclass(frozen=True)
class File:
    """One input file: where it is, its name relative to the input root, and how to see that it changed."""

    path: str
    name: str
    size: int
    modified: str


@dataclass(frozen=True)
class Split:
    """What a source reads in one go, in order: a file, or a bundle of small files."""

    name: str
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, kw_only=True)
class Cover:
    """That a Map takes out of columns what must not leave the house, such as personal data.

    `columns(config)`: those of its `adds` that hold none of it afterwards; `option` is the field of the config that
    names them. A Sink behind the Map writes no other column of text. Ids, codes and labels (`Stage.coded`) are no
    text: of those `holds(texts, config)` → a bool per string tells which hold such a thing all the same, and a Sink
    that meets one stops.
    """

    columns: Callable[[Any], tuple[str, ...]]
    holds: Callable[[pa.StringArray, Any], Mask]
    option: str
