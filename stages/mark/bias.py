"""Say which groups of people a document mentions, so that a report can tell what filters do to them.

What: the terms for groups of people in the file of the document's language (`group_terms`: gender, religion,
nationality, orientation, disability), as whole words, and where there are no spaces as runs of characters. A term says
that a group is spoken of, not how. Of a conversation all messages count together. Nothing is dropped here: put it
before the filters to be looked at, and `datapipe bias RUN` holds scores, losses and words of such documents against
those of all.
`datapipe show RUN --stage groups --where "'religion:muslim' in groups.terms"` shows what a stage called `groups` found.
Documents in a language without terms, or in none, are `not_judged`.
Costs: 64 to 102 MB/s beside the segmentation (tests/benchmarks/marks.py).
Source: filters that silence groups, as found on C4 by Dodge et al. 2021 (section 5).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.algo.families import Families, Hits
from datapipe.algo.rows import rows_by_value
from datapipe.stage import Map, StageConfig, place, schema
from datapipe.text import pieces, segment
from datapipe.text.languages import language, language_codes, languages_digest

NAMES = pa.list_(pa.string())
ADDS = schema(groups=NAMES, counts=pa.list_(pa.int32()), terms=NAMES, judged=pa.bool_())


class Config(StageConfig):
    """Whose terms are looked for."""

    languages: str | None = place(
        None, "folder of language files of your own; each replaces one of datapipe's, or adds one"
    )


@lru_cache(maxsize=256)
def _phrases(families: tuple[tuple[str, tuple[str, ...]], ...]) -> Families:
    return Families.of_families(dict(families))


def _terms(code: str | None, config: Config) -> Families | None:
    known = language(code, config.languages)
    if known is None or not known.group_terms:
        return None
    return _phrases(tuple(sorted((kind, tuple(terms)) for kind, terms in known.group_terms.items())))


class _Found:
    """What was found in a batch: for each column, a row, a name and a number at a time."""

    def __init__(self) -> None:
        self.rows: list[Any] = [np.zeros(0, np.int64)]
        self.names: list[str] = []
        self.which: list[Any] = [np.zeros(0, np.int64)]
        self.counts: list[Any] = [np.zeros(0, np.int64)]

    def add(self, rows: Any, which: Any, counts: Any, names: list[str]) -> None:
        """`which` are indexes of `names`."""
        self.rows.append(rows)
        self.which.append(which + len(self.names))
        self.counts.append(counts)
        self.names += names

    def columns(self, size: int) -> tuple[Any, Any]:
        """The names of each row in order, and their counts."""
        rows, which, counts = (np.concatenate(each) for each in (self.rows, self.which, self.counts))
        places = np.argsort(np.argsort(np.array(self.names, object))) if self.names else np.zeros(0, np.int64)
        order = np.lexsort((places[which], rows))
        offsets: Any = pa.array(np.append(0, np.cumsum(np.bincount(rows, minlength=size))).astype(np.int32))
        names: Any = pa.array(self.names, pa.string()).take(pa.array(which[order]))
        numbers: Any = pa.array(counts[order].astype(np.int32))
        return pa.ListArray.from_arrays(offsets, names), pa.ListArray.from_arrays(offsets, numbers)


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Groups that each document mentions, in order of name, how often each, and the different terms as `group:term`."""
    count = batch.num_rows
    said = pieces(batch)
    segmentation = segment(said.texts)
    groups, terms, judged = _Found(), _Found(), np.zeros(count, np.bool_)
    for code, rows in rows_by_value(batch["language"]).items():
        phrases = _terms(code, config)
        if phrases is None:
            continue
        judged[rows] = True
        mine = np.flatnonzero(np.isin(said.document, rows))
        places = phrases.find(segmentation.take(mine))
        hits = Hits(said.document[mine][places.documents], places.phrases)  # of the batch's rows
        found = phrases.counted(hits, count)
        at, family = np.nonzero(found)
        groups.add(at, family, found[at, family], list(phrases.families))
        pairs, times = np.unique(hits.documents * len(phrases.of) + hits.phrases, return_counts=True)
        at, term = np.divmod(pairs, len(phrases.of))
        named = [f"{phrases.families[of]}:{phrase}" for of, phrase in zip(phrases.of, phrases.phrases, strict=True)]
        terms.add(at, term, times, named)
    named_groups, counts = groups.columns(count)
    arrays = [named_groups, counts, terms.columns(count)[0], pa.array(judged)]
    return pa.RecordBatch.from_arrays(arrays, schema=ADDS)


def libraries(config: Config) -> tuple[str, ...]:
    """The Unicode tables, and the terms in the language files."""
    return ("datapipe.text", f"languages={languages_digest(config.languages, 'group_terms')}")


def known_languages(config: Config) -> tuple[str, ...]:
    """Those with terms."""
    return tuple(code for code in language_codes(config.languages) if _terms(code, config) is not None)


STAGE = Map(
    name="mark.bias",
    version=2,
    config=Config,
    reads=("text", "messages", "language"),
    optional=("text", "messages"),  # a document has either
    adds=ADDS,
    coded=("groups", "terms"),
    process=process,
    libraries=libraries,
    languages=known_languages,
)
