"""The tokenizer that a stage above has prepared: its files, their digests, and how many tokens it knows.

Costs reading some 10 MB.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xxhash

__all__ = ["tokenizer_digests", "tokenizer_files", "vocabulary_of"]

MAIN = "tokenizer.json"


def _paths(resources: dict[str, Path]) -> list[Path]:
    """The files of the first tokenizer among the resources."""
    folders = [folder for folder in resources.values() if (folder / MAIN).is_file()]
    return [path for folder in folders[:1] for path in sorted(folder.iterdir()) if path.is_file()]


def tokenizer_files(resources: dict[str, Path]) -> Iterator[tuple[str, bytes]]:
    """Names below `tokenizer/` and contents, to stand beside tokens; none where no stage above has a tokenizer."""
    for path in _paths(resources):
        yield f"tokenizer/{path.name}", path.read_bytes()


def tokenizer_digests(resources: dict[str, Path]) -> dict[str, str]:
    """The xxh3-128 of each file, by its name."""
    return {path.name: xxhash.xxh3_128_hexdigest(path.read_bytes()) for path in _paths(resources)}


def vocabulary_of(resources: dict[str, Path]) -> int | None:
    """One more than the highest id that the tokenizer gives; None where no stage above has one."""
    main = next((path for path in _paths(resources) if path.name == MAIN), None)
    if main is None:
        return None
    told: dict[str, Any] = json.loads(main.read_bytes())
    known = told.get("model", {}).get("vocab", ())
    ids = known.values() if isinstance(known, dict) else range(len(known))  # a list by id in unigram models
    added = (token["id"] for token in told.get("added_tokens", ()))
    return 1 + max((*ids, *added), default=-1)
