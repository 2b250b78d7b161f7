"""Mark pages of a host that were filled into one template.

What: doorway pages, product pages and reports of which only names and numbers differ. A page's skeleton is the set of
its runs of `shingle` words without punctuation, where a number or a word with a capital stands for any, and several
in a row for one. Pages whose skeletons share one of `bands` bands of `rows` MinHash values each count as one template;
`pages` is how many pages of the host share the band that most share, `skeleton` that band. Two pages of a Jaccard
similarity s fall together with probability 1 - (1 - s^rows)^bands: at .6 nearly always, at .05 once in a thousand; so
the size of a host does not matter, and a template is found among however many other pages.
Found are 100% of pages of 7 templates with many fillers, 20 pages each, and none of 3,642 pages by people put on one
host (tests/real/test_machine.py).
Pages of which at least min_pages share the skeleton leave, but only with `drop`; before that
`datapipe show RUN --stage templates --where "templates.pages >= 10"` shows those of a stage called `templates`, and
`datapipe what-if RUN templates drop=true min_pages=20` says how many there are. Cut menus and banners before
(`dedup.host_lines`), or short pages will be alike by those. Pages without a host or with fewer than min_words words are
`not_judged`.
Costs: 34 to 58 MB/s beside the segmentation (tests/benchmarks/marks.py); 17 bytes a band and page in the exchange;
memory: a batch and MOST_PAGES rows.
Source: MinHash with banding (Broder 1997; Leskovec et al., Mining of Massive Datasets, ch. 3) on the shapes of words.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datapipe.algo.hosts import host_hashes
from datapipe.algo.keyed import counted, of_rows
from datapipe.stage import Group, Mask, Round, Scratch, StageConfig, at_least, decide, first_of, measure, schema
from datapipe.text import IS_WORD, BytesView, hash_slices, readonly, segment, view_bytes
from datapipe.text.reference import HAS_ALPHABETIC
from datapipe.text.segmentation import flat

TEMPLATED = "templated"

KEYS = schema(row=pa.uint32(), key=pa.uint64(), band=pa.uint8())
VERDICTS = schema(shard=pa.uint32(), row=pa.uint32(), pages=pa.int32(), skeleton=pa.uint64())
ADDS = schema(pages=pa.int32(), skeleton=pa.uint64(), judged=pa.bool_())
MOST_PAGES = 10_000  # where the pages of a template are counted no further
ANY = np.uint64(0x9E3779B97F4A7C15)  # the hash of what differs from page to page
SPREAD = np.uint64(0xC2B2AE3D27D4EB4F)  # odd

Uint64s: TypeAlias = npt.NDArray[np.uint64]
Int64s: TypeAlias = npt.NDArray[np.int64]


class Config(StageConfig):
    """What makes two pages alike, and how many alike make a template."""

    min_pages: int = decide(10, "pages of a host with one skeleton, from which on they are templated", ge=2)
    min_words: int = measure(20, "words of a skeleton; pages of fewer are not judged", ge=5)
    shingle: int = measure(3, "words (characters where there are no spaces) in a run of the skeleton", ge=1, le=8)
    bands: int = measure(20, "bands of MinHash values; more find pages that are less alike", ge=1, le=64)
    rows: int = measure(3, "MinHash values in a band; more ask for pages that are more alike", ge=1, le=8)
    drop: bool = decide(False, "drop pages that are templated")


def _seeds(count: int) -> Uint64s:
    """A factor and a term for each function, always the same; uint64 (count, 2)."""
    numbers, at = np.arange(2 * count, dtype=np.uint64), np.arange(2 * count + 1) * 8
    view = BytesView(readonly(numbers.view(np.uint8)), readonly(at[:-1]), readonly(at[1:]))
    return hash_slices(view).reshape(-1, 2)


def _skeletons(texts: Any) -> tuple[Int64s, Uint64s]:
    """The document and the hash of each word of all skeletons."""
    view, words = view_bytes(texts), segment(texts).words
    document, at = flat(words.first, words.last)
    is_word = (words.kind[at] & IS_WORD) > 0
    document, at = document[is_word], at[is_word]
    first = view.data[view.starts[document] + words.start[at]]
    differs = ((first >= ord("A")) & (first <= ord("Z"))) | (words.kind[at] & HAS_ALPHABETIC == 0)
    again = np.zeros(len(at), np.bool_)
    again[1:] = differs[1:] & differs[:-1] & (document[1:] == document[:-1])
    hashes = np.where(differs, ANY, words.hashes[at])
    return document[~again], hashes[~again]


def _shingles(document: Int64s, hashes: Uint64s, length: int) -> tuple[Int64s, Uint64s]:
    """The document and the hash of each run of so many words."""
    count = max(0, len(hashes) - length + 1)
    runs = np.zeros(count, np.uint64)
    for place in range(length):
        runs = (runs ^ hashes[place : place + count]) * SPREAD
        runs ^= runs >> np.uint64(29)
    whole = document[:count] == document[length - 1 : length - 1 + count]
    return document[:count][whole], runs[whole]


def _bands(firsts: Int64s, shingles: Uint64s, config: Config) -> Uint64s:
    """Hash of each band of each document whose shingles begin at `firsts`; uint64 (documents, bands)."""
    seeds = _seeds(config.bands * config.rows)
    found = np.zeros((len(firsts), config.bands), np.uint64)
    for number, (factor, term) in enumerate(seeds):
        least = np.minimum.reduceat(shingles * (factor | np.uint64(1)) + term, firsts)
        band = number // config.rows
        found[:, band] = (found[:, band] ^ least) * SPREAD
        found[:, band] ^= found[:, band] >> np.uint64(31)
    return found


def emit(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The bands of each page that has a host and enough words."""
    hosts, known = host_hashes(batch["url"])
    document, hashes = _skeletons(batch["text"])
    known &= np.bincount(document, minlength=batch.num_rows) >= config.min_words
    document, shingles = _shingles(document, hashes, config.shingle)
    mine = known[document]
    document, shingles = document[mine], shingles[mine]
    rows, firsts = np.unique(document, return_index=True)
    if not len(rows):
        return pa.RecordBatch.from_pylist([], KEYS)
    keys = _bands(firsts, shingles, config)
    numbers = np.broadcast_to(np.arange(config.bands, dtype=np.uint8), keys.shape)
    keys = (keys + numbers) * SPREAD ^ hosts[rows][:, None]
    arrays: list[Any] = [np.repeat(rows, config.bands).astype(np.uint32), keys.ravel(), numbers.ravel()]
    return pa.RecordBatch.from_arrays([pa.array(values) for values in arrays], schema=KEYS)


def resolve(stream: Iterator[pa.RecordBatch], config: Config, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """How many pages share each band, for bands of several; the first band of a page always, to say it was judged."""
    for rows, sizes, _ in counted(stream, ("key",), MOST_PAGES):
        chosen = pa.array((sizes > 1) | (rows["band"].to_numpy() == 0))
        pages: Any = pa.array(sizes.astype(np.int32))
        made = pa.RecordBatch.from_arrays([rows["shard"], rows["row"], pages, rows["key"]], schema=VERDICTS)
        yield made.filter(chosen)


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """The largest group of pages that share a band with each page, and that band; null where it is not judged."""
    if verdicts.num_rows == 0:  # then it may have no columns but `row`
        verdicts = pa.RecordBatch.from_pylist([], VERDICTS)
    place = of_rows(batch["row"], verdicts)
    sizes, skeletons = verdicts["pages"].to_numpy(), verdicts["skeleton"].to_numpy()
    order = np.lexsort((skeletons, -sizes, place))
    judged, first = np.unique(place[order], return_index=True)
    best = order[first]
    absent: Mask = np.ones(batch.num_rows, np.bool_)
    absent[judged] = False
    pages, skeleton = np.zeros(batch.num_rows, np.int32), np.zeros(batch.num_rows, np.uint64)
    pages[judged], skeleton[judged] = sizes[best], skeletons[best]
    arrays: list[Any] = [
        pa.array(pages, mask=absent),
        pa.array(skeleton, mask=absent),
        pa.array(~absent),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=ADDS)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Pages of a template, where they shall leave."""
    return first_of((at_least(measured["pages"], config.min_pages) & config.drop, TEMPLATED))


STAGE = Group(
    name="mark.templates",
    version=2,
    config=Config,
    reads=("text", "url"),
    optional=("url",),
    adds=ADDS,
    reasons={TEMPLATED: "at least min_pages pages of its host have its skeleton, and drop is set"},
    rounds=(Round(emit=emit, resolve=resolve),),
    apply=apply,
    libraries=("datapipe.text", "idna"),
    decide=decide_reasons,
)
