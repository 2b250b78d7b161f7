"""Runs datatrove's filters over texts, in an environment of its own: decisions, reasons and seconds.

    PYTHONPATH=<repository> <peer>/bin/python tests/peers/datatrove_side.py IN OUT own|ours

IN holds JSON lines with `text`, and with `ours` its `words`: datatrove is then fed these words, and our sentences.
OUT is a JSON object: for each filter `reasons` (null is kept) and `seconds`.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any


def feed(words: dict[str, list[str]]) -> None:
    """Let the filters cut texts as we do."""
    from datatrove.pipeline.filters import (  # noqa: PLC0415 - of another environment
        c4_filters,
        fineweb_quality_filter,
        gopher_quality_filter,
        gopher_repetition_filter,
    )

    from datapipe.text import reference  # noqa: PLC0415

    def sentences(line: str, _language: str) -> list[str]:
        return [line[start:end] for start, end in reference.sentences(line)] or [line]  # it never finds none

    for module in (fineweb_quality_filter, gopher_quality_filter, gopher_repetition_filter):
        module.split_into_words = lambda text, _language: words[text]
    c4_filters.split_into_sentences = sentences


def judge(filters: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    """What each filter says of each text, and how long that took."""
    from datatrove.data import Document  # noqa: PLC0415
    from datatrove.utils.text import split_into_parts  # noqa: PLC0415

    found: dict[str, Any] = {}
    for name, one in filters.items():
        split_into_parts.cache_clear()
        documents = [Document(text=text, id=str(row)) for row, text in enumerate(texts)]
        began = time.perf_counter()
        said = [one.filter(document) for document in documents]
        seconds = time.perf_counter() - began
        found[name] = {"reasons": [None if each is True else each[1] for each in said], "seconds": seconds}
    return found


def main() -> None:
    """Read, judge, write."""
    from datatrove.pipeline.filters import (  # noqa: PLC0415
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )

    warnings.simplefilter("ignore")  # the mean of no words
    source, target, cut = sys.argv[1:]
    rows = [json.loads(line) for line in Path(source).read_bytes().splitlines()]
    texts = [row["text"] for row in rows]
    if cut == "ours":
        feed({row["text"]: row["words"] for row in rows})
    filters = {
        "quality": GopherQualityFilter(),
        "repetition": GopherRepetitionFilter(),
        "c4": C4QualityFilter(),
        "fineweb": FineWebQualityFilter(),
    }
    if cut == "own":
        judge(filters, ["A few words to load what is loaded once."])
    Path(target).write_text(json.dumps(judge(filters, texts)))


if __name__ == "__main__":
    main()
