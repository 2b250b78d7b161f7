"""Items planted into ordinary texts are found, and ordinary texts are not; prints its tables (`pytest -s -m full`)."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from datapipe.algo.background import load_background
from datapipe.algo.folded_tokens import fold_table
from datapipe.algo.item_index import (
    IDENTIFIABLE_BITS,
    IDENTIFIABLE_TOKENS,
    INPUT,
    Index,
    Item,
    build_index,
    load_index,
)
from datapipe.algo.item_match import match_items
from datapipe.algo.item_rules import CONTEXT, strengths
from datapipe.text import view_bytes
from tests.real.benchmark_items import chinese, english, hosts, unseen
from tests.real.planting import (
    Form,
    answered,
    changed,
    diluted,
    edited,
    fillers,
    kept,
    planted,
    question,
    reordered,
    rephrased,
    size_of,
    whole,
)

pytestmark = [pytest.mark.full, pytest.mark.timeout(3000)]

BASELINE = 10  # every so-manieth item also goes to the two usual rules, in plain Python
AIMS: dict[str, tuple[float | None, float | None]] = {  # identifiable, all
    "whole": (0.99, 0.97),
    "edits": (0.99, 0.97),
    "options reordered": (0.99, 0.95),
    "question only": (0.99, 0.94),
    "8-15 words": (None, 0.98),
    "diluted": (None, 0.95),
    "60% kept, 120 bits": (None, 0.97),
    "10% of words changed": (0.93, 0.93),
    "20% of words changed": (None, None),
    "30% of words changed": (None, None),
    "rephrased": (None, None),
    "zh whole": (None, 0.98),
    "zh question only": (None, None),
    "zh edits": (None, 0.98),
    "zh 60% kept, 120 bits": (None, 0.95),
    "zh 5% of characters changed": (None, 0.85),
}


ANSWERED = {
    "zh whole",
    "zh edits",
    "zh 5% of characters changed",
}  # their forms hold the answer, which the usual rules get, too


class Found:
    """An index in a folder, and what is in documents by it."""

    def __init__(self, items: list[Item], folder: Path) -> None:
        build_index(items, load_background(), fold_table(), folder)
        self.items = items
        self.index: Index = load_index(folder).index
        inputs = np.flatnonzero(self.index.kind == INPUT)
        self.bits = dict(zip(self.index.item[inputs].tolist(), self.index.bits[inputs].tolist(), strict=True))
        self.tokens = dict(zip(self.index.item[inputs].tolist(), self.index.own[inputs].tolist(), strict=True))

    def identifiable(self, number: int) -> bool:
        return self.tokens[number] >= IDENTIFIABLE_TOKENS and self.bits[number] >= IDENTIFIABLE_BITS

    def dropped(self, texts: list[str]) -> Iterator[tuple[bool, int]]:
        """Of each text whether it leaves, and the item that is found surest (-1: none)."""
        for start in range(0, len(texts), 256):
            part = texts[start : start + 256]
            matches = match_items(view_bytes(pa.array(part, pa.large_string())), self.index, fold_table())
            strong = strengths(self.index, matches)
            strong[self.index.kind[matches.segment] == CONTEXT] = 0
            best, item = np.zeros(len(part)), np.full(len(part), -1)
            for text, segment, value in zip(
                matches.text.tolist(), matches.segment.tolist(), strong.tolist(), strict=True
            ):
                if value > best[text]:
                    best[text], item[text] = value, self.index.item[segment]
            yield from zip((best >= 1).tolist(), item.tolist(), strict=True)


@pytest.fixture(scope="module")
def items(real_data: Path) -> list[Item]:
    return english(real_data) + chinese(real_data)


@pytest.fixture(scope="module")
def found(items: list[Item], tmp_path_factory: pytest.TempPathFactory) -> Found:
    return Found(items, tmp_path_factory.mktemp("index"))


def grams(text: str, size: int) -> list[tuple[str, ...]]:
    words = re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+", text.lower())
    return [tuple(words[at : at + size]) for at in range(len(words) - size + 1)]


def by_13_grams(reference: str, text: str) -> bool:
    return not set(grams(reference, 13)).isdisjoint(grams(text, 13))


def by_8_grams(reference: str, text: str) -> bool:
    """Over half of the item's words stand in 8-grams of the text."""
    own, theirs = grams(reference, 8), set(grams(text, 8))
    covered = {at + k for at, gram in enumerate(own) if gram in theirs for k in range(8)}
    return len(covered) > 0.5 * (len(own) + 7) if own else False


def reference(item: Item, name: str) -> str:
    alone = "question" in name or "kept" in name or name == "8-15 words"
    return item.input if alone else whole(item, random.Random(0))


def test_planted_items_are_found(real_data: Path, items: list[Item], found: Found) -> None:
    around = hosts(real_data)
    filler = fillers(around)
    words = sorted(set(re.findall(r"[a-z]{3,}", " ".join(around["en"][:300]).lower())))
    forms: dict[str, Form] = {
        "whole": whole,
        "edits": edited,
        "options reordered": reordered,
        "question only": question,
        "8-15 words": question,
        "diluted": diluted(filler),
        "60% kept, 120 bits": kept,
        "10% of words changed": changed(0.1, words),
        "20% of words changed": changed(0.2, words),
        "30% of words changed": changed(0.3, words),
        "rephrased": rephrased,
        "zh whole": answered,
        "zh question only": question,
        "zh edits": edited,
        "zh 60% kept, 120 bits": kept,
        "zh 5% of characters changed": changed(0.05, words),
    }
    failed = []
    for name, form in forms.items():
        dice = random.Random(name)
        chosen = which(items, zh=name.startswith("zh"))
        if name == "8-15 words":
            chosen = [n for n in chosen if 8 <= size_of(items[n].input) <= 15]
        if "120 bits" in name:
            chosen = [n for n in chosen if found.bits[n] >= 120]
        if name == "options reordered":
            chosen = [n for n in chosen if items[n].options]
        made = [form(items[n], dice) for n in chosen]
        hit = np.array([drop for drop, _ in found.dropped(planted(made, around, dice))])
        sure = np.array([found.identifiable(n) for n in chosen])
        some = range(0, len(chosen), BASELINE)
        texts = [
            answered(items[chosen[k]], dice) if name in ANSWERED else reference(items[chosen[k]], name) for k in some
        ]
        thirteen = np.mean([by_13_grams(text, made[k]) for text, k in zip(texts, some, strict=True)])
        eight = np.mean([by_8_grams(text, made[k]) for text, k in zip(texts, some, strict=True)])
        both = float(hit[sure].mean()), float(hit.mean())
        print(
            f"{name:28} {len(chosen):6} items: identifiable {both[0]:.4f}, all {both[1]:.4f}; "
            f"any 13-gram {thirteen:.3f}, 8-grams > 50% {eight:.3f}"
        )
        missed = Counter(items[n].benchmark for n, one in zip(chosen, hit, strict=True) if not one)
        print(f"{'':30}missed: {dict(missed.most_common(6))}")
        failed += [(name, got, aim) for got, aim in zip(both, AIMS[name], strict=True) if aim is not None and got < aim]
    assert not failed


def which(items: list[Item], *, zh: bool) -> list[int]:
    """The numbers of the items in one language."""
    return [number for number, item in enumerate(items) if (item.benchmark in {"alpaca_zh", "kdconv"}) == zh]


def test_ordinary_texts_are_kept(real_data: Path, items: list[Item], found: Found) -> None:
    total, wrong = 0, 0
    for name, texts in unseen(real_data).items():
        hits = [(at, item) for at, (drop, item) in enumerate(found.dropped(texts)) if drop]
        print(f"{name}: {len(hits)} of {len(texts)} dropped")
        for at, item in hits:
            print(f"   {items[item].benchmark} {items[item].number}: {items[item].input[:150]!r} in text {at}")
        total, wrong = total + len(texts), wrong + len(hits)
    print(f"{wrong} of {total} ordinary texts dropped")
    assert wrong <= max(1, total / 10_000)
