"""What `filter.url` looks things up in: lists of hashes and words, written once to a folder and mapped from there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
import yaml

from datapipe.algo.lists import HashList, ListFile, category_files, entries, list_files, stamp
from datapipe.algo.resource import loaded_once
from datapipe.errors import InputError
from datapipe.text import hash_slices, view_bytes

KINDS = ("domains", "hosts", "urls")
ALLOWED = ("allow_domains", "allow_urls")
WORDS = ("hard", "soft", "strict")
SEPARATORS = r"[^\pL\pM\pN]+"  # between words
OWN_WORDS = Path(__file__).with_name("words.yaml")
_TOGETHER = 500  # words in one regular expression
_ABOUT = "lists.json"


class Wanted(Protocol):
    """Which lists a config asks for."""

    @property
    def domains(self) -> tuple[str, ...]: ...
    @property
    def hosts(self) -> tuple[str, ...]: ...
    @property
    def urls(self) -> tuple[str, ...]: ...
    @property
    def folders(self) -> tuple[str, ...]: ...
    @property
    def categories(self) -> tuple[str, ...] | None: ...
    @property
    def own_words(self) -> bool: ...


def block_files(config: Wanted) -> list[ListFile]:
    """Every file of domains, hosts and URLs to block."""
    named = [file for kind in KINDS for file in list_files(getattr(config, kind), kind)]
    return named + category_files(config.folders, config.categories)


def _allow_files(config: Wanted, kind: str) -> list[ListFile]:
    return list_files(getattr(config, kind), kind.removeprefix("allow_"))


def _word_files(config: Wanted, kind: str) -> list[ListFile]:
    return list_files(getattr(config, f"{kind}_words"), kind)


def stamps(config: Wanted) -> tuple[str, ...]:
    """Digests of all lists, for `libraries`."""
    told = list(stamp(block_files(config)))
    for kind in ALLOWED:
        told += [f"allowed {entry}" for entry in stamp(_allow_files(config, kind))]
    for kind in WORDS:
        told += [f"words {entry}" for entry in stamp(_word_files(config, kind))]
    return (*told, *((f"own_words={_own_digest()}",) if config.own_words else ()))


@cache
def _own_digest() -> str:
    return xxhash.xxh3_128_hexdigest(OWN_WORDS.read_bytes())


def build(config: Wanted, folder: Path) -> None:
    """Write everything. Raises InputError for a file that cannot be read or holds nothing of its kind."""
    files = block_files(config)
    names = sorted({each.name for each in files})
    numbers = {name: number for number, name in enumerate(names)}
    for kind in KINDS:
        HashList.of([each for each in files if each.kind == kind], numbers).save(folder, kind)
    for kind in ALLOWED:
        allowed = _allow_files(config, kind)
        HashList.of(allowed, dict.fromkeys((each.name for each in allowed), 0)).save(folder, kind)
    words = {kind: _words(config, kind) for kind in WORDS}
    (folder / _ABOUT).write_bytes(orjson.dumps({"lists": names, "words": words}))


def _words(config: Wanted, kind: str) -> list[str]:
    own = yaml.safe_load(OWN_WORDS.read_text(encoding="utf-8"))[kind] if config.own_words else []
    given = [word for each in _word_files(config, kind) for word in _read_words(each)]
    return sorted({*own, *given})


def _read_words(each: ListFile) -> Iterable[str]:
    for part in entries(each.file):
        bare = pc.replace_substring_regex(pc.utf8_lower(part), SEPARATORS, "")
        for word, line in zip(bare.to_pylist(), part.to_pylist(), strict=True):
            if not word or (each.kind != "strict" and word != line.lower()):
                raise InputError(f"{each.file.path}: {line!r} is no single word", remedy="one word a line")
            yield word


@dataclass(frozen=True)
class Lists:
    """All that a config asks for, ready for look-ups. `words` by kind; `hashes` are of the same words, sorted."""

    names: Any
    blocked: dict[str, HashList]
    allowed: dict[str, HashList]
    words: dict[str, tuple[str, ...]]
    hashes: dict[str, Any]
    patterns: tuple[str, ...]  # of the strict words


@loaded_once(_ABOUT)
def load(folder: Path) -> Lists:
    """From the folder that `build` filled."""
    about = orjson.loads((folder / _ABOUT).read_bytes())
    words: dict[str, tuple[str, ...]] = {}
    hashes: dict[str, Any] = {}
    for kind in ("hard", "soft"):
        some = np.array(about["words"][kind], object)
        hashed = hash_slices(view_bytes(pa.array(some.tolist(), pa.string())))
        order = np.argsort(hashed)
        words[kind], hashes[kind] = tuple(some[order]), hashed[order]
    words["strict"] = tuple(about["words"]["strict"])
    literal = [re.escape(word) for word in words["strict"]]
    return Lists(
        names=pa.array(about["lists"], pa.string()),
        blocked={kind: HashList.load(folder, kind) for kind in KINDS},
        allowed={kind: HashList.load(folder, kind) for kind in ALLOWED},
        words=words,
        hashes=hashes,
        patterns=tuple("|".join(literal[at : at + _TOGETHER]) for at in range(0, len(literal), _TOGETHER)),
    )
