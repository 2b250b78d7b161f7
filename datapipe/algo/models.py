"""Model files by path, and the packages that read them: what stages that ask a model have in common.

A model's bytes count, not its name or place: their digest is its version in fingerprints.
Costs reading a model once a process for its digest, and what its package takes to load it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import xxhash

from datapipe.algo.fasttext_file import labels_of
from datapipe.errors import InputError

__all__ = ["digest_of", "distributions", "load_fasttext", "model_file", "package", "whole_labels"]

_INSTALL = "pip install 'datapipe[{extra}]'"
_HEAVY = ("torch", "transformers")


def model_file(given: str, stage: str, kind: str = "model") -> Path:
    """The file at a path. Raises InputError if there is none."""
    if not Path(given).is_file():
        raise InputError(f"{stage}: model {given} is no file", remedy=f"name a {kind} that every worker can read")
    return Path(given)


def digest_of(path: Path) -> str:
    """32 hex digits of a file's bytes; read once a process while the file stays as it is."""
    state = path.stat()
    return _digest(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: Path, _size: int, _modified: int) -> str:
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@cache
def distributions(module: str, *, extra: str, stage: str) -> tuple[str, ...]:
    """Distributions that bring a module; several may, and then the last installed is the one used.

    Raises InputError if none is installed.
    """
    found = tuple(sorted(set(packages_distributions().get(module, ()))))
    if not found:
        raise _missing(extra, stage)
    return found


def package(module: str, *, extra: str, stage: str) -> Any:
    """A module that only some users need, imported when they do. Raises InputError if it is not installed."""
    try:
        with _without_heavy():
            return import_module(module)
    except ImportError:
        raise _missing(extra, stage) from None


@contextmanager
def _without_heavy() -> Iterator[None]:
    """SpaCy and presidio import torch and transformers where they are installed: seconds and 400 MB of each worker."""
    hidden = [name for name in _HEAVY if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] - None: not to be imported
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _missing(extra: str, stage: str) -> InputError:
    return InputError(f"{stage}: the engine {extra} is not installed", remedy=_INSTALL.format(extra=extra))


def whole_labels(path: Path, stage: str) -> tuple[str, ...]:
    """The labels of a fastText model, with their prefix. Raises InputError if it is none that tells labels, or cut."""
    labels = labels_of(path)
    if labels is None:
        raise _no_fasttext(path, stage)
    return labels


def load_fasttext(path: Path, stage: str) -> Any:
    """A fastText classifier: `predict(text and a newline, labels, threshold, "strict")` gives (probability, label)s.

    Raises InputError if the file is no fastText model that tells labels, is damaged, or no binding is installed.
    """
    fasttext = package("fasttext", extra="fasttext", stage=stage)
    whole_labels(path, stage)
    try:
        # `f` is what all bindings share; the wrapper around it fails in some of them under NumPy 2.
        model = fasttext.load_model(str(path)).f
        model.predict("a\n", 1, 0.0, "strict")
    except (ValueError, MemoryError, RuntimeError):  # a RuntimeError is of weights that are no numbers
        raise _no_fasttext(path, stage) from None
    return model


def _no_fasttext(path: Path, stage: str) -> InputError:
    return InputError(
        f"{stage}: {path} is no fastText model that tells labels, or is damaged",
        remedy="fetch it anew; such a model is lid.176.bin",
    )
