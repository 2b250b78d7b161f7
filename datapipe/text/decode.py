"""Bytes of a web page to text.

In order: a byte order mark; UTF-8 if the bytes are valid UTF-8 (a legacy page of any length is not, by chance); the
HTTP header's charset; the page's <meta>; detection. A charset that does not decode the bytes strictly gives way to
the next. If none does, a few bad bytes are forgiven (MAX_REPLACED) before the page is refused.
Servers often declare their default, a Latin charset that decodes anything; where the bytes are of another script, the
page's own word or detection is preferred. A wrong declaration of another kind is believed if it decodes strictly.
Labels mean what browsers take them for: gb2312 is read as GB18030, iso-8859-1 as windows-1252.
Costs: one strict decoding for UTF-8 (over 1 GB/s); 20 MB/s where the charset must be detected.
Source: https://encoding.spec.whatwg.org (labels), https://html.spec.whatwg.org/#determining-the-character-encoding
"""

import codecs
import re
from collections.abc import Iterator
from functools import cache

MAX_REPLACED = 0.01  # share of characters that may be U+FFFD in a text that no charset decodes strictly
META_BYTES = 4096  # browsers look for <meta> in the first 1,024 bytes; real pages also have it later
SAMPLE_BYTES = 4096
MAX_CONTROLS = 0.05  # share of control characters above which a sample is no text
# From this many valid multi-byte characters on, valid UTF-8 is trusted more than a declared legacy charset; in
# GBK about one pair of bytes in five is also valid UTF-8.
SURE_CHARACTERS = 10
# A broken UTF-8 page holds at least so many valid multi-byte characters for each bad byte.
VALID_TO_BAD = 4

# Charsets of Latin letters, where letters above ASCII mostly stand alone ("é", but "ção"). In the 388 versions of the
# Universal Declaration at most 32% of them stand beside another (Finnish); of other scripts' bytes at least 96%.
LATIN = frozenset(
    {"windows-1250", "windows-1252", "windows-1254", "windows-1257", "mac-roman", "cp437", "cp850"}
    | {f"iso-8859-{part}" for part in (2, 3, 4, 10, 13, 14, 15, 16)}
)
MAX_BESIDE = 0.6

UTF_8 = "utf-8"
# The longer marks first: UTF-32's begins with UTF-16's.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Which of four bytes are hardly ever 0 in the letters and markup of each ("一" is U+4E00), and the others' least share.
WIDE_LAYOUTS = {"utf-32-le": (0,), "utf-32-be": (3,), "utf-16-le": (0, 2), "utf-16-be": (1, 3)}
MIN_ZEROS = 0.2
ZEROS_AGAINST = 10

BINARY_MAGIC = (
    b"%PDF-", b"\x89PNG", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"PK\x03\x04", b"\x1f\x8b", b"\x7fELF", b"RIFF",
    b"\xd0\xcf\x11\xe0", b"OggS", b"ID3", b"BZh", b"7z\xbc\xaf", b"\xfd7zXZ", b"Rar!", b"wOFF", b"wOF2", b"II*\x00",
    b"MM\x00*", b"\x00\x00\x01\x00", b"\x00asm",
)  # fmt: skip
HIGH_BYTES = bytes(range(0x80, 0x100))
ALL_BUT_LETTERS = bytes(range(0xA1))  # of the bytes above ASCII, Latin charsets have letters from here on
LETTERS_BESIDE = re.compile(rb"[\xa1-\xff]{2,}")
CONTROLS = bytes({*range(0x20), 0x7F} - set(b"\t\n\f\r\x1b"))

_META = re.compile(
    rb"<meta\b[^>]*?\bcharset\s*=\s*[\"']?\s*([\w:.+-]+)|<\?xml\b[^>]*?\bencoding\s*=\s*[\"']([\w:.+-]+)", re.IGNORECASE
)
# Central European letters of iso-8859-2 that windows-1250 has elsewhere, at places where that has symbols and "ľ".
_LATIN_2 = re.compile(rb"[A-Za-z\xc0-\xfe][\xb1\xb6\xbb\xbe][A-Za-z\xc0-\xfe]")
C1 = re.compile(rb"[\x80-\x9f]")  # letters and quotes in windows-1250, nothing in iso-8859-2

# What browsers read each charset as, where it is not what Python's codec of that name does: the name reported, and
# the codecs tried in turn. (big5: neither of Python's two has both the Hong Kong characters and the euro sign.)
BROWSER_CODECS = {
    "ascii": ("windows-1252", ("cp1252",)),
    "iso8859-1": ("windows-1252", ("cp1252",)),
    "cp1252": ("windows-1252", ("cp1252",)),
    "iso8859-9": ("windows-1254", ("cp1254",)),
    "iso8859-11": ("windows-874", ("cp874",)),
    "tis-620": ("windows-874", ("cp874",)),
    "gb2312": ("gb18030", ("gb18030",)),
    "gbk": ("gb18030", ("gb18030",)),
    "hz": ("gb18030", ("hz",)),
    "big5": ("big5", ("big5hkscs", "cp950")),
    "big5hkscs": ("big5", ("big5hkscs", "cp950")),
    "cp950": ("big5", ("big5hkscs", "cp950")),
    "euc_kr": ("euc-kr", ("cp949",)),
    "cp949": ("euc-kr", ("cp949",)),
    "shift_jis": ("shift_jis", ("cp932",)),
    "cp932": ("shift_jis", ("cp932",)),
    "euc_jp": ("euc-jp", ("euc_jp", "euc_jis_2004")),
    "utf-16": ("utf-16-le", ("utf-16-le",)),
}
# Labels of the WHATWG list that Python's codecs do not know.
EXTRA_LABELS = {
    "ks_c_5601": "cp949",
    "ks_c_5601-1989": "cp949",
    "windows-949": "cp949",
    "x-gbk": "gbk",
    "gb_2312-80": "gb2312",
    "x-x-big5": "big5",
    "x-sjis": "shift_jis",
    "ms_kanji": "shift_jis",
    "windows-31j": "cp932",
    "x-euc-jp": "euc_jp",
    "iso-8859-8-i": "iso8859-8",
    "windows-874": "cp874",
    "dos-874": "cp874",
    "x-mac-cyrillic": "mac_cyrillic",
    "x-user-defined": "cp1252",
    "unicode": "utf-16",
    "x-cp1250": "cp1250",
    "x-cp1251": "cp1251",
    "x-cp1252": "cp1252",
}


class UndecodableText(ValueError):
    """Bytes that are no text, or text in no charset found."""


@cache
def _codecs_of(label: str) -> tuple[str, tuple[str, ...]] | None:
    """The charset's name and Python's codecs for a label; None if unknown."""
    label = label.strip().strip("\"'").lower()
    try:
        found = codecs.lookup(EXTRA_LABELS.get(label, label))
        "".encode(found.name)  # LookupError for codecs that are not of text (rot13, zip)
    except (LookupError, ValueError, UnicodeError):
        return None
    if found.name.startswith(("utf-7", "idna", "punycode", "unicode_escape", "raw_unicode")):
        return None  # never of a page; UTF-7 hides markup
    name = found.name.replace("_", "-")
    name = re.sub(r"^cp(125\d|874)$", r"windows-\1", name).replace("iso8859", "iso-8859")
    return BROWSER_CODECS.get(found.name, (name, (found.name,)))


def _strictly(data: bytes, charset: str) -> tuple[str, str] | None:
    """The text and the charset's name, or None if it is unknown or does not decode every byte."""
    known = _codecs_of(charset)
    for codec in known[1] if known else ():
        try:
            return data.decode(codec), known[0] if known else codec
        except UnicodeDecodeError:
            continue
    return None


def _leniently(data: bytes, charset: str) -> tuple[str, str] | None:
    """The same with U+FFFD for bad bytes, or None if there are too many."""
    known = _codecs_of(charset)
    if not known:
        return None
    text = data.decode(known[1][0], "replace")
    return (text, known[0]) if text.count("\ufffd") <= MAX_REPLACED * len(text) else None


def _check_is_text(data: bytes) -> None:
    if data.startswith(BINARY_MAGIC):
        message = "binary data, not text"
        raise UndecodableText(message)
    sample = data[:SAMPLE_BYTES]
    if len(sample) - len(sample.translate(None, CONTROLS)) > MAX_CONTROLS * len(sample):
        message = "too many control characters for a text"
        raise UndecodableText(message)


def _wide_charset(data: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark, told by where the zero bytes are."""
    sample = data[: SAMPLE_BYTES // 4 * 4]
    zeros = [sample[place::4].count(0) for place in range(4)]
    for charset, hardly in WIDE_LAYOUTS.items():
        least = min(zeros[place] for place in range(4) if place not in hardly)
        # In UTF-16, letters outside Latin have no zero byte, but the markup does.
        if least > MIN_ZEROS * len(sample) / 4 and least > ZEROS_AGAINST * max(zeros[place] for place in hardly):
            return charset
    return None


def _declared(data: bytes, http_charset: str | None) -> Iterator[str]:
    """The legacy charsets declared for a page, strongest first."""
    found = _META.search(data, 0, META_BYTES)
    from_page = (found[1] or found[2]).decode("ascii", "replace") if found else None
    for label in (http_charset, from_page):
        known = _codecs_of(label) if label else None
        # A page whose <meta> can be read byte by byte is not in UTF-16, whatever it says.
        if label and known and not known[0].startswith(("utf-8", "utf-16", "utf-32")):
            yield label


def _valid_utf_8(data: bytes, http_charset: str | None) -> tuple[str, str] | None:
    """The text if the bytes are valid UTF-8 and nothing better is declared."""
    try:
        text = data.decode(UTF_8)
    except UnicodeDecodeError:
        return None
    if b"\x1b" in data or 0 < len(data) - len(text) < SURE_CHARACTERS:
        for charset in _declared(data, http_charset):
            # ISO-2022-JP and HZ are ASCII with escapes; a few characters of GBK may look like UTF-8.
            known = _codecs_of(charset)
            is_multi_byte = known is not None and known[0].startswith(("gb", "big5", "euc", "shift", "iso2022", "hz"))
            if is_multi_byte and (decoded := _strictly(data, charset)):
                return decoded
    return text, UTF_8


def _broken_utf_8(data: bytes) -> tuple[str, str] | None:
    """The text if the bytes are UTF-8 but for a few (a page cut short, a foreign name pasted in)."""
    text = data.decode(UTF_8, "replace")
    bad = text.count("\ufffd")
    multi_byte = len(text) - bad - len(data.translate(None, HIGH_BYTES))
    if bad <= MAX_REPLACED * len(text) and multi_byte >= VALID_TO_BAD * bad:
        return text, UTF_8
    return None


def _detected(data: bytes) -> str:
    from resiliparse.parse.encoding import detect_encoding  # noqa: PLC0415 - rarely needed

    charset = str(detect_encoding(data, html5_compatible=False) or "windows-1252")
    # The detector takes all of Central Europe for windows-1250.
    if charset == "cp1250" and _LATIN_2.search(data) and not C1.search(data):
        return "iso-8859-2"
    return charset


def _may_be_in(data: bytes, charset: str) -> bool:
    """False where a Latin charset is declared for bytes that are of no language in Latin letters."""
    known = _codecs_of(charset)
    if known is None or known[0] not in LATIN:
        return True
    if known[0].startswith("iso-"):  # it has nothing but controls there
        controls = len(C1.findall(data))
        if controls > MAX_CONTROLS * (len(data) - len(data.translate(None, HIGH_BYTES))):
            return False
    letters = len(data.translate(None, ALL_BUT_LETTERS))
    if letters < SURE_CHARACTERS:
        return True
    beside = sum(map(len, LETTERS_BESIDE.findall(data)))
    return beside <= MAX_BESIDE * letters


def _trusted(data: bytes, http_charset: str | None) -> tuple[str, str] | None:
    """The text by the strongest declared charset that decodes it strictly and may be true."""
    candidates: list[tuple[str, str]] = []
    for charset in _declared(data, http_charset):
        found = _strictly(data, charset)
        if found and _may_be_in(data, charset):
            candidates.append(found)
    if len({charset for _, charset in candidates}) > 1:  # server and page disagree, and either may be right
        known = _codecs_of(_detected(data))
        return next((found for found in candidates if known and found[1] == known[0]), candidates[0])
    return candidates[0] if candidates else None


def _undeclared(data: bytes, http_charset: str | None) -> tuple[str, str] | None:
    """What to make of bytes that neither UTF-8 nor a declared charset decodes strictly, or that look like neither."""
    if found := _broken_utf_8(data):
        return found
    declared = list(_declared(data, http_charset))
    for charset in declared:
        if _may_be_in(data, charset) and (found := _leniently(data, charset)):
            return found
    detected = _detected(data)
    attempts = (try_(data, charset) for charset in (detected, *declared) for try_ in (_strictly, _leniently))
    return next((found for found in attempts if found), None)


def decode_html(data: bytes, http_charset: str | None = None) -> tuple[str, str]:
    """The text of a page's bytes and the charset it was decoded with (the name that browsers give it).

    http_charset: the charset parameter of the Content-Type header, if any. A byte order mark is taken off.
    Raises UndecodableText for binary data and for text that no charset decodes with at most 1% bad characters.
    """
    for mark, charset in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            found = _strictly(data[len(mark) :], charset) or _leniently(data[len(mark) :], charset)
            if found:
                return found
    if b"\0" in data[:SAMPLE_BYTES] and (charset_of_zeros := _wide_charset(data)):
        found = _strictly(data, charset_of_zeros) or _leniently(data, charset_of_zeros)
        if found:
            return found
    _check_is_text(data)
    if found := _valid_utf_8(data, http_charset):
        return found
    if found := _trusted(data, http_charset) or _undeclared(data, http_charset):
        return found
    message = "no charset decodes it"
    raise UndecodableText(message)
