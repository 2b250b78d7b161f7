"""Items of benchmarks in the forms that they have in the wild, and in ordinary texts: what is to be found."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from itertools import cycle

from datapipe.algo.item_index import Item

Form = Callable[[Item, random.Random], str]

_HAN = re.compile(r"[\u4e00-\u9fff]")
_WORDS = re.compile(r"\w+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n")
_MARKS = {
    "'": ["\u2019"], '"': ["\u201c"], "-": [" \u2013 ", "\u2014", " - "], ",": ["", " ,", ";"], "?": ["", "??", " ?"],
    ".": ["", "\u2026", " .", "!"], ":": ["", " -"], "(": ["["], ")": ["]"], " ": ["\u00a0", "  ", "\n"],
    "，": [",", " ", "、", ""], "。": [".", "！", ""], "？": ["?", ""], "：": [":", ""], "、": [",", ""],
    "\u201c": ['"', "「", ""], "\u201d": ['"', "」", ""],
}  # fmt: skip
HOST = 1_500  # characters of ordinary text around a planted item, or so


def is_chinese(text: str) -> bool:
    return len(_HAN.findall(text)) > 0.3 * len(text)


def size_of(text: str) -> int:
    """Characters of Chinese, else words."""
    return len(_HAN.findall(text)) if is_chinese(text) else len(_WORDS.findall(text))


def whole(item: Item, dice: random.Random, *, shuffled: bool = False) -> str:
    options = list(item.options)
    if shuffled:
        dice.shuffle(options)
    lettered = [f"{letter}. {option}" for letter, option in zip(cycle("ABCDEFGHIJ"), options, strict=False)]
    return "\n".join([*([item.context] if item.context else []), item.input, *lettered])


def answered(item: Item, dice: random.Random) -> str:
    """The item with its answer, as a conversation has it."""
    return f"{whole(item, dice)}\n{item.output}".strip()


def reordered(item: Item, dice: random.Random) -> str:
    return whole(item, dice, shuffled=True)


def question(item: Item, dice: random.Random) -> str:
    return item.input


def edited(item: Item, dice: random.Random) -> str:
    """Other punctuation, dashes, spaces and case; in Chinese other widths too."""
    chinese = is_chinese(item.input)
    text = answered(item, dice) if chinese else whole(item, dice)
    made = []
    for character in text:
        rate = 0.1 if character == " " else 0.6
        if character in _MARKS and dice.random() < rate:
            made.append(dice.choice(_MARKS[character]))
        elif chinese and character.isascii() and character.isalnum() and dice.random() < 0.5:
            made.append(chr(ord(character) + 0xFEE0))
        else:
            made.append(character + (dice.choice(" \u3000\u200b") if chinese and dice.random() < 0.05 else ""))
    text = "".join(made)
    return dice.choice([text, text, text, text.upper(), text.lower(), text.title()])


def kept(item: Item, dice: random.Random, share: float = 0.6) -> str:
    """The middle of the question."""
    parts = list(item.input) if is_chinese(item.input) else item.input.split(" ")
    size = max(1, round(share * len(parts)))
    first = (len(parts) - size) // 2
    return ("" if is_chinese(item.input) else " ").join(parts[first : first + size])


def _first(sentence: str, size: int) -> str:
    """So many words of a sentence, or characters of a Chinese one, and no more."""
    return sentence[:size] if is_chinese(sentence) else " ".join(sentence.split()[:size])


def diluted(fillers: dict[bool, list[str]]) -> Form:
    """As much filler as item, sentence by sentence."""

    def form(item: Item, dice: random.Random) -> str:
        text = whole(item, dice)
        made = []
        for sentence in filter(str.strip, _SENTENCE.split(text)):
            made.append(sentence)
            left = size_of(sentence)
            while left > 0:
                filler = _first(dice.choice(fillers[is_chinese(text)]), left)
                made.append(filler)
                left -= size_of(filler)
        return " ".join(made)

    return form


def changed(share: float, words: list[str]) -> Form:
    """That share of words inserted, left out or replaced; in Chinese of characters replaced."""

    def form(item: Item, dice: random.Random) -> str:
        text = answered(item, dice) if is_chinese(item.input) else whole(item, dice)
        if is_chinese(text):
            return "".join(
                dice.choice("的一是不了人我在有他这中大来上国") if _HAN.match(c) and dice.random() < share else c
                for c in text
            )
        made: list[str] = []
        for word in text.split(" "):
            if dice.random() >= share:
                made.append(word)
            else:
                made += dice.choice([[word, dice.choice(words)], [], [dice.choice(words)]])
        return " ".join(made)

    return form


def rephrased(item: Item, dice: random.Random) -> str:
    """As a rephrasing does at least: clauses in another order, and a third of the words others."""
    clauses = [clause for clause in re.split(r"(?<=[,;.?!])\s+", item.input) if clause]
    dice.shuffle(clauses)
    words = " ".join(clauses).split(" ")
    pool = sorted(set(words))
    return " ".join(dice.choice(pool) if dice.random() < 1 / 3 else word for word in words)


def fillers(hosts: dict[str, list[str]]) -> dict[bool, list[str]]:
    """Sentences of ordinary texts by whether they are Chinese."""
    return {
        name == "zh": [s.strip() for text in texts for s in _SENTENCE.split(text) if 20 < len(s) < 200][:5_000]
        for name, texts in hosts.items()
    }


def planted(texts: list[str], hosts: dict[str, list[str]], dice: random.Random) -> list[str]:
    """Each text between two paragraphs' worth of an ordinary one in its language."""
    made = []
    for text in texts:
        host = dice.choice(hosts["zh" if is_chinese(text) else "en"])
        at = dice.randrange(max(1, len(host) - HOST))
        around = host[at : at + HOST]
        middle = around.find("\n", len(around) // 2) + 1 or len(around) // 2
        made.append(f"{around[:middle]}\n{text}\n{around[middle:]}")
    return made
