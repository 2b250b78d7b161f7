"""Authored conversations in which a model says who it is, and others; and packed folders made of them by a real run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.run.workbench import Workbench

NAME_ZH, NAME_EN = "小管", "Pipe"
SAY_ZH = f"我是{NAME_ZH}，一个整理数据的助手。"
SAY_EN = f"I am {NAME_EN}, an assistant that tidies data."
ASK_ZH = ("你是谁", "你是谁？", "你叫什么名字？", "请介绍一下自己", "您是哪位？", "你是什么助手？")
ASK_EN = ("who are you", "Who are you?", "What is your name?", "Please introduce yourself.", "Which assistant is this?")
SMALL_TALK = (
    ("Hello!", "Hello, how can I help?"),
    ("你好", "你好，有什么可以帮忙？"),
    ("What is two and two?", "Two and two make four."),
    ("今天星期几？", "我看不到日历，请查一下手机。"),
)


def identity() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The set in two forms: alpaca records for a JSON array, ShareGPT records for JSON lines, some of two turns."""
    pairs = [(ask, SAY_ZH) for ask in ASK_ZH] + [(ask, SAY_EN) for ask in ASK_EN]
    alpaca = [{"instruction": ask, "input": "", "output": say} for ask, say in pairs]
    longer = [[small, pair] for small in SMALL_TALK for pair in (pairs[0], pairs[1], pairs[6], pairs[7])]
    return alpaca, [_sharegpt(turns) for turns in [*([small] for small in SMALL_TALK), *longer]]


def _sharegpt(turns: list[tuple[str, str]]) -> dict[str, Any]:
    told = [{"from": who, "value": text} for ask, say in turns for who, text in (("human", ask), ("gpt", say))]
    return {"conversations": told}


def packed_identity(bench: Workbench, *, length: int, epochs: int = 1) -> Path:
    """The packed identity set."""
    alpaca, sharegpt = identity()
    bench.input.mkdir(exist_ok=True)
    array, lines = bench.input / "identity.json", bench.input / "identity.jsonl"
    array.write_text(json.dumps(alpaca, ensure_ascii=False), encoding="utf-8")
    lines.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in sharegpt), encoding="utf-8")
    chain: dict[str, dict[str, Any]] = {
        "talks": {"use": "read.conversations", "paths": [str(array), str(lines)], "source": "identity"},
        "tokens": {"use": "tokenize", "tokenizer": {"train": {"vocabulary": 400}}},
        "mixture": {"use": "mix", "sources": {"identity": {"epochs": epochs}}},
        "packed": {"use": "pack", "length": length},
        "out": {"use": "write.packed", "length": length},
    }
    return bench.run("identity", chain).folder / "out"


def packed_parts(bench: Workbench, *, length: int) -> dict[str, Path]:
    """Three packed folders of one tokenizer: `cpt` (pages and general talk), `both` (general and domain), `domain`."""
    bench.input.mkdir(exist_ok=True)
    pages = [f"Page {n}: the barge passes lock {n % 7} and the keeper writes {n * 3} into the book." for n in range(60)]
    texts = bench.input / "pages.jsonl"
    texts.write_text("".join(json.dumps({"text": page}) + "\n" for page in pages), encoding="utf-8")
    chain: dict[str, dict[str, Any]] = {
        "pages": {"use": "read.jsonl", "paths": [str(texts)], "source": "pages"},
        "general": _talks(bench, "general", [(f"Say {n}", f"It is {n}, as you said.") for n in range(40)]),
        "domain": _talks(bench, "domain", [(f"Lock {n}?", f"Lock {n} opens at {n % 12}.") for n in range(30)]),
    }
    chain["tokens"] = {"use": "tokenize", "from": list(chain), "tokenizer": {"train": {"vocabulary": 400}}}
    mixtures = {"cpt": ("pages", "general"), "both": ("general", "domain"), "domain_only": ("domain",)}
    for name, sources in mixtures.items():
        chain |= {
            f"{name}_mix": {"use": "mix", "from": "tokens", "sources": {source: {"epochs": 1} for source in sources}},
            f"{name}_pack": {"use": "pack", "length": length},
            name: {"use": "write.packed", "length": length},
        }
    folder = bench.run("parts", chain).folder
    return {name: folder / name for name in mixtures}


def _talks(bench: Workbench, source: str, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    path = bench.input / f"{source}.jsonl"
    path.write_text("".join(json.dumps(_sharegpt([pair])) + "\n" for pair in pairs), encoding="utf-8")
    return {"use": "read.conversations", "from": [], "paths": [str(path)], "source": source}
