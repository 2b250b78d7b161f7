"""The measures of texts in plain Python, by counting: what the tests compare the kernels with.

Costs: thousands of times the kernels' time; never on the path of data.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import xxhash

from datapipe.text.line_shape import QUOTATION_MARKS
from datapipe.text.reference import (
    APOSTROPHE,
    BREAK,
    IS_WORD,
    LETTER,
    OTHER,
    SPACE,
    group,
    is_closing,
    is_terminal,
    lines,
    normal_words,
    paragraphs,
    sentences,
    tokens,
)

BULLETS = tuple("-*\u2022\u2023\u25aa\u25cf\u25e6")
CODE = frozenset("{}[]<>=;|&$\\^~`")
ADDRESS = re.compile(r"(?<![A-Za-z0-9_])(?:https?://|www\.)[^ ]*")
ELLIPSES = ("...", "\u2026")
CITATION = re.compile(r"\[[0-9]*\]|\[edit\]|\[citation needed\]")


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _extra_copies(pieces: Sequence[str]) -> tuple[float, float]:
    """Shares of pieces, and of their characters, that stood before."""
    copies = [piece for i, piece in enumerate(pieces) if piece in pieces[:i]]
    return _share(len(copies), len(pieces)), _share(sum(map(len, copies)), sum(map(len, pieces)))


def _characters_in(grams: list[tuple[str, ...]], wanted: set[tuple[str, ...]], lengths: list[int]) -> int:
    """Characters of the words that stand in any of the wanted n-grams."""
    covered = {i + k for i, gram in enumerate(grams) if gram in wanted for k in range(len(gram))}
    return sum(lengths[i] for i in covered)


def repetition_measures(text: str, *, top: Iterable[int], duplicate: Iterable[int]) -> dict[str, float]:
    """As `repetition.repetition_measures`, of one text."""
    measures: dict[str, float] = {}
    for name, spans in (("line", lines(text)), ("paragraph", paragraphs(text))):
        pieces = [text[start:end] for start, end in spans]
        measures[f"duplicate_{name}s"], measures[f"duplicate_{name}_characters"] = _extra_copies(pieces)
    words = [text[token.start : token.end] for token in tokens(text) if token.kind & IS_WORD]
    lengths = [len(word) for word in words]
    folded = [word.casefold() for word in words]
    top = tuple(top)
    for size in (*top, *(sizes := tuple(duplicate))):
        grams = [tuple(folded[i : i + size]) for i in range(len(folded) - size + 1)]
        counts = Counter(grams)
        repeated = {gram for gram, count in counts.items() if count > 1}
        if size in top:
            # Counter keeps the order of first meetings, and max takes the first of equals.
            first = {max(counts, key=counts.__getitem__)} & repeated if counts else set()
            measures[f"top_{size}_gram"] = _share(_characters_in(grams, first, lengths), sum(lengths))
        if size in sizes:
            measures[f"duplicate_{size}_grams"] = _share(_characters_in(grams, repeated, lengths), sum(lengths))
    return measures


def repeated_periods(text: str, *, periods: Iterable[int]) -> list[int]:
    """As `periods.repeated_periods`, of one text."""
    words = [text[token.start : token.end].casefold() for token in tokens(text) if token.kind & IS_WORD]
    return [max((_repeats(words[i:], period) for i in range(len(words))), default=0) for period in periods]


def _repeats(words: Sequence[str], period: int) -> int:
    """How often the block of the first words stands at the beginning; 1 if a shorter block makes it up."""
    block = list(words[:period])
    if any(period % shorter == 0 and block == block[:shorter] * (period // shorter) for shorter in range(1, period)):
        return 1
    count = 1
    while len(block) == period and list(words[count * period : (count + 1) * period]) == block:
        count += 1
    return count


def quality_measures(text: str, *, stop_words: Iterable[str]) -> dict[str, float]:
    """As `quality.quality_measures`, of one text."""
    words = [text[token.start : token.end] for token in tokens(text) if token.kind & IS_WORD]
    units = text.split()
    rows = [text[start:end] for start, end in lines(text)]
    folded = {word.casefold() for word in words}
    return {
        "words": len(words),
        "mean_word_length": _share(sum(map(len, words)), len(words)),
        "hash_marks_per_word": _share(text.count("#"), len(words) or 1),
        "ellipses_per_word": _share(sum(map(text.count, ELLIPSES)), len(words) or 1),
        "bullet_lines": _share(sum(row.startswith(BULLETS) for row in rows), len(rows)),
        "ellipsis_lines": _share(sum(row.endswith(ELLIPSES) for row in rows), len(rows)),
        "alphabetic_words": _share(sum(any(map(str.isalpha, unit)) for unit in units), len(units)),
        "stop_words": len({word.casefold() for word in stop_words} & folded),
    }


def ends_well(line: str) -> bool:
    """As `line_shape.ends_well`."""
    if line[-1] in QUOTATION_MARKS:
        return True
    last = len(line) - 1
    while last > 0 and is_closing(line[last]) and not is_terminal(line[last]):
        last -= 1
    return is_terminal(line[last])


def line_measures(text: str, *, short: int) -> dict[str, float]:
    """As `line_shape.line_measures`, of one text."""
    rows = [text[start:end] for start, end in lines(text)]
    words = sum(bool(token.kind & IS_WORD) for token in tokens(text))
    return {
        "terminal_lines": _share(sum(map(ends_well, rows)), len(rows)),
        "short_lines": _share(sum(len(row) <= short for row in rows), len(rows)),
        "duplicate_line_characters": _extra_copies(rows)[1],
        "newlines_per_word": text.count("\n") / max(words, 1),
    }


def kept_lines(
    text: str, *, min_words: int, max_word_length: int | None, terminal: bool, policies: Iterable[str]
) -> tuple[str, dict[str, int]]:
    """As `line_rules.kept_lines`, of one text."""
    counts = dict.fromkeys(
        ("kept", "long_word", "no_terminal", "few_words", "script", "policy", "sentences", "lorem_ipsum", "brace"), 0
    )
    kept = []
    for start, end in lines(text):
        line = text[start:end]
        lowered = "".join(c.lower() if c.isascii() else c for c in line)
        words = [line[token.start : token.end] for token in tokens(line) if token.kind & IS_WORD]
        bare = CITATION.sub("", line)
        stripped = bare.rstrip(" ")
        if max_word_length and any(len(word) > max_word_length for word in words):
            fate = "long_word"
        elif terminal and (not stripped or not ends_well(stripped) or stripped.endswith("...")):
            fate = "no_terminal"
        elif len(words) < min_words:
            fate = "few_words"
        elif "javascript" in lowered:
            fate = "script"
        else:
            fate = "policy" if any(phrase.lower() in lowered for phrase in policies) else "kept"
        counts[fate] += 1
        counts["lorem_ipsum"] |= "lorem ipsum" in lowered
        counts["brace"] |= "{" in line
        if fate == "kept":
            kept.append(bare)
            counts["sentences"] += len(sentences(line))
    return "\n".join(kept), counts


def symbol_measures(text: str) -> dict[str, float]:
    """As `symbols.symbol_measures`, of one text."""
    seen = [character for character in text if group(character) not in (SPACE, BREAK)]
    letters = list(filter(str.isalpha, seen))
    marks = [c for c in seen if group(c) in (OTHER, APOSTROPHE) and not c.isdecimal()]
    changed = [c for c in letters if len(c.casefold()) == 1 and c.casefold() != c and not c.islower()]
    rows = [text[start:end] for start, end in lines(text)]
    addresses = "".join(ADDRESS.findall(_spaces_alike(text)))
    return {
        "punctuation": _share(len(marks), len(seen)),
        "digits": _share(sum(map(str.isdecimal, seen)), len(seen)),
        "capitals": _share(len(changed), len(letters)),
        "addresses": _share(len(addresses), len(seen)),
        "code_characters": _share(sum(c in CODE for c in seen), len(seen)),
        "code_lines": _share(sum(row.endswith(("{", "}", ";")) for row in rows), len(rows)),
    }


def _spaces_alike(text: str) -> str:
    """Every space a blank, and every letter or number that is none of ASCII's an `a`."""
    same = {SPACE: " ", BREAK: " "}
    return "".join(same.get(group(c), "a" if group(c) == LETTER and not c.isascii() else c) for c in text)


def normalised_hash(text: str, *, seeds: Iterable[int]) -> list[int]:
    """As `normalise.normalised_hash`, of one text."""
    form = " ".join(normal_words(text)) or text.strip()
    return [xxhash.xxh64_intdigest(form.encode(), seed) for seed in seeds]
