"""Two-stage Unicode tables: what group a character belongs to, what it folds to, what its normal form is.

Why: `unicodedata` differs between versions of Python, so the tables are shipped and their version enters
fingerprints; and a kernel cannot call `unicodedata`.
Costs: 20 KB shipped, about 0.3 MB in memory, 5 ms at first use; building takes some seconds and is done by hand:

    python -m datapipe.text.tables

A table maps each block of 128 code points to a row of entries; equal rows are stored once. An entry holds a class
byte (see the bits below) and above it either the distance to the code point it maps to, or a row of code points.
"""

import sys
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datapipe.text import reference
from datapipe.text.jit import Int32s, Int64s, Uint8s

UNICODE_VERSION = "14.0.0"
LAYOUT_VERSION = 1
TABLES_VERSION = f"unicode-{UNICODE_VERSION}/{LAYOUT_VERSION}"
PATH = Path(__file__).with_name("unicode.npz")

CODE_POINTS = 0x110000
UNASSIGNED = ("Cn", "Co", "Cs")  # unassigned, private use, surrogates
REPLACEMENT = 0xFFFD
BLOCK = 128

# The class byte of an entry: three bits of group (see `reference`), then one bit each.
GROUP = 7
ALPHABETIC, TERMINAL, CLOSING, DECIMAL, WIDE_TERMINAL = 8, 16, 32, 64, 128
MAPPED_SHIFT = 8
# Above every distance between code points: an entry this high names a row instead.
MULTIPLE = 1 << 21


class Table(NamedTuple):
    """One two-stage table.

    block_of: int32 (8704,), the block of each 128 code points; blocks: int32, all blocks one after the other (of a
    loaded table ASCII's is the first);
    rows: int32 (n, width), for code points that map to none or several: how many, then the code points.
    """

    block_of: Int32s
    blocks: Int32s
    rows: Int32s


class Tables(NamedTuple):
    """folded: classes, and casefold. normal: the normal form, with the class byte 0."""

    folded: Table
    normal: Table


@cache
def load() -> Tables:
    """The shipped tables, read once."""
    with np.load(PATH, allow_pickle=False) as stored:
        version = str(stored["version"])
        if version != TABLES_VERSION:
            message = f"{PATH} holds {version}, not {TABLES_VERSION}: run python -m datapipe.text.tables"
            raise RuntimeError(message)
        folded, normal = (
            _ascii_first(*(stored[f"{name}_{part}"].astype(np.int32) for part in Table._fields))
            for name in Tables._fields
        )
    return Tables(folded, normal)


def _ascii_first(block_of: Int32s, blocks: Int32s, rows: Int32s) -> Table:
    """The table with a copy of ASCII's block in front, where it is found without `block_of`."""
    ascii_block = blocks[block_of[0] * BLOCK :][:BLOCK]
    block_of = block_of + np.int32(1)
    block_of[0] = 0
    return Table(_frozen(block_of), _frozen(np.concatenate([ascii_block, blocks])), _frozen(rows))


def _frozen(array: Int32s) -> Int32s:
    array.flags.writeable = False
    return array


def build() -> Tables:
    """The tables made from this Python's `unicodedata` by the definitions in `reference`."""
    # The others (most of the code space) are of group OTHER and map to themselves: the default entry.
    characters = [c for c in map(chr, range(CODE_POINTS)) if unicodedata.category(c) not in UNASSIGNED]
    classes = np.zeros(CODE_POINTS, np.uint8)
    classes[_points(characters)] = [_class_byte(c) for c in characters]
    nothing = np.zeros(CODE_POINTS, np.uint8)
    return Tables(
        folded=_two_stage(classes, str.casefold, characters),
        normal=_two_stage(nothing, reference.normal_character, characters),
    )


def _class_byte(character: str) -> int:
    bits = reference.group(character)
    bits |= ALPHABETIC if character.isalpha() else 0
    bits |= TERMINAL if reference.is_terminal(character) else 0
    bits |= CLOSING if reference.is_closing(character) else 0
    bits |= DECIMAL if character.isdecimal() else 0
    bits |= WIDE_TERMINAL if reference.is_wide_terminal(character) else 0
    return bits


def _points(characters: list[str]) -> Int64s:
    return np.fromiter(map(ord, characters), np.int64, len(characters))


def _two_stage(classes: Uint8s, map_character: Callable[[str], str], characters: list[str]) -> Table:
    mapped = np.zeros(CODE_POINTS, np.int64)
    rows: dict[str, int] = {}
    for character in characters:
        result = map_character(character)
        if len(result) == 1:
            mapped[ord(character)] = ord(result) - ord(character)
        else:
            mapped[ord(character)] = MULTIPLE + rows.setdefault(result, len(rows))
    entries = (mapped << MAPPED_SHIFT | classes).astype(np.int32).reshape(-1, BLOCK)
    blocks, index = np.unique(entries, axis=0, return_inverse=True)
    width = max(map(len, rows), default=0)
    stored = np.zeros((len(rows), 1 + width), np.int32)
    for result, row in rows.items():
        stored[row, : 1 + len(result)] = [len(result), *map(ord, result)]
    return Table(index.astype(np.int32).ravel(), np.ascontiguousarray(blocks).ravel(), stored)


def main() -> None:
    """Rebuild the shipped file; refuses if this Python's Unicode version is not the one named above."""
    if unicodedata.unidata_version != UNICODE_VERSION:
        sys.exit(f"this Python has Unicode {unicodedata.unidata_version}: set UNICODE_VERSION in {__file__} to that")
    tables = build()
    arrays = {
        f"{name}_{part}": array for name, table in tables._asdict().items() for part, array in table._asdict().items()
    }
    # Numbers of blocks fit 16 bits, which halves them in the file.
    arrays |= {name: array.astype(np.uint16) for name, array in arrays.items() if name.endswith("_block_of")}
    np.savez_compressed(PATH, version=np.array(TABLES_VERSION), **arrays)
    print(f"{PATH}: {PATH.stat().st_size} bytes, {sum(a.nbytes for a in arrays.values())} in memory")  # noqa: T201


if __name__ == "__main__":
    main()
