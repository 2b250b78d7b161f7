"""The recipe that `datapipe init` writes: short, with a comment for every option in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from datapipe.cli.look import Found

__all__ = ["starter"]

_NAMES = {
    "read.warc": "pages",
    "read.html": "files",
    "read.pdf": "papers",
    "read.text": "texts",
    "read.jsonl": "records",
    "read.json": "objects",
    "read.csv": "sheets",
    "read.parquet": "tables",
    "read.arrow": "arrows",
    "read.hub": "sets",
    "read.conversations": "chats",
}
_WEB = ("read.warc", "read.html")
_PDF = "read.pdf"
_TALKS = "read.conversations"

_EXTRACT_PDF = """
  # Takes the text layer out of each PDF; scans leave as pdf_without_text.
  layers:
    use: extract_pdf
"""

_HEAD = """\
# Written by `datapipe init`. Every stage and its options: datapipe stages NAME
# Paths are relative to the folder in which datapipe is started.
run: {run}  # folder that the run fills; run the recipe again to continue or to apply a change
seed: 0  # makes every random choice; the same seed, the same output

stages:
"""

_CLEAN = """
  # Finds the language of each text. `keep` names those to keep, such as [en, zh]; null keeps all.
  language:
    use: filter.language{languages_from}
    keep: null

  # Very short and very long texts leave. The limits are words.
  length:
    use: filter.length
    min_words: 50
    max_words: 100000

  # Rules of Gopher (Rae et al. 2021) against texts that are no prose: symbols, lists, repetition.
  quality:
    use: filter.gopher

  # Of documents with the same text one stays: the first in the order of the input. Case, accents, punctuation and
  # the values of digits do not count; normalise: false compares byte by byte.
  unique:
    use: dedup.exact
    survivor: first

  # What is left, as Parquet files in <run>/output.
  output:
    use: write.parquet
"""

_CHECK_TALKS = """
  # Broken conversations leave with a reason; all else is measured. How to clean, tokenise and pack: configs/sft.yaml
  checked:
    use: chat.validate

  # What is left, in one form, as JSON lines in <run>/messages.
  messages:
    use: write.conversations
    form: messages
"""


def starter(found: Sequence[Found], run: str) -> str:
    """The whole recipe as text; every kind of input is a source. Conversations stand apart."""
    named = set[str]()
    texts = [kind for kind in found if kind.reader != _TALKS]
    parts = [_HEAD.format(run=json.dumps(run, ensure_ascii=False)), *(_of_texts(texts, named) if texts else ())]
    for kind in (kind for kind in found if kind.reader == _TALKS):
        parts += ["\n".join(_source(kind, _source_name(kind, named))), _CHECK_TALKS]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _of_texts(found: Sequence[Found], named: set[str]) -> Iterator[str]:
    """Sources of pages and texts, and what cleans them together."""
    web = [_NAMES[kind.reader] for kind in found if kind.reader in _WEB]
    others = ["layers" if kind.reader == _PDF else _NAMES[kind.reader] for kind in found if kind.reader not in _WEB]
    joined = (["text"] if web else []) + others
    for kind in sorted(found, key=lambda kind: kind.reader not in _WEB):
        yield "\n".join(_source(kind, _source_name(kind, named)))
        if web and _NAMES[kind.reader] == web[-1]:
            yield _extract(web)
        elif kind.reader == _PDF:
            yield _EXTRACT_PDF
    yield _CLEAN.format(languages_from=f"\n    from: [{', '.join(joined)}]" if len(joined) > 1 else "")


def _source_name(kind: Found, taken: set[str]) -> str:
    """A name for the source from its first path; part of every document's id, so it must not be another's."""
    first = PurePosixPath(kind.paths[0].replace("\\", "/"))
    plain = [part for part in first.parts if "*" not in part and part not in {"/", ".", ".."}]
    name = re.sub(r"[^a-z0-9]+", "_", plain[-1].partition(".")[0].lower()).strip("_") if plain else ""
    name = name or _NAMES[kind.reader]
    if name in taken:
        name = f"{name}_{_NAMES[kind.reader]}"
    taken.add(name)
    return name


def _source(kind: Found, name: str) -> Iterator[str]:
    yield f"  # {kind.files:,} {kind.label} file{'' if kind.files == 1 else 's'}."
    yield f"  {_NAMES[kind.reader]}:"
    yield f"    use: {kind.reader}"
    yield "    paths:  # files, folders or globs"
    yield from (f"      - {json.dumps(path, ensure_ascii=False)}" for path in kind.paths)
    yield f"    source: {json.dumps(name)}  # part of every document's id: do not change it later"
    if kind.columns:
        yield "    columns:  # our name of a column: the name in your files"
        yield from (f"      {ours}: {json.dumps(theirs, ensure_ascii=False)}" for ours, theirs in kind.columns.items())
    yield "    sample: null  # such as 1%: read all, keep a part; null keeps everything"


def _extract(web: Sequence[str]) -> str:
    joined = f"    from: [{', '.join(web)}]\n" if len(web) > 1 else ""
    return (
        "  # Takes the main text out of each page. engine: trafilatura, justext or resiliparse (the fastest).\n"
        f"  text:\n    use: extract\n{joined}    engine: trafilatura\n"
    )
