"""The language model of a language, and how texts become the words that it knows.

ARPA files are read by `datapipe.algo.arpa`, binary files by kenlm, which maps them into memory that processes share.
Costs: see the stage's header; a model is loaded once a process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from datapipe.algo.arpa import load_arpa
from datapipe.algo.models import digest_of, distributions, model_file, package
from datapipe.errors import InputError
from datapipe.text.jit import Float64s, Int64s

STAGE = "filter.perplexity"
KENLM, SENTENCEPIECE = "kenlm", "sentencepiece"  # each a package, and the extra that brings it
BINARY = b"mmap lm http://kheafield.com/code"  # how kenlm's binary files begin

Score: TypeAlias = Callable[[Any], tuple[Float64s, Int64s]]


def libraries(models: dict[str, str], pieces: dict[str, str]) -> tuple[str, ...]:
    """Packages that read the models, and the digest of each model. Raises InputError if one of them is missing."""
    found = []
    for kind, paths in (("model", models), ("pieces", pieces)):
        files = {code: model_file(path, STAGE) for code, path in sorted(paths.items())}
        found += [f"{kind}.{code}={digest_of(path)}" for code, path in files.items()]
    if pieces:
        found += distributions(SENTENCEPIECE, extra=SENTENCEPIECE, stage=STAGE)
    if any(_is_binary(Path(path)) for path in models.values()):
        found += distributions(KENLM, extra=KENLM, stage=STAGE)
    return tuple(found)


def _is_binary(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(BINARY)) == BINARY


def scores_by(path: Path) -> Score:
    """What gives each text its log10 probability (float64) and its words with ends of sentences (int64)."""
    return _kenlm(path, digest_of(path)) if _is_binary(path) else _arpa(path, digest_of(path)).scores


@cache
def _arpa(path: Path, _digest: str) -> Any:
    return load_arpa(path, STAGE)


@cache
def _kenlm(path: Path, _digest: str) -> Score:
    kenlm = package(KENLM, extra=KENLM, stage=STAGE)
    try:
        model = kenlm.Model(str(path))
    except (OSError, RuntimeError):
        raise InputError(f"{STAGE}: kenlm cannot read {path}", remedy="build it anew by build_binary") from None

    def one(text: str) -> tuple[float, int]:
        lines = text.split("\n") if text else []
        return sum(map(model.score, lines)), sum(len(line.encode().split()) + 1 for line in lines)

    def scores(texts: Any) -> tuple[Float64s, Int64s]:
        found = [one(text or "") for text in texts.to_pylist()]
        return np.array([log for log, _ in found], np.float64), np.array([size for _, size in found], np.int64)

    return scores


def in_pieces(texts: Any, path: Path) -> Any:
    """Texts (large_string, without null) as the pieces of a sentencepiece model with spaces between."""
    encode = _pieces(path, digest_of(path)).encode
    return pa.array([" ".join(each) for each in encode(texts.to_pylist(), out_type=str)], pa.large_string())


@cache
def _pieces(path: Path, _digest: str) -> Any:
    sentencepiece = package(SENTENCEPIECE, extra=SENTENCEPIECE, stage=STAGE)
    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(path), num_threads=1)
    except (OSError, RuntimeError):
        raise InputError(
            f"{STAGE}: {path} is no sentencepiece model", remedy="name a file such as en.sp.model"
        ) from None
