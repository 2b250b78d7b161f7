"""Drop pages by their URL: by lists of domains, hosts and pages, and by words.

What: a URL is looked up in block lists, its words in lists of words. Hard words drop it when one of them is a whole
word of the URL, soft ones when two of them are, strict ones wherever their letters stand once all separators are gone.
What an allow list names stays, whatever else is found. Percent signs are undone before words are looked for.
Why: adult, gambling and spam sites are cheaper to drop by name, before anything is extracted, and surer than by text.
Lists come as files, one entry a line (see `datapipe.algo.lists` for what an entry names), or as folders of categories
in the form of the UT1 lists; `words.yaml` is a small list of ours. A list that changes is read again; one that moves is
not. URLs without a host, and documents without URL, pass and count as `not_judged`.
Costs: 17 microseconds a URL with a list of a million domains, 15 with ten (tests/benchmarks/urls.py); reading a million
takes 2 seconds, once a run, and a process maps 10 bytes for each.
Source: Penedo et al. 2023 (RefinedWeb), G.1; Penedo et al. 2024 (FineWeb), which counts soft words the same way.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.lists import HashList, Queries, names_of, rows_where
from datapipe.algo.urls import LIBRARIES
from datapipe.stage import Map, Mask, Prepare, StageConfig, above, decide, first_of, measure, place, schema
from datapipe.text import hash_slices, view_bytes
from stages.filter.url._lists import SEPARATORS, Lists, build, load, stamps

REASONS = {
    "blocked_domain": "its host lies in a domain on a list of domains",
    "blocked_host": "its host is on a list of hosts",
    "blocked_url": "it is on a list of URLs, or lies below one that is",
    "blocked_word": "more whole words on the hard list than max_hard_words",
    "blocked_substring": "more words of the strict list among its letters than max_strict_words",
    "blocked_soft_words": "more different whole words on the soft list than max_soft_words",
}


class Config(StageConfig):
    """Which lists, and what a hit means."""

    domains: tuple[str, ...] = place((), "files of domains, one a line; they and all under them leave: blocked_domain")
    hosts: tuple[str, ...] = place((), "files of hosts, one a line; these alone leave as blocked_host")
    urls: tuple[str, ...] = place((), "files of URLs, one a line; they and what lies below leave as blocked_url")
    folders: tuple[str, ...] = place((), "folders with a folder a category, each with files `domains` and `urls` (UT1)")
    categories: tuple[str, ...] | None = measure(None, "names of the folders to use; none given: all there are")
    allow_domains: tuple[str, ...] = place((), "files of domains; they and all under them stay, whatever else is found")
    allow_urls: tuple[str, ...] = place((), "files of URLs; they and what lies below stay, whatever else is found")
    own_words: bool = measure(True, "whether the small lists of datapipe's own are used too")
    hard_words: tuple[str, ...] = place((), "files of whole words, one a line, that drop by themselves")
    soft_words: tuple[str, ...] = place((), "files of whole words, one a line, that drop together with others")
    strict_words: tuple[str, ...] = place((), "files of words, one a line, that drop wherever their letters stand")
    pass_lists: tuple[str, ...] = decide((), "names of lists or categories whose hits are told but drop nothing")
    max_hard_words: int | None = decide(0, "different hard words; more leave as blocked_word", ge=0)
    max_strict_words: int | None = decide(0, "different strict words; more leave as blocked_substring", ge=0)
    max_soft_words: int | None = decide(1, "different soft words; more leave as blocked_soft_words", ge=0)


NAMES = pa.list_(pa.string())
ADDS = schema(
    host=pa.string(),
    domain=pa.string(),
    domain_lists=NAMES,
    host_lists=NAMES,
    url_lists=NAMES,
    allowed=pa.bool_(),
    hard_words=pa.int32(),
    strict_words=pa.int32(),
    soft_words=pa.int32(),
    word=pa.string(),  # the first hard one found, else the first strict one, in order of the alphabet
    judged=pa.bool_(),
)
# Kind of list, the column of its hits, and their reason.
ON_LISTS = (
    ("domains", "domain_lists", "blocked_domain"),
    ("hosts", "host_lists", "blocked_host"),
    ("urls", "url_lists", "blocked_url"),
)


def libraries(config: Config) -> tuple[str, ...]:
    """What tells domains, and what the lists hold."""
    return (*LIBRARIES, *stamps(config))


def _names(queries: Queries, kind: str, found: HashList, names: Any) -> Any:
    """The names of the lists that name each URL, in order of the alphabet."""
    return names_of(*found.find(queries, kind), names, len(queries.hosts))


def _allowed(queries: Queries, lists: Lists) -> Mask:
    allowed = np.zeros(len(queries.hosts), np.bool_)
    for name, kind in (("allow_domains", "domains"), ("allow_urls", "urls")):
        rows, _ = lists.allowed[name].find(queries, kind)
        allowed[rows] = True
    return allowed


class Words:
    """The words of each URL of a batch, and what they are among the letters alone."""

    def __init__(self, urls: Any) -> None:
        coded = np.flatnonzero(pc.fill_null(pc.match_substring(urls, "%"), False).to_numpy(zero_copy_only=False))
        if len(coded):
            plain = pa.array([unquote(url) for url in urls.take(pa.array(coded)).to_pylist()], pa.string())
            mask = np.zeros(len(urls), np.bool_)
            mask[coded] = True
            urls = pc.replace_with_mask(urls, pa.array(mask), plain)
        self._small = pc.fill_null(pc.utf8_lower(urls), "")
        words = pc.split_pattern_regex(self._small, SEPARATORS)
        self._rows = pc.list_parent_indices(words).to_numpy()
        self._hashes = hash_slices(view_bytes(words.flatten()))

    def whole(self, hashes: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(row, place in `hashes`) of each different word that is among them, in order."""
        if not len(hashes):
            return self._rows[:0], self._rows[:0]
        at = np.minimum(np.searchsorted(hashes, self._hashes), len(hashes) - 1)
        hit = hashes[at] == self._hashes
        pairs = np.unique(np.stack([self._rows[hit], at[hit]]), axis=1)
        return pairs[0], pairs[1]

    def letters(self, lists: Lists) -> dict[int, list[str]]:
        """The strict words among the letters of each URL that holds any."""
        letters = pc.replace_substring_regex(self._small, SEPARATORS, "")
        found: dict[int, list[str]] = {}
        for pattern in lists.patterns:
            hit = pc.match_substring_regex(letters, pattern).to_numpy(zero_copy_only=False)
            for row in np.flatnonzero(hit).tolist():
                text = letters[row].as_py()
                found.setdefault(row, [word for word in lists.words["strict"] if word in text])
        return found


def _word_columns(urls: Any, lists: Lists) -> dict[str, Any]:
    words = Words(urls)
    rows, places = words.whole(lists.hashes["hard"])
    strict = words.letters(lists)
    strict_counts = np.zeros(len(urls), np.int32)
    first = {row: found[0] for row, found in strict.items()}
    for row, found in strict.items():
        strict_counts[row] = len(found)
    hard: dict[int, str] = {}
    for row, at in zip(rows.tolist(), places.tolist(), strict=True):
        word = lists.words["hard"][at]
        hard[row] = min(word, hard.get(row, word))
    first |= hard
    soft, _ = words.whole(lists.hashes["soft"])
    return {
        "hard_words": np.bincount(rows, minlength=len(urls)).astype(np.int32),
        "strict_words": strict_counts,
        "soft_words": np.bincount(soft, minlength=len(urls)).astype(np.int32),
        "word": pa.array([first.get(row) for row in range(len(urls))], pa.string()),
    }


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Host, domain, the lists that name each URL, and how many words of each kind it holds."""
    assert resource is not None
    lists, queries = load(resource), Queries(batch["url"])
    known = pc.is_valid(queries.hosts)
    found: dict[str, Any] = {
        "host": queries.hosts,
        "domain": queries.domains(),
        **{column: _names(queries, kind, lists.blocked[kind], lists.names) for kind, column, _ in ON_LISTS},
        "allowed": _allowed(queries, lists),
        **_word_columns(pc.if_else(known, batch["url"], pa.scalar(None, pa.string())), lists),
        "judged": known,
    }
    return pa.RecordBatch.from_arrays([pa.array(found[name]) for name in ADDS.names], schema=ADDS)


def _on_a_list(names: Any, passed: tuple[str, ...]) -> Mask:
    """Where a list names the URL that is not among those passed."""
    return rows_where(names, pc.invert(pc.is_in(names.flatten(), value_set=pa.array(passed, pa.string()))))


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Why each page leaves; none that an allow list names."""
    allowed: Any = measured["allowed"]
    bound = ~pc.fill_null(allowed, False).to_numpy(zero_copy_only=False)
    rules = [(_on_a_list(measured[column], config.pass_lists), reason) for _, column, reason in ON_LISTS]
    rules += [
        (above(measured["hard_words"], config.max_hard_words), "blocked_word"),
        (above(measured["strict_words"], config.max_strict_words), "blocked_substring"),
        (above(measured["soft_words"], config.max_soft_words), "blocked_soft_words"),
    ]
    return first_of(*((hit & bound, reason) for hit, reason in rules))


STAGE = Map(
    name="filter.url",
    version=1,
    config=Config,
    reads=("url",),
    adds=ADDS,
    coded=("domain_lists", "host_lists", "url_lists", "word"),
    reasons=REASONS,
    libraries=libraries,
    prepare=Prepare(build=build),
    process=process,
    decide=decide_reasons,
)
