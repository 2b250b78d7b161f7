"""Insults in the language of a document: what an audit plants.

What, by kind and language: `toxic` is a text of insults alone, `half` one in which they stand between the sentences of
a real document; and where max_passage is set, `line`: one insult in a whole document. A case is found where the
document leaves. The insults are authored, no model was fitted to them, and some are of the sort that models miss.
Costs some microseconds a case.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from datapipe.algo.hosting import CHANGES, Case, Host, cases_of, hosts_of, sentences_of
from datapipe.stage import Planting
from datapipe.text.languages import primary

MOST_LINES = 8
LINES: dict[str, tuple[str, ...]] = {
    "en": (
        "Shut your mouth, you stupid piece of trash, nobody asked a dumb bitch like you.",
        "What a fucking idiot, go cry about it, you worthless pig.",
        "You are a pathetic loser and everyone here thinks you are a retard.",
        "Ugly whore, stay off my page or I will make you regret it.",
        "These assholes are dumb as shit and they always have been.",
        "Nobody likes you, you fat ugly bitch, so just go away.",
        "Fuck off, you lying piece of shit.",
        "That hoe is nasty and so is every bitch she talks to.",
        "Stupid people like you should never be allowed to speak, you moron.",
        "You filthy scum, I hope you choke on your own words.",
    ),
    "zh": (
        "你这个蠢货，滚远点，没人想听你说话。",
        "这帮垃圾就是一群畜生，恶心死了。",
        "你们这些人真是又蠢又坏，活该被骂。",
        "闭嘴吧傻逼，你算个什么东西。",
        "这种贱人就该滚出去，看着就恶心。",
        "一群没脑子的废物，死了算了。",
        "那个地方的人都是骗子和小偷，没有一个好东西。",
        "女司机就是马路杀手，脑子都有问题。",
        "你妈没教过你做人吗，真是个杂种。",
        "恶心的东西，别在这里丢人现眼。",
    ),
}


def plant(batch: pa.RecordBatch, config: Any, resource: Path | None, seeds: Any) -> pa.RecordBatch:
    """A case for each document in a language that has a model."""
    pages = config.max_hate is not None or config.max_toxicity is not None
    kinds = [*(("toxic", "half") if pages else ()), *(("line",) if config.max_passage is not None else ())]
    return cases_of(batch, _cases(batch, kinds, seeds) if kinds else ())


def _cases(batch: pa.RecordBatch, kinds: list[str], seeds: Any) -> Iterator[Case]:
    languages = batch["language"].to_pylist()
    alone = {row: len(talk or ()) < 2 for row, talk in enumerate(batch["messages"].to_pylist())}
    for host in hosts_of(batch, seeds):
        code = primary(languages[host.row] or "")
        if code in LINES and alone[host.row]:  # of more messages one would be judged with the others
            kind = host.chance.pick(kinds)
            yield Case(host, f"{kind}_{code}", None, _text(kind, host, LINES[code]))


def _text(kind: str, host: Host, insults: tuple[str, ...]) -> str:
    lines = [insults[at] for at in host.chance.order(len(insults))]
    if kind == "line":
        return host.around(lines[0])
    if kind == "toxic":
        return "\n".join(lines[:MOST_LINES])
    sentences = sentences_of(host.text)[:MOST_LINES]
    return "\n".join(part for pair in zip(sentences, lines, strict=False) for part in pair)


PLANTING = Planting(version=1, plant=plant, reads=(*CHANGES, "language"), changes=CHANGES)
