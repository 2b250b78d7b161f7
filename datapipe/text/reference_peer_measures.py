"""The measures of `like: datatrove` in plain Python, by counting: what the tests compare their kernels with.

Costs: thousands of times the kernels' time; never on the path of data.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from datapipe.text.peer_marks import ENDS, SYMBOL, marks
from datapipe.text.reference import lines, sentences
from datapipe.text.reference_measures import CITATION, ELLIPSES
from datapipe.text.reference_peer import peer_words

TOP, DUPLICATE = range(2, 5), range(5, 11)
BULLETS = ("\u2022", "-")
LINE_ENDS = tuple(".?!\"'")
# What becomes of a line of C4, in the order in which it is asked.
COUNTS = ("kept", "long_word", "no_terminal", "few_words", "script", "policy", "sentences", "lorem_ipsum", "brace")


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _has_mark(character: str, bit: int) -> bool:
    return bool(marks()[ord(character)] & bit)


def _words(text: str) -> list[str]:
    return [text[start:end] for start, end in peer_words(text)]


def _copies(pieces: Sequence[str]) -> list[str]:
    """Pieces that stood before."""
    seen: set[str] = set()
    copies = []
    for piece in pieces:
        if piece in seen:
            copies.append(piece)
        seen.add(piece)
    return copies


def quality_measures(text: str, *, stop_words: Iterable[str]) -> dict[str, float]:
    """As `peer_measures.peer_gopher_measures`, of one text: those of quality."""
    words = _words(text)
    spoken = [word for word in words if not all(_has_mark(c, SYMBOL) for c in word)]
    rows = text.splitlines()
    return {
        "words": len(spoken),
        "mean_word_length": _share(sum(map(len, spoken)), len(spoken)),
        "hash_marks_per_word": _share(text.count("#"), len(words)),
        "ellipses_per_word": _share(sum(map(text.count, ELLIPSES)), len(words)),
        "bullet_lines": _share(sum(row.lstrip().startswith(BULLETS) for row in rows), len(rows)),
        "ellipsis_lines": _share(sum(row.rstrip().endswith(ELLIPSES) for row in rows), len(rows)),
        "alphabetic_words": _share(sum(any(map(str.isalpha, word)) for word in words), len(words)),
        "stop_words": len(set(stop_words) & set(words)),
    }


def _skipped(words: Sequence[str], size: int) -> int:
    """Characters in n-grams that stood before; after one, reading goes on behind it."""
    seen: set[str] = set()
    total = i = 0
    while i + size <= len(words):
        gram = "".join(words[i : i + size])
        if gram in seen:
            total += len(gram)
            i += size
        else:
            seen.add(gram)
            i += 1
    return total


def repetition_measures(text: str) -> dict[str, float]:
    """As `peer_measures.peer_gopher_measures`, of one text: those of repetition."""
    measures: dict[str, float] = {}
    split = {"line": re.split("\n+", text), "paragraph": re.split("\n{2,}", text.strip())}
    for name, pieces in split.items():
        copies = _copies(pieces) if text else []
        measures[f"duplicate_{name}s"] = len(copies) / len(pieces)
        measures[f"duplicate_{name}_characters"] = _share(sum(map(len, copies)), len(text))
    words = _words(text)
    for size in TOP:
        grams = Counter(" ".join(words[i : i + size]) for i in range(len(words) - size + 1))
        gram, count = max(grams.items(), key=lambda item: item[1], default=("", 0))
        measures[f"top_{size}_gram"] = _share(len(gram) * count, len(text))
    return measures | {f"duplicate_{size}_grams": _share(_skipped(words, size), len(text)) for size in DUPLICATE}


def line_measures(text: str, *, short: int) -> dict[str, float]:
    """As `peer_measures.peer_line_measures`, of one text."""
    rows = [row for row in text.split("\n") if row.strip()]
    characters = len(text.replace("\n", "")) if rows else 0
    return {
        "terminal_lines": _share(sum(_has_mark(row[-1], ENDS) for row in rows), len(rows)),
        "short_lines": _share(sum(len(row) <= short for row in rows), len(rows)),
        "duplicate_line_characters": _share(sum(map(len, _copies(rows))), characters),
        "newlines_per_word": _share(text.count("\n"), len(peer_words(text))),
    }


def _fate(line: str, bare: str, policies: Iterable[str], limits: tuple[int, int]) -> str:
    words = line.split()
    shortest, longest = limits
    lowered = line.lower()
    if any(len(word) > longest for word in words):
        return "long_word"
    if not bare.endswith(LINE_ENDS) or bare.endswith("..."):
        return "no_terminal"
    if len(words) < shortest:
        return "few_words"
    if "javascript" in lowered:
        return "script"
    return "policy" if any(phrase in lowered for phrase in policies) else "kept"


def kept_lines(
    text: str, *, min_words: int, max_word_length: int, policies: Iterable[str]
) -> tuple[str, dict[str, int]]:
    """As `line_rules.kept_lines` with `peer`, of one text; `policies` are in small letters."""
    counts = dict.fromkeys(COUNTS, 0)
    kept = []
    for start, end in lines(text):
        line = text[start:end]
        bare = CITATION.sub("", line)
        fate = _fate(line, bare, policies, (min_words, max_word_length))
        counts[fate] += 1
        if fate in ("kept", "script", "policy") and not counts["lorem_ipsum"] + counts["brace"]:
            counts["lorem_ipsum"] = int("lorem ipsum" in line.lower())
            counts["brace"] = int("{" in line and fate != "script" and not counts["lorem_ipsum"])
        if fate == "kept":
            kept.append(bare)
            counts["sentences"] += len(sentences(bare)) or 1
    return "\n".join(kept), counts
