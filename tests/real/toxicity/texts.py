"""What the toxicity models are trained on besides tweets and comments: authored sentences, and ordinary texts.

Of the tweets of tox-davidson four in five are offensive, so that a model of these alone takes every second web page for
offensive; passages of ordinary texts, of a window's length and shorter, set that right. Every sentence of
`authored_en.yaml` comes with each group, so that no group stands for a label.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
LENGTHS = (60, 8, 20)  # words of passages, in turn: posts are short, and so may be what is ordinary
PASSAGES = 4000
_GROUP = re.compile(r"\bP\b")
_SENTENCE = re.compile(r"[A-Z][^.!?\n]{15,100}[.!?]|[^。！？\n]{8,40}[。！？]")
_UNIT = {"en": re.compile(r"\S+\s*"), "zh": re.compile(r"\S\s*")}


def rows(path: Path) -> Iterator[Any]:
    """The records of a file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def sentences() -> list[dict[str, str]]:
    """The authored sentences with their labels; one without a group stands once."""
    authored = yaml.safe_load((HERE / "authored_en.yaml").read_text(encoding="utf-8"))
    found = {
        (_GROUP.sub(group, sentence), label)
        for label in ("hate", "neither")
        for sentence in authored[label]
        for group in authored["groups"]
    }
    return [{"text": text[0].upper() + text[1:], "label": label} for text, label in sorted(found)]


def ordinary(data: Path, language: str) -> list[dict[str, str]]:
    """Passages of ordinary texts, labelled neither; every second document, the others are for measuring."""
    sources = _english(data) if language == "en" else _chinese(data)
    found = []
    for texts in sources:
        passages = [passage for text in texts[::2] for passage in _passages(text, language)]
        found += passages[:: max(1, len(passages) * len(sources) // PASSAGES)]
    return [{"text": passage, "label": "neither"} for passage in found]


def pages(data: Path, language: str) -> dict[str, list[str]]:
    """Ordinary texts that no model was trained on."""
    if language == "en":
        other = [row["text"] for row in rows(data / "raw/c4_demo_300.jsonl.gz")][1::2]
        web = [row["main_content"] for row in rows(data / "extract-wcxb/gold.jsonl.gz")]
        return {"C4": other, "web pages": [text for text in web if text], "sentences": _sentences(other)}
    web = [row["text"] for row in rows(data / "extract-zh/gold.jsonl.gz")]
    wiki = [row["text"] for row in rows(data / "raw/oiwiki_zh.jsonl.gz")]
    return {"web pages": web, "OI wiki": wiki, "sentences": _sentences(web + wiki)}


def _sentences(texts: list[str]) -> list[str]:
    """The first 2,000 sentences, each by itself."""
    return [sentence for text in texts for sentence in _SENTENCE.findall(text)][:2000]


def write(path: Path, found: list[dict[str, str]]) -> str:
    """Texts and labels as JSON lines; returns where."""
    path.write_text("".join(f"{json.dumps(row)}\n" for row in found), encoding="utf-8")
    return str(path)


def _english(data: Path) -> list[list[str]]:
    names = ("raw/c4_demo_300", "raw/peps", "dedup-articles/articles_1000")
    prose = [[row["text"] for row in rows(data / f"{name}.jsonl.gz")] for name in names]
    return [*prose, [row["output"] for row in rows(data / "sft/llamafactory/alpaca_en_demo.jsonl.gz")]]


def _chinese(data: Path) -> list[list[str]]:
    talks = [
        " ".join(said["message"] for said in row["messages"])
        for name in ("film", "music", "travel")
        for row in rows(data / f"sft/kdconv_{name}_test.jsonl.gz")
    ]
    answers = [row["output"] for row in rows(data / "sft/llamafactory/alpaca_zh_demo.jsonl.gz")]
    return [talks, answers, [row["text"] for row in rows(data / "raw/tang_poems.jsonl.gz")]]


def _passages(text: str, language: str) -> Iterator[str]:
    units = _UNIT[language].findall(text)
    start = 0
    for length in cycle(LENGTHS):
        if start >= len(units):
            return
        yield "".join(units[start : start + length]).strip()
        start += length
