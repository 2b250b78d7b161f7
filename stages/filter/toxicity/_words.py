"""Lists of words by language: a folder of the user's with a file for each, named by its code, one entry a line.

Such lists are those of LDNOOBW (CC-BY-4.0), which C4 used; none comes with datapipe. Other files of the folder (a
licence, a README) are passed over.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from datapipe.algo.inputs import find_files
from datapipe.algo.lists import ListFile, entries, stamp
from datapipe.algo.obfuscation import undo_tricks
from datapipe.algo.phrases import Phrases
from datapipe.errors import InputError
from datapipe.stage import File
from datapipe.text.jit import Int32s
from datapipe.text.languages import is_code
from datapipe.text.segmentation import Segmentation

ENDINGS = (".txt",)
REPEATS = (1, 2)  # times that a letter repeated on purpose is written in the listed word


@lru_cache(maxsize=8)
def _listed(folder: str, _stamp: str) -> dict[str, Phrases]:
    found = {code: _phrases(file) for code, file in _files(folder).items()}
    return {code: phrases for code, phrases in found.items() if len(phrases)}


def lists(folder: str | None) -> dict[str, Phrases]:
    """The words of each language that the folder has a list of. Raises InputError for a folder without any."""
    return {} if folder is None else _listed(folder, _state(folder))


def libraries(folder: str | None) -> tuple[str, ...]:
    """What the lists say, wherever they lie."""
    if folder is None:
        return ()
    return stamp(ListFile(file, "words", code) for code, file in _files(folder).items())


def _files(folder: str) -> dict[str, File]:
    found = {}
    for file in find_files([folder], suffixes=("",)):
        name = file.name
        for ending in ENDINGS:
            name = name.removesuffix(ending)
        if is_code(name):
            found[name] = file
    if not found:
        raise InputError(f"{folder} holds no list of words", remedy="name its files by language, such as en or zh.txt")
    return found


def _state(folder: str) -> str:
    told = [f"{code}\n{file.path}\n{file.size}\n{file.modified}" for code, file in sorted(_files(folder).items())]
    return xxhash.xxh3_128_hexdigest("\n\n".join(told).encode())


def _phrases(file: File) -> Phrases:
    return Phrases.of(word for part in entries(file) for word in part.to_pylist())


def count(words: Phrases, texts: pa.Array[Any], segmentation: Segmentation, *, obfuscation: bool) -> Int32s:
    """How many listed words each text holds; of the readings with and without tricks undone the most."""
    found = words.count(segmentation)
    for repeats in REPEATS if obfuscation else ():
        found = np.maximum(found, words.count(Segmentation.of(undo_tricks(texts, repeats))))
    return found
