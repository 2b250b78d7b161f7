"""RefinedWeb's line-wise corrections in plain Python: what the tests compare `line_corrections` with.

Costs: thousands of times the kernel's time; never on the path of data.
"""

from collections.abc import Iterable, Sequence

from datapipe.text.reference import IS_WORD, lines, tokens


def _words(text: str) -> list[tuple[str, int, int]]:
    """Words folded, and where they stand."""
    return [(text[t.start : t.end].casefold(), t.start, t.end) for t in tokens(text) if t.kind & IS_WORD]


def _is_upper(character: str) -> bool:
    folded = character.casefold()
    cherokee = "\u13a0" <= character <= "\u13ff"
    return character.isalpha() and not character.islower() and len(folded) == 1 and folded != character and not cherokee


def _phrases(phrases: Iterable[str]) -> list[list[str]]:
    return [[word for word, _, _ in _words(phrase)] for phrase in phrases]


def _fate(line: str, upper: float, min_words: int, short_counters: tuple[int, list[list[str]]]) -> str:
    words = [word for word, _, _ in _words(line)]
    letters = sum(map(str.isalpha, line))
    short, counters = short_counters
    numbers = 0
    while numbers < len(words) and words[numbers][0].isdecimal():
        numbers += 1
    if letters and sum(map(_is_upper, line)) > upper * letters:
        return "upper_case"
    if not letters and any(map(str.isdecimal, line)):
        return "numeric"
    if len(words) <= short and numbers and words[numbers:] in counters:
        return "counter"
    return "few_words" if len(words) < min_words else "kept"


def _spans(line: str, kinds: dict[str, list[list[str]]]) -> list[tuple[int, int, int]]:
    """Phrases to cut: first word, the word behind, and the end in characters."""
    words = [word for word, _, _ in _words(line)]
    found, at = [], 0
    while at < len(words):
        for where, phrases in kinds.items():
            lengths = [len(one) for one in phrases if words[at : at + len(one)] == one]
            fit = [n for n in lengths if where != "end" or at + n == len(words)]
            if fit and (where != "start" or at == 0):
                found.append(
                    (at, at + fit[0], len(line) if at + fit[0] == len(words) else _words(line)[at + fit[0] - 1][2])
                )
                at += fit[0]
                break
        else:
            at += 1
    return found


def corrected_lines(
    text: str,
    *,
    upper: float,
    min_words: int,
    short: int,
    counted: Iterable[str],
    at_start: Sequence[str],
    at_end: Sequence[str],
    anywhere: Sequence[str],
) -> tuple[str, dict[str, int]]:
    """As `line_corrections.corrected_lines`, of one text."""
    counts = dict.fromkeys(
        ("kept", "upper_case", "numeric", "counter", "few_words", "phrase", "words", "removed_words"), 0
    )
    kinds = {"start": _phrases(at_start), "end": _phrases(at_end), "anywhere": _phrases(anywhere)}
    cuts: list[tuple[int, int]] = []
    places = lines(text)
    for number, (start, end) in enumerate(places):
        line = text[start:end]
        words = _words(line)
        fate = _fate(line, upper, min_words, (short, _phrases(counted)))
        found = _spans(line, kinds) if fate == "kept" and len(words) <= short else []
        removed = sum(behind - first for first, behind, _ in found) if fate == "kept" else len(words)
        fate = "phrase" if found else fate
        if fate != "kept" and removed == len(words):
            behind = text.find("\n", end)
            behind = len(text) if behind < 0 else behind + 1
            more = number + 1 < len(places) and places[number + 1][0] < behind
            cuts.append((start, end if more else behind))
        else:
            cuts += [(start + words[first][1], start + stop) for first, _, stop in found]
        counts[fate] += 1
        counts["words"] += len(words)
        counts["removed_words"] += removed
    kept = "".join(
        text[a:b] for a, b in zip([0, *(b for _, b in cuts)], [*(a for a, _ in cuts), len(text)], strict=True)
    )
    return kept, counts
