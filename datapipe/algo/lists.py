"""Lists of domains, hosts and pages, of any size: read from files, kept as sorted hashes, looked up by the batch.

A file holds one entry a line, plain or packed; `#` begins a comment. Its name without endings is its list's.
Folders in the form of the UT1 lists (one folder a category, with files `domains` and `urls`) give a list a category.
- an entry of `domains` names a host and all hosts under it, up to its registered domain: `co.uk` names nothing else
- an entry of `hosts` names that host alone
- an entry of `urls` names that page, whatever its query, and what lies below it; a front page alone
Entries that are nothing of the kind (a page among domains) are passed over and counted; a file without any other is
refused. 64-bit hashes stand for entries: with five million of them, one look-up in 3,000,000,000,000 hits by chance.
Costs 10 bytes an entry, on disk and in memory that processes share, and 2 seconds to read a million of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import fsspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from datapipe.algo.frames import Damage, Frames, open_file
from datapipe.algo.inputs import PACKED, find_files, nearest_name
from datapipe.algo.urls import domain_of, enclosing, page_candidates, page_keys, split_urls
from datapipe.errors import InputError
from datapipe.stage import File, Mask
from datapipe.text.buffers import view_bytes
from datapipe.text.hashing import hash_slices
from datapipe.text.jit import Int64s, Uint64s

__all__ = [
    "HashList",
    "ListFile",
    "Queries",
    "category_files",
    "entries",
    "list_files",
    "names_of",
    "rows_where",
    "stamp",
]

Numbers: TypeAlias = npt.NDArray[np.uint16]

_ENTRY_CHARACTERS = " \t\r\f\v\ufeff"


# ---------------------------------------------------------------------------------------------- files


@dataclass(frozen=True)
class ListFile:
    """A file of entries of one kind, and the list that it belongs to."""

    file: File
    kind: str
    name: str


def list_files(paths: Iterable[str], kind: str) -> list[ListFile]:
    """The files that `paths` name, each a list called after it. Raises InputError for a path without files."""
    return [ListFile(file, kind, _bare(file.name.rpartition("/")[2])) for file in find_files(paths, suffixes=("",))]


def _bare(name: str) -> str:
    for ending in PACKED:
        name = name.removesuffix(ending)
    return name.rpartition(".")[0] or name


def category_files(folders: Iterable[str], categories: tuple[str, ...] | None) -> list[ListFile]:
    """`category/domains` and `category/urls` below the folders; all categories, or those named.

    Raises InputError for a category that no folder has.
    """
    found = []
    for folder in folders:
        for file in find_files([folder], suffixes=tuple(f"{kind}{end}" for kind in _KINDS for end in ("", *PACKED))):
            category, _, name = file.name.rpartition("/")
            kind = _bare(name)
            if category and kind in _KINDS:
                names = [category.rpartition("/")[2], *_aliases(folder, category)]
                found += [ListFile(file, kind, each) for each in names]
    known = {each.name for each in found}
    for category in categories or ():
        if category not in known:
            near = nearest_name(category, known)
            remedy = f"did you mean {near}?" if near else f"there are: {', '.join(sorted(known))}"
            raise InputError(f"no folder of lists has a category {category!r}", remedy=remedy)
    return [each for each in found if categories is None or each.name in categories]


_KINDS = ("domains", "urls")


def _aliases(folder: str, category: str) -> list[str]:
    """Other names of a category: links beside it, as the UT1 lists have them."""
    place = Path(folder, category)
    if "://" in folder or not place.is_dir():
        return []
    links = (each for each in place.parent.iterdir() if each.is_symlink())
    return sorted(each.name for each in links if each.resolve() == place.resolve())


@lru_cache(maxsize=1 << 12)
def _content(file: File) -> str:
    """Digest of a file's bytes, or of the tag that an object store keeps of them."""
    hasher = xxhash.xxh3_128()
    if "://" in file.path and file.modified:
        return xxhash.xxh3_128_hexdigest(f"{file.size}\n{file.modified}".encode())
    with fsspec.open(file.path, "rb") as stream:
        while chunk := stream.read(1 << 20):
            hasher.update(chunk)
    return hasher.hexdigest()


def stamp(files: Iterable[ListFile]) -> tuple[str, ...]:
    """What a stage says of its lists in `libraries`: `kind=digest` of names and contents, wherever the files lie."""
    told: dict[str, list[str]] = {}
    for each in files:
        told.setdefault(each.kind, []).append(f"{each.name}\n{_content(each.file)}\n")
    return tuple(
        f"{kind}={xxhash.xxh3_128_hexdigest(''.join(sorted(parts)).encode())}" for kind, parts in sorted(told.items())
    )


def entries(file: File, *, comments: bool = False) -> Iterator[Any]:
    """The lines of a file without blanks around and empty ones, as string arrays; its entries, or its comments.

    Raises InputError if the file cannot be opened or is damaged.
    """
    with open_file(file) as opened:
        held = b""
        try:
            for chunk in Frames(opened).chunks(0):
                block, end, rest = (held + chunk.data).rpartition(b"\n")
                held = rest
                if end:
                    yield _lines(block, comments)
        except Damage:
            raise InputError(f"{file.path} is damaged", remedy="fetch the list again") from None
        yield _lines(held, comments)


def _lines(block: bytes, comments: bool) -> Any:  # noqa: FBT001 - the only other argument
    text = pa.array([block.decode("utf-8", "replace")], pa.large_string())
    split = pc.utf8_trim(pc.split_pattern(text, "\n").values, _ENTRY_CHARACTERS)
    whole = pc.starts_with(split, "#")
    if not comments:
        split = pc.utf8_rtrim(pc.replace_substring_regex(split, r"\s#.*$", ""), _ENTRY_CHARACTERS)
        whole = pc.invert(whole)
    return split.filter(pc.and_(whole, pc.not_equal(split, pa.scalar("", split.type)))).cast(pa.string())


# ---------------------------------------------------------------------------------------------- hashes


@dataclass(frozen=True)
class HashList:
    """Sorted hashes of entries, and the number of the list of each; an entry of several lists stands several times."""

    hashes: Uint64s
    numbers: Numbers

    @staticmethod
    def of(files: Iterable[ListFile], numbers: dict[str, int]) -> HashList:
        """All entries of files of one kind. Raises InputError for a file that holds none."""
        parts: list[Uint64s] = []
        lists: list[Numbers] = []
        for each in files:
            some, met = 0, 0
            for part in entries(each.file):
                hashes = _hashes(part, each.kind)
                some += len(hashes)
                met += len(part)
                parts.append(hashes)
                lists.append(np.full(len(hashes), numbers[each.name], np.uint16))
            if met and not some:
                raise InputError(f"{each.file.path} holds none of {each.kind}", remedy="one entry a line")
        hashes = np.concatenate([np.zeros(0, np.uint64), *parts])
        of = np.concatenate([np.zeros(0, np.uint16), *lists])
        order = np.lexsort((of, hashes))
        hashes, of = hashes[order], of[order]
        first = np.ones(len(hashes), np.bool_)
        first[1:] = (hashes[1:] != hashes[:-1]) | (of[1:] != of[:-1])
        return HashList(hashes[first], of[first])

    def save(self, folder: Path, name: str) -> None:
        """Two files, the same for the same entries."""
        np.save(folder / f"{name}.hashes.npy", self.hashes)
        np.save(folder / f"{name}.numbers.npy", self.numbers)

    @staticmethod
    def load(folder: Path, name: str) -> HashList:
        """As saved; mapped, so that the processes of a machine share the memory."""
        arrays = []
        for part in ("hashes", "numbers"):
            path = folder / f"{name}.{part}.npy"
            mapped = np.load(path, mmap_mode="r" if path.stat().st_size > 1 << 12 else None)
            arrays.append(np.asarray(mapped))
        return HashList(*arrays)

    def find(self, queries: Queries, kind: str) -> tuple[Int64s, Numbers]:
        """Rows of `queries` that are named and the number of a list that names them, one pair for each hit."""
        if not len(self.hashes):
            return np.zeros(0, np.int64), self.numbers
        hashes, whose = queries.asked(kind)
        left = np.searchsorted(self.hashes, hashes)
        hits = np.flatnonzero(self.hashes[np.minimum(left, len(self.hashes) - 1)] == hashes)
        left = left[hits]
        counts = np.searchsorted(self.hashes, hashes[hits], side="right") - left
        places = np.repeat(left - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        return np.repeat(whose[hits], counts), self.numbers[places]


def _hashes(entries: Any, kind: str) -> Uint64s:
    """Of the entries that are of the kind."""
    hosts, rests = split_urls(entries)
    if kind == "urls":
        return hash_slices(view_bytes(page_keys(hosts, rests).drop_null()))
    whole = pc.and_kleene(pc.is_valid(hosts), pc.match_substring_regex(rests, r"^/?$"))
    return hash_slices(view_bytes(hosts.filter(pc.fill_null(whole, False))))


class Queries:
    """The URLs of a batch, ready to be looked up in lists of each kind."""

    def __init__(self, urls: Any) -> None:
        self.hosts, self._rests = split_urls(urls)
        encoded = self.hosts.dictionary_encode()
        self._names: list[str] = encoded.dictionary.to_pylist()
        codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        self._codes = codes  # which name each row has; -1 for none
        self._asked: dict[str, tuple[Uint64s, Int64s]] = {}

    def domains(self) -> Any:
        """The registered domain of each host."""
        names = pa.array([domain_of(name) for name in self._names], pa.string())
        at = pa.array(self._codes, mask=self._codes < 0)
        return names.take(at)

    def asked(self, kind: str) -> tuple[Uint64s, Int64s]:
        """Hashes of what a list of the kind may call each URL, and the rows they belong to."""
        if kind not in self._asked:
            self._asked[kind] = self._ask(kind)
        return self._asked[kind]

    def _ask(self, kind: str) -> tuple[Uint64s, Int64s]:
        if kind == "urls":
            hashes, rows = page_candidates(page_keys(self.hosts, self._rests))
            known = self._codes[rows] >= 0
            return hashes[known], rows[known]
        if kind == "hosts":
            known = self._codes >= 0
            return hash_slices(view_bytes(self.hosts))[known], np.flatnonzero(known)
        names = [enclosing(name) for name in self._names]
        hashes = hash_slices(view_bytes(pa.array([one for some in names for one in some], pa.string())))
        sizes = np.array([len(some) for some in names], np.int64)
        starts = np.cumsum(sizes) - sizes
        rows = np.flatnonzero(self._codes >= 0)
        mine = sizes[self._codes[rows]]
        at = np.repeat(starts[self._codes[rows]] - np.cumsum(mine) + mine, mine) + np.arange(mine.sum())
        return hashes[at], np.repeat(rows, mine)


# ---------------------------------------------------------------------------------------------- columns of names


def names_of(rows: Int64s, numbers: Numbers, names: Any, size: int) -> Any:
    """What `find` gives, as a column: for each of `size` rows the names of the lists, each once, in their order."""
    pairs = np.unique((rows << 16) | numbers)
    offsets: Any = pa.array(np.searchsorted(pairs >> 16, np.arange(size + 1)).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, names.take(pa.array(pairs & 0xFFFF)))


def rows_where(lists: Any, chosen: Any) -> Mask:
    """Which rows of a list column hold a value that is chosen; `chosen` has a bool for each value of all rows."""
    hit = np.zeros(len(lists), np.bool_)
    hit[pc.list_parent_indices(lists).filter(chosen).to_numpy()] = True
    return hit
