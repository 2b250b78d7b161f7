"""What a character, a word, a line, a paragraph and a sentence are, in plain Python.

Slow and obvious, from `unicodedata` alone. The tables are built from the definitions of characters here, and the
tests compare every kernel with these functions. Costs: some 3,000 times the kernels' time; never on the path of data.

Words are runs of letters, numbers, marks and `_`, with an apostrophe inside if a letter follows it. A script
written without spaces gives one word a character (with its marks), katakana one word a run, Hangul follows spaces.
Any other run of one character is a punctuation token.
"""

import codecs
import unicodedata
from functools import cache
from typing import NamedTuple, cast

# Groups of characters: three bits of a table entry.
OTHER, SPACE, BREAK, LETTER, MARK, SINGLE, KATAKANA, APOSTROPHE = range(8)
WORD_GROUPS = (LETTER, SINGLE, KATAKANA)

# Bits of a token's kind.
IS_WORD, HAS_ALPHABETIC, AFTER_SPACE = 1, 2, 4

LINE_BREAKS = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")  # as str.splitlines
APOSTROPHES = frozenset("'\u2019")
JOINERS = frozenset("\u200c\u200d\xad")  # zero-width (non-)joiner, soft hyphen: inside a word, like marks

# Scripts written without spaces, whose letters each stand as one word: Thai and Lao, Tibetan, Myanmar, Khmer,
# ideographic marks and numerals, hiragana, bopomofo, Han, Tangut, Nushu, kana supplements.
SINGLE_RANGES = (
    (0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x3007), (0x3021, 0x3029),
    (0x3040, 0x309F), (0x3105, 0x312F), (0x31A0, 0x31BF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAA60, 0xAA7F),
    (0xF900, 0xFAFF), (0x16FE0, 0x18DFF), (0x1B000, 0x1B0FF), (0x1B100, 0x1B2FF), (0x20000, 0x3FFFF),
)  # fmt: skip
KATAKANA_RANGES = ((0x30A0, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F))

# Sentence_Break = STerm or ATerm (UAX #29, Unicode 14), and the ellipsis U+2026.
SENTENCE_TERMINALS = (
    (0x0021, 0x0021), (0x002E, 0x002E), (0x003F, 0x003F), (0x0589, 0x0589), (0x061D, 0x061F), (0x06D4, 0x06D4),
    (0x0700, 0x0702), (0x07F9, 0x07F9), (0x0837, 0x0837), (0x0839, 0x0839), (0x083D, 0x083E), (0x0964, 0x0965),
    (0x104A, 0x104B), (0x1362, 0x1362), (0x1367, 0x1368), (0x166E, 0x166E), (0x1735, 0x1736), (0x17D4, 0x17D5),
    (0x1803, 0x1803), (0x1809, 0x1809), (0x1944, 0x1945), (0x1AA8, 0x1AAB), (0x1B5A, 0x1B5B), (0x1B5E, 0x1B5F),
    (0x1B7D, 0x1B7E), (0x1C3B, 0x1C3C), (0x1C7E, 0x1C7F), (0x2024, 0x2024), (0x2026, 0x2026), (0x203C, 0x203D),
    (0x2047, 0x2049), (0x2CF9, 0x2CFB), (0x2E2E, 0x2E2E), (0x2E3C, 0x2E3C), (0x2E53, 0x2E54), (0x3002, 0x3002),
    (0xA4FF, 0xA4FF), (0xA60E, 0xA60F), (0xA6F3, 0xA6F3), (0xA6F7, 0xA6F7), (0xA876, 0xA877), (0xA8CE, 0xA8CF),
    (0xA92F, 0xA92F), (0xA9C8, 0xA9C9), (0xAA5D, 0xAA5F), (0xAAF0, 0xAAF1), (0xABEB, 0xABEB), (0xFE12, 0xFE12),
    (0xFE15, 0xFE16), (0xFE52, 0xFE52), (0xFE56, 0xFE57), (0xFF01, 0xFF01), (0xFF0E, 0xFF0E), (0xFF1F, 0xFF1F),
    (0xFF61, 0xFF61), (0x10A56, 0x10A57), (0x10F55, 0x10F59), (0x10F86, 0x10F89), (0x11047, 0x11048),
    (0x110BE, 0x110C1), (0x11141, 0x11143), (0x111C5, 0x111C6), (0x111CD, 0x111CD), (0x111DE, 0x111DF),
    (0x11238, 0x11239), (0x1123B, 0x1123C), (0x112A9, 0x112A9), (0x1144B, 0x1144C), (0x115C2, 0x115C3),
    (0x115C9, 0x115D7), (0x11641, 0x11642), (0x1173C, 0x1173E), (0x11944, 0x11944), (0x11946, 0x11946),
    (0x11A42, 0x11A43), (0x11A9B, 0x11A9C), (0x11C41, 0x11C42), (0x11EF7, 0x11EF8), (0x16A6E, 0x16A6F),
    (0x16AF5, 0x16AF5), (0x16B37, 0x16B38), (0x16B44, 0x16B44), (0x16E98, 0x16E98), (0x1BC9F, 0x1BC9F),
    (0x1DA88, 0x1DA88),
)  # fmt: skip

MASK_64 = (1 << 64) - 1


def _within(character: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(low <= ord(character) <= high for low, high in ranges)


@cache
def group(character: str) -> int:
    """The group of a character."""
    if character in LINE_BREAKS:
        return BREAK
    if character.isspace():
        return SPACE
    if character in APOSTROPHES:
        return APOSTROPHE
    category = unicodedata.category(character)[0]
    if category == "M" or character in JOINERS:
        return MARK
    if category in "LN":
        if _within(character, SINGLE_RANGES):
            return SINGLE
        return KATAKANA if _within(character, KATAKANA_RANGES) else LETTER
    return LETTER if character == "_" else OTHER


@cache
def is_terminal(character: str) -> bool:
    """Whether a sentence may end with this character."""
    return _within(character, SENTENCE_TERMINALS)


def is_wide_terminal(character: str) -> bool:
    """Whether a sentence ends with this character even if no space follows (full-width marks)."""
    return is_terminal(character) and unicodedata.east_asian_width(character) in "WFH"


def is_closing(character: str) -> bool:
    """Whether a character may stand between a sentence's terminal mark and the space after it."""
    return character in "\"'" or unicodedata.category(character) in ("Pe", "Pf", "Pi")


def _is_dropped(character: str) -> bool:
    """Left out of the normal form: accents, Hebrew and Arabic points, joiners, apostrophes and `_`.

    By combining class, since other marks are vowels (Indic, Thai) or voicing (kana).
    """
    combining = unicodedata.combining(character)
    accent = combining >= 200 or 10 <= combining <= 36
    return accent or character in JOINERS or character in APOSTROPHES or character == "_"


@cache
def normal_character(character: str) -> str:
    """The normal form of a character (possibly empty): casefolded, accents off, digits 0, composed."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    kept = ("0" if c.isdecimal() else c for c in folded if not _is_dropped(c))
    return unicodedata.normalize("NFC", "".join(kept))


def normal_words(text: str) -> list[str]:
    """The words of a text in normal form, character by character; words without any are left out."""
    words = ("".join(map(normal_character, text[t.start : t.end])) for t in tokens(text) if t.kind & IS_WORD)
    return [word for word in words if word]


def decode(data: bytes) -> str:
    """UTF-8 as the kernels read it: every bad byte is one U+FFFD (Python's `replace` merges some)."""
    return data.decode("utf-8", "datapipe_each_byte")


def _each_byte(error: UnicodeError) -> tuple[str, int]:
    return "\ufffd", cast("UnicodeDecodeError", error).start + 1


codecs.register_error("datapipe_each_byte", _each_byte)


def word_hash(word: str) -> int:
    """The 64-bit hash under which a word stands in a segmentation, whatever its case."""
    state = 0x9E3779B97F4A7C15
    for character in word.casefold():
        state = (state ^ ord(character)) * 0x100000001B3 & MASK_64
        state ^= state >> 29
    state = (state ^ state >> 33) * 0xFF51AFD7ED558CCD & MASK_64
    state = (state ^ state >> 33) * 0xC4CEB9FE1A85EC53 & MASK_64
    return state ^ state >> 33


class Token(NamedTuple):
    """A word or a run of punctuation: text[start:end] in characters, and its kind bits."""

    start: int
    end: int
    kind: int


def _token_end(groups: list[int], text: str, start: int) -> int:
    first, end = groups[start], start + 1
    if first not in WORD_GROUPS:
        while end < len(text) and text[end] == text[start]:
            end += 1
        return end
    joined = {LETTER: (LETTER, MARK), KATAKANA: (KATAKANA, MARK), SINGLE: (MARK,)}[first]
    while groups[end] in joined or (first == LETTER and groups[end] == APOSTROPHE and groups[end + 1] == LETTER):
        end += 1
    return end


def tokens(text: str) -> list[Token]:
    """Words and punctuation in order."""
    groups = [*map(group, text), BREAK, BREAK]
    found: list[Token] = []
    start, after = 0, AFTER_SPACE
    while start < len(text):
        if groups[start] in (SPACE, BREAK):
            start, after = start + 1, AFTER_SPACE
            continue
        end = _token_end(groups, text, start)
        word = IS_WORD if groups[start] in WORD_GROUPS else 0
        alphabetic = HAS_ALPHABETIC if any(map(str.isalpha, text[start:end])) else 0
        found.append(Token(start, end, word | alphabetic | after))
        start, after = end, 0
    return found


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def lines(text: str) -> list[tuple[int, int]]:
    """Lines that are not blank, stripped: [start, end) in characters."""
    return [line for run in _runs_of_lines(text) for line in run]


def paragraphs(text: str) -> list[tuple[int, int]]:
    """Runs of lines with no blank line between them: [start, end) in characters."""
    return [(run[0][0], run[-1][1]) for run in _runs_of_lines(text)]


def _runs_of_lines(text: str) -> list[list[tuple[int, int]]]:
    runs: list[list[tuple[int, int]]] = [[]]
    place = 0
    for raw in text.splitlines(keepends=True):
        start, end = _stripped(text, place, place + len(raw))
        if start < end:
            runs[-1].append((start, end))
        elif runs[-1]:
            runs.append([])
        place += len(raw)
    return [run for run in runs if run]


def sentences(text: str) -> list[tuple[int, int]]:
    """Sentences, none across a line's end and none without a word: [start, end) in characters."""
    return [sentence for start, end in lines(text) for sentence in _sentences_of_line(text, start, end)]


def _sentences_of_line(text: str, start: int, end: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    i, has_word = start, False
    while i < end:
        if not is_terminal(text[i]):
            has_word |= group(text[i]) in WORD_GROUPS
            i += 1
            continue
        wide = False
        while i < end and is_terminal(text[i]):
            wide |= is_wide_terminal(text[i])
            i += 1
        while i < end and is_closing(text[i]):
            i += 1
        if has_word and (wide or i == end or text[i].isspace()):
            found.append((start, i))
            while i < end and text[i].isspace():
                i += 1
            start, has_word = i, False
    if has_word:
        found.append((start, end))
    return found
