"""Items of the benchmarks in ordinary documents, in the forms in which they leak: what an audit plants.

What, by kind, between two sentences of a real document in the item's script:
- whole: input and options; question: the input alone; part: the middle 60% of an input of 120 bits or more
- diluted: as much of the document as of the item, sentence by sentence
- edited: other case, dashes, quotation marks, spaces, and marks left out
- short_line: an input of 8 to 15 words (in Chinese, characters), alone on its line
- any_item: as whole, of all items; those of the other kinds are identifiable (see `datapipe.algo.item_index`)
A case is found where the item itself is told with a strength over the limit of its kind, and, where documents are
dropped, this one left. `like: gpt3`, whose index tells no items, is not audited.
Costs reading the benchmarks' files once in each process: all their items are held in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from datapipe.algo.benchmark_files import Benchmark, Where, benchmarks_of, digest_of_benchmarks, items_of
from datapipe.algo.chance import Chance
from datapipe.algo.hosting import CHANGES, Case, Host, cases_of, hosts_of, is_chinese, sentences_of
from datapipe.algo.item_index import INPUT, Item, identifiable, load_index
from datapipe.stage import Mask, Planting

SHORT = range(8, 16)
PART, PART_BITS = 0.6, 120.0
KINDS = ("whole", "question", "part", "diluted", "edited", "short_line", "any_item")
MARKS: dict[str, tuple[str, ...]] = {
    "'": ("\u2019",), '"': ("\u201c", "\u201d"), "-": ("\u2013", "\u2014", " - "), ",": ("", " ,"), ".": ("", " ."),
    "?": ("", " ?"), ":": ("", " :"), " ": ("\u00a0", "  "), "，": (",", "、", ""), "。": (".", ""), "？": ("?", ""),
}  # fmt: skip
EDITS = 3  # one in so many marks is edited; of spaces one in ten times as many
_WORDS = re.compile(r"\w+")


class _Items(NamedTuple):
    """All items, and by script and kind which of them can be planted so."""

    items: list[Item]
    fit: dict[tuple[bool, str], list[int]]


@lru_cache(maxsize=2)
def _loaded(benchmarks: tuple[str, ...], options: tuple[Any, ...], digest: str, folder: Path) -> _Items:
    fields, where, names = options
    items = items_of(benchmarks_of(benchmarks, dict(fields), where=where, names=names))
    index = load_index(folder).index
    sure, bits = identifiable(index), index.bits[index.kind == INPUT]
    fit: dict[tuple[bool, str], list[int]] = {}
    for at, item in enumerate(items):
        chinese = is_chinese(item.input)
        size = len(item.input) if chinese else len(_WORDS.findall(item.input))
        good = bool(sure[at])
        kinds = {"whole": good, "question": good, "diluted": good, "edited": good, "any_item": True}
        kinds |= {"part": good and bits[at] >= PART_BITS, "short_line": good and size in SHORT}
        for kind in KINDS:
            if kinds[kind]:
                fit.setdefault((chinese, kind), []).append(at)
    return _Items(items, fit)


def _items(config: Any, folder: Path) -> _Items:
    where = Where(config.data, fetch=config.fetch)
    options = (tuple(sorted(config.fields.items())), where, config.names)
    found: list[Benchmark] = benchmarks_of(config.benchmarks, config.fields, where=where, names=config.names)
    return _loaded(config.benchmarks, options, digest_of_benchmarks(found), folder)


def plant(batch: pa.RecordBatch, config: Any, resource: Path | None, seeds: Any) -> pa.RecordBatch:
    """A case for each document that has a text, if there are items in its script."""
    assert resource is not None
    if config.like == "gpt3":
        return cases_of(batch, ())
    return cases_of(batch, _cases(batch, _items(config, resource), seeds))


def _cases(batch: pa.RecordBatch, known: _Items, seeds: Any) -> Iterator[Case]:
    for host in hosts_of(batch, seeds):
        chinese = is_chinese(host.text)
        kinds = [kind for kind in KINDS if (chinese, kind) in known.fit]
        if not kinds:
            continue
        kind = host.chance.pick(kinds)
        item = known.items[host.chance.pick(known.fit[chinese, kind])]
        planted = _form(kind, item, host)
        yield Case(host, kind, f"{item.benchmark}\n{item.number}", host.around(planted))


# ---------------------------------------------------------------------------------------------- forms


def _form(kind: str, item: Item, host: Host) -> str:
    if kind in {"question", "short_line"}:
        return item.input
    if kind == "part":
        return _middle(item.input)
    whole = _whole(item)
    if kind == "diluted":
        return _diluted(whole, host)
    return _edited(whole, host.chance) if kind == "edited" else whole


def _whole(item: Item) -> str:
    lettered = (f"{letter}. {option}" for letter, option in zip(cycle("ABCDEFGHIJ"), item.options, strict=False))
    return "\n".join([item.input, *lettered])


def _middle(text: str) -> str:
    parts = list(text) if is_chinese(text) else text.split(" ")
    size = max(1, round(PART * len(parts)))
    first = (len(parts) - size) // 2
    return ("" if is_chinese(text) else " ").join(parts[first : first + size])


def _diluted(text: str, host: Host) -> str:
    """After each sentence as much of the document, or all of a sentence where that is shorter."""
    others, made = sentences_of(host.text), []
    for sentence in sentences_of(text):
        other = host.chance.pick(others)
        count = len(sentence) if is_chinese(sentence) else len(sentence.split())
        made += [sentence, other[:count] if is_chinese(sentence) else " ".join(other.split()[:count])]
    return " ".join(made)


def _edited(text: str, chance: Chance) -> str:
    made = "".join(
        chance.pick(MARKS[mark]) if mark in MARKS and chance.below(EDITS * (10 if mark == " " else 1)) == 0 else mark
        for mark in text
    )
    return chance.pick((made, made.upper(), made.lower()))


# ---------------------------------------------------------------------------------------------- found


def found(cases: pa.RecordBatch, config: Any) -> Mask:
    """Where the item is told, over the limit of its kind."""
    limits = {"input_output": config.max_input_output, "input": config.max_input, "output": config.max_output}
    if config.action != "drop":
        limits = dict.fromkeys(limits, config.cut_over if config.action == "cut" else 1.0)
    told = np.zeros(len(cases), np.bool_)
    for row, (hidden, evidence) in enumerate(
        zip(cases["hidden"].to_pylist(), cases["evidence"].to_pylist(), strict=True)
    ):
        told[row] = any(
            f"{each['benchmark']}\n{each['item']}" == hidden and _is_over(each["strength"], limits.get(each["kind"]))
            for each in evidence or ()
        )
    if config.action == "drop":
        told &= cases["reason"].is_valid().to_numpy(zero_copy_only=False)
    return told


def _is_over(strength: float, limit: float | None) -> bool:
    return limit is not None and strength > limit


PLANTING = Planting(version=1, plant=plant, reads=CHANGES, changes=CHANGES, found=found)
