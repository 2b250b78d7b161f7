"""Phrases of several families, found in texts by the words of the batch's segmentation.

Why: lists of terms and phrases are data; a phrase is compared as texts are cut, without case and punctuation, so that
one list serves languages with and without spaces, and no text becomes a string.
Costs: 64 to 102 MB/s beside the segmentation for fifty terms (tests/benchmarks/marks.py, `mark.bias`); it grows with
the logarithm of their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
import xxhash
import yaml

from datapipe.bundled import bundled
from datapipe.errors import InputError
from datapipe.text.jit import Int64s, Uint64s
from datapipe.text.reference import IS_WORD, tokens, word_hash
from datapipe.text.segmentation import Segmentation, flat

__all__ = ["FOLDER", "Families", "Hits", "mark_file", "read_phrases"]

FOLDER = "configs/marks"
APOSTROPHES = "'\u2019"
MOST_APOSTROPHES = 4  # in a phrase of which each may be of either form: there are two to their power
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd
_SHIFT = np.uint64(29)
_LINE = np.uint64(word_hash("_"))  # counts as a word elsewhere, but stands between the characters of hidden phrases


class Hits(NamedTuple):
    """Phrases found: the document and the index of the phrase, one pair for each place, in order of place."""

    documents: Int64s
    phrases: Int64s


@dataclass(frozen=True, eq=False)
class Families:
    """Phrases ready to be looked for. `families` names each family, `of` (int64) is the family of each phrase."""

    families: tuple[str, ...]
    phrases: tuple[str, ...]
    of: Int64s
    digest: str
    _first: Uint64s  # sorted hashes of first words
    _by_length: dict[int, tuple[Uint64s, Int64s]]  # by number of words: sorted keys, and their phrases

    @staticmethod
    def of_families(families: Mapping[str, Sequence[str]]) -> Families:
        """Raises InputError for a phrase without a word. A phrase that stands in a family twice counts once."""
        pairs = [(name, phrase) for name, some in families.items() for phrase in dict.fromkeys(some)]
        first: set[int] = set()
        keys: dict[int, list[tuple[int, int]]] = {}
        for number, (name, phrase) in enumerate(pairs):
            for written in _written(phrase):
                cut = [written[one.start : one.end] for one in tokens(written) if one.kind & IS_WORD]
                if not cut:
                    raise InputError(f"{phrase!r} of {name} holds no word", remedy="leave it out")
                words = np.array([word_hash(word) for word in cut], np.uint64)
                first.add(int(words[0]))
                keys.setdefault(len(words), []).append((int(_key(words[:, None])[0]), number))
        by_length = {}
        for length, some in sorted(keys.items()):
            some.sort()
            by_length[length] = (np.array([k for k, _ in some], np.uint64), np.array([n for _, n in some], np.int64))
        names = tuple(families)
        return Families(
            families=names,
            phrases=tuple(phrase for _, phrase in pairs),
            of=np.array([names.index(name) for name, _ in pairs], np.int64),
            digest=xxhash.xxh3_128_hexdigest(orjson.dumps(pairs)),
            _first=np.array(sorted(first), np.uint64),
            _by_length=by_length,
        )

    def find(self, segmentation: Segmentation) -> Hits:
        """All places of all phrases in the documents, overlapping ones too."""
        words = segmentation.words
        document, at = flat(words.first, words.last)
        is_word = ((words.kind[at] & IS_WORD) > 0) & (words.hashes[at] != _LINE)
        document, hashes = document[is_word], words.hashes[at[is_word]]
        place = np.searchsorted(self._first, hashes)
        starts = np.flatnonzero(np.append(self._first, 0)[place] == hashes) if len(self._first) else place[:0]
        found = [self._of_length(length, starts, document, hashes) for length in self._by_length]
        begins, phrases = (np.concatenate([np.zeros(0, np.int64), *some]) for some in zip(*found, strict=True))
        order = np.lexsort((phrases, begins))
        return Hits(document[begins[order]], phrases[order])

    def counts(self, segmentation: Segmentation) -> Int64s:
        """How often each family stands in each document; int64 (documents, families)."""
        return self.counted(self.find(segmentation), len(segmentation))

    def counted(self, hits: Hits, size: int) -> Int64s:
        """The same of what was found in `size` texts."""
        width = len(self.families)
        flat = np.bincount(hits.documents * width + self.of[hits.phrases], minlength=size * width)
        return flat.reshape(size, width)

    def _of_length(self, length: int, starts: Int64s, document: Int64s, hashes: Uint64s) -> tuple[Int64s, Int64s]:
        """Where phrases of so many words begin, of the places `starts`; and which they are."""
        starts = starts[starts + length <= len(hashes)]
        starts = starts[document[starts] == document[starts + length - 1]]
        wanted, numbers = self._by_length[length]
        keys = _key(np.stack([hashes[starts + place] for place in range(length)]))
        low, high = np.searchsorted(wanted, keys), np.searchsorted(wanted, keys, "right")
        counts = high - low
        which = np.repeat(low - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        return np.repeat(starts, counts), numbers[which]


def _written(phrase: str) -> list[str]:
    """A phrase with each of its apostrophes straight or curly; of more than MOST_APOSTROPHES, all or none."""
    parts = phrase.split("'")
    count = len(parts) - 1
    ways = product(APOSTROPHES, repeat=count) if count <= MOST_APOSTROPHES else ([mark] * count for mark in APOSTROPHES)
    return ["".join(part for pair in zip(parts, (*marks, ""), strict=True) for part in pair) for marks in ways]


def _key(words: Uint64s) -> Uint64s:
    """One hash for each column of word hashes."""
    key = np.zeros(words.shape[1], np.uint64)
    for row in words:
        key = (key ^ row) * _FACTOR
        key ^= key >> _SHIFT
    return key


def mark_file(name: str) -> Path:
    """A data file for marks that comes with datapipe."""
    return bundled(f"{FOLDER}/{name}")


def read_phrases(path: Path) -> Families:
    """The phrases in a YAML file of lists by family. Raises InputError for another form."""
    seen = path.stat()
    return _read(path, seen.st_mtime_ns, seen.st_size)


@lru_cache(maxsize=16)
def _read(path: Path, _modified: int, _size: int) -> Families:
    try:
        told = yaml.load(path.read_bytes(), Loader=yaml.BaseLoader)  # noqa: S506 - a loader that makes text alone
    except yaml.YAMLError as error:
        raise InputError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}", remedy=_FORM) from error
    lists = isinstance(told, dict) and all(isinstance(some, list) for some in told.values())
    if not lists or not all(isinstance(one, str) for some in told.values() for one in some):
        raise InputError(f"{path} is not lists of phrases by family", remedy=_FORM)
    return Families.of_families(told)


_FORM = f"see {FOLDER}/model_phrases.yaml for the form"
