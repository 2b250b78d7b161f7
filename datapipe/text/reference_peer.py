"""How datatrove cuts English text into words, in plain Python: what the tests compare `peer_words` with.

datatrove cuts English with spaCy. What stands between spaces is first rid of punctuation at its beginning, then of that
at its end, one token a character (a run of full stops is one). What is left is whole if it looks like an address;
otherwise it is cut at some marks inside, depending on what stands at both sides, and before what is contracted (`n't`).
Left out of spaCy's rules: most of its lists of abbreviations and all emoticons. Added: letters of scripts without
spaces are words of their own, as in our segmentation.
Source: spaCy 3.8, its rules for English; `tests/peers` compares decisions.
Costs: thousands of times the kernel's time; never on the path of data.
"""

from datapipe.text.reference import APOSTROPHES, BREAK, MARK, SINGLE, SPACE, WORD_GROUPS, group

PUNCTUATION = frozenset("…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪")
QUOTES = frozenset("'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉⟦⟧")
CURRENCIES = frozenset("$£€¥฿₽﷼₴₠₡₢₣₤₥₦₧₨₩₪₫₭₮₯₰₱₲₳₵₶₷₸₹₺₻₼₾₿")
HYPHENS = frozenset("-–—~")
DASHES = frozenset("–—")
# Signs, emoji and the like, which always stand alone.
ICON_RANGES = (
    (0xA6, 0xA6), (0xA9, 0xA9), (0xAE, 0xAE), (0xB0, 0xB0), (0x2100, 0x2101), (0x2103, 0x2106), (0x2116, 0x2117),
    (0x211E, 0x2123), (0x2195, 0x2199), (0x219C, 0x219F), (0x21A7, 0x21AD), (0x21AF, 0x21CD), (0x21D5, 0x21F3),
    (0x2300, 0x2307), (0x230C, 0x231F), (0x2322, 0x2328), (0x232B, 0x237B), (0x237D, 0x239A), (0x23B4, 0x23DB),
    (0x23E2, 0x2426), (0x2440, 0x244A), (0x249C, 0x24E9), (0x2500, 0x25B6), (0x25B8, 0x25C0), (0x25C2, 0x25F7),
    (0x2600, 0x266E), (0x2670, 0x2767), (0x2794, 0x27BF), (0x2800, 0x28FF), (0x2B00, 0x2B2F), (0x2B4D, 0x2BFE),
    (0xFFFC, 0xFFFD), (0x1F000, 0x1F02B), (0x1F0A0, 0x1F0F5), (0x1F110, 0x1F202), (0x1F210, 0x1F265),
    (0x1F300, 0x1F3FA), (0x1F400, 0x1F773), (0x1F780, 0x1F9FF), (0x1FA60, 0x1FA6D),
)  # fmt: skip
OPENING = PUNCTUATION | QUOTES | CURRENCIES | frozenset("§%=–—")
CLOSING = PUNCTUATION | QUOTES | DASHES
BEFORE_STOP = PUNCTUATION | QUOTES | frozenset("%²-+")  # a full stop behind these is no part of the word
INSIDE = frozenset(":<>=/")
SUMS = frozenset("+-*^")
# Behind a digit they are tokens. Two from the list of exceptions beside: am, pm.
UNITS = frozenset(
    "km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh mph hPa Pa "  # noqa: SIM905 - a list of them fills a screen
    "mbar mb MB kb KB gb GB tb TB T G M K % am pm".split()
)
CONTRACTIONS = ("n't", "'ll", "'ve", "'re", "'d", "'m")
ABBREVIATIONS = frozenset(
    "Mr. Mrs. Ms. Dr. St. Jr. Prof. Rep. Rev. Sen. Gov. Gen. Inc. Corp. Ltd. Co. co. vs. Mt. Jan. Feb. Apr. Aug. Sept. "  # noqa: SIM905
    "Oct. Nov. Dec.".split()
)


def is_icon(character: str) -> bool:
    """Whether it is a sign that always stands alone."""
    return any(low <= ord(character) <= high for low, high in ICON_RANGES)


def is_upper(character: str) -> bool:
    """Whether it is a letter with a small form."""
    return character.isalpha() and character.casefold() != character


def is_lower(character: str) -> bool:
    """Whether it is a letter without a small form of its own."""
    return character.isalpha() and character.casefold() == character


def is_digit(character: str) -> bool:
    """Whether it is a digit of ASCII."""
    return "0" <= character <= "9"


def _is_kept(word: str) -> bool:
    """Whether nothing is cut off: abbreviations, and letters each with a full stop."""
    if word in ABBREVIATIONS:
        return True
    return len(word) in (2, 4) and set(word[1::2]) == {"."} and is_lower(word[0]) and word[-2].isalpha()


def _run_of_stops(word: str) -> int:
    return len(word) - len(word.lstrip("."))


def _opening(word: str) -> int:
    """Characters of the token that the word begins with; 0 if none is cut off."""
    if _run_of_stops(word) > 1:
        return _run_of_stops(word)
    first = word[0]
    if first == "+":
        return int(not is_digit(word[1:2]))
    return int(first in OPENING or is_icon(first))


def _closing(word: str) -> int:
    """Characters of the token that the word ends with; 0 if none is cut off."""
    if _run_of_stops(word[::-1]) > 1:
        return _run_of_stops(word[::-1])
    last, before = word[-1], word[-2:-1]
    if before in APOSTROPHES and last in "sS":
        return 2
    if last in CLOSING or is_icon(last):
        return 1
    if last == ".":
        two = word[-3:-1]
        capitals = len(two) == 2 and all(map(is_upper, two))
        return int(before != "" and (before in BEFORE_STOP or is_digit(before) or is_lower(before) or capitals))
    if is_digit(before) and (last == "+" or last in CURRENCIES):
        return 1
    units = [unit for unit in UNITS if word.endswith(unit) and is_digit(word[-len(unit) - 1 : -len(unit)])]
    return max(map(len, units), default=0)


def _is_address(word: str) -> bool:
    """Whether it reads as `scheme://user@host.tld:port/path`, all but `host.tld` left out at will."""
    scheme = word.find("://")
    rest = word[scheme + 3 :] if scheme > 0 else word
    end = min((i for i in map(rest.find, "/?#") if i >= 0), default=len(rest))
    host = rest[:end].rpartition("@")[2]
    host, colon, port = host.partition(":")
    labels = host.split(".")
    if colon and not (2 <= len(port) <= 5 and all(map(is_digit, port))):
        return False
    if len(labels) < 2 or len(labels[-1]) < 2 or not all(map(is_lower, labels[-1])):
        return False
    return all(labels) and all(group(c) in WORD_GROUPS or c == "-" for label in labels for c in label)


def _inside(word: str, i: int) -> int:
    """Characters of the token of punctuation at word[i], which is inside; 0 if there is none."""
    stops = _run_of_stops(word[i:])
    if stops > 1:
        return stops
    mark, before, after = word[i], word[i - 1 : i] if i else "", word[i + 1 : i + 2]
    if mark == "…" or is_icon(mark):
        return 1
    if mark in SUMS and is_digit(before) and (is_digit(after) or after == "-"):
        return 1
    if mark == ".":
        return int((is_lower(before) or before in QUOTES) and (is_upper(after) or after in QUOTES))
    if mark == ",":
        return int(before.isalpha() and after.isalpha())
    if mark in HYPHENS:
        length = len(word[i:]) - len(word[i:].lstrip(mark)) if mark in "-—" else 1
        longest = {"-": 3, "—": 2}.get(mark, 1)
        after = word[i + length : i + length + 1]
        return length * (length <= longest and (before.isalpha() or is_digit(before)) and after.isalpha())
    return int(mark in INSIDE and (before.isalpha() or is_digit(before)) and after.isalpha())


def _contracted(word: str) -> int:
    """Characters of the contraction that the word ends with."""
    for ending in CONTRACTIONS:
        for apostrophe in APOSTROPHES:
            found = ending.replace("'", apostrophe)
            stem = word[: -len(found)]
            if word.endswith(found) and stem.isalpha():
                return len(found)
    return 0


def _core(word: str) -> list[int]:
    """Lengths of the tokens of what is left between opening and closing marks."""
    if _is_address(word):
        return [len(word)]
    ending = _contracted(word)
    if ending:
        return [len(word) - ending, ending]
    lengths, start, i = [], 0, 0
    while i < len(word):
        length = _inside(word, i)
        if length:
            lengths += [i - start] * (i > start) + [length]
            i = start = i + length
        else:
            i += 1
    return lengths + [len(word) - start] * (len(word) > start)


def _cut(word: str) -> list[int]:
    """Lengths of the tokens of what stands between spaces."""
    opening: list[int] = []
    closing: list[int] = []
    while word and not _is_kept(word) and (length := _opening(word)):
        opening.append(length)
        word = word[length:]
    while word and not _is_kept(word) and (length := _closing(word)):
        closing.append(length)
        word = word[:-length]
    core = [] if not word else [len(word)] if _is_kept(word) else _core(word)
    return opening + core + closing[::-1]


def _pieces(text: str) -> list[tuple[int, int]]:
    """What stands between spaces, and each letter of scripts without spaces: [start, end) in characters."""
    groups = [*map(group, text), BREAK]
    found = []
    start = 0
    while start < len(text):
        end = start + 1
        if groups[start] == SINGLE:
            while groups[end] == MARK:
                end += 1
        elif groups[start] not in (SPACE, BREAK):
            while groups[end] not in (SPACE, BREAK, SINGLE):
                end += 1
        if groups[start] not in (SPACE, BREAK):
            found.append((start, end))
        start = end
    return found


def peer_words(text: str) -> list[tuple[int, int]]:
    """Words and punctuation tokens: [start, end) in characters."""
    found = []
    for start, end in _pieces(text):
        piece = text[start:end]
        place = start
        for length in [len(piece)] if group(piece[0]) == SINGLE else _cut(piece):
            found.append((place, place + length))
            place += length
    return found
