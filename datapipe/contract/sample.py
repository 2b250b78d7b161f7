"""Documents to try a stage on: typical ones, odd ones, and nulls in every column that may hold them.

Made for the columns that a stage reads, of the types in `datapipe.schema`; a column of another stage has no
known type, and batches for it come from whoever runs the suite.
Costs nothing to speak of: some sixty small documents, always the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

import pyarrow as pa

from datapipe.schema import COLUMNS

__all__ = ["sample_batches", "unknown_columns"]

# Columns that every document has.
_NEVER_NULL = frozenset({"id", "file", "record", "cursor", "bytes", "parent_row", "source"})

_HARBOUR = (
    "The harbour was quiet that morning. Two boats came in with the tide, and nobody asked where from.\n\n"
    "By noon the market had sold out of {}, and the baker had closed for the day."
)

_TYPICAL: tuple[tuple[str, str], ...] = (
    ("en", _HARBOUR.format("fish")),
    ("zh", "清晨的港口很安静。两条船随潮水进港，没有人问它们从哪里来。\n到了中午，市场上的鱼已经卖完了。"),
    ("de", "Am Morgen war der Hafen still. Zwei Boote kamen mit der Flut herein, und niemand fragte, woher."),
    ("fr", "Ce matin-là, le port était calme. Deux bateaux sont entrés avec la marée ; personne n'a rien demandé."),
    ("es", "Aquella mañana el puerto estaba tranquilo. ¿De dónde venían los dos barcos? Nadie lo preguntó."),
    ("ja", "その朝、港は静かだった。二隻の船が潮とともに入ってきたが、どこから来たのか誰も尋ねなかった。"),
    ("ru", "В то утро в гавани было тихо. С приливом вошли две лодки, и никто не спросил, откуда они."),
    ("ar", "كان الميناء هادئا ذلك الصباح. دخل قاربان مع المد ولم يسأل أحد من أين جاءا."),
    ("hi", "उस सुबह बंदरगाह शांत था। ज्वार के साथ दो नावें आईं।"),
    ("th", "เช้าวันนั้นท่าเรือเงียบสงบ เรือสองลำเข้ามาพร้อมกับกระแสน้ำ"),
    ("ko", "그날 아침 항구는 조용했다. 배 두 척이 밀물과 함께 들어왔다."),
    ("en", "def tide(hour):\n    # height in metres\n    return 2.1 * sin(hour / 6.2)\n\n\nprint(tide(3))\n"),
    ("en", "- one\n- two\n- three\n\n* four...\n* five..."),
    ("en", "Buy now! Buy now! Buy now!\nBuy now! Buy now! Buy now!\nBuy now! Buy now! Buy now!"),
    ("en", "Write to anna@example.org or call +44 20 7946 0018; the server is at 192.0.2.7."),
    ("en", " ".join(f"Sentence {n} tells of day {n * 7} at sea and of what the crew ate." for n in range(60))),
    # The first text again, and nearly again.
    ("en", _HARBOUR.format("fish")),
    ("en", _HARBOUR.format("bread")),
)

_ODD_TEXTS: tuple[str, ...] = (
    "",
    " ",
    "\n\n\n",
    "\t \u00a0\u2003\u3000",
    "a",
    "\u0000",
    "before\u0000after",
    "\ufffd\ufffd text \ufffd",
    "\ufeffstarts with a mark",
    "e\u0301\u0323 a\u0308\u0308\u0308 o" + "\u0301" * 200,
    "\u202eright to left\u202c \u200bzero\u200bwidth\u200d \u2066isolated\u2069",
    "\U0001f469\u200d\U0001f680 \U0001d518\U0001d52b\U0001d526 \U00020000\U0002a6d6 \U0010ffff \U0001f1e9\U0001f1ea",
    "x" * 20_000,
    "無" * 5_000,
    "line one\r\nline two\rline three\u2028line four\u0085line five\x0b\x0csix",
    "\u01c5 \u0130 \u1e9e \ufb03 \u00df \u212a \u2126",
    "... !!! ??? --- ***\n# # #\n|||",
    "<b>not</b> &amp; markup &lt;script&gt; ]]> <!--",
    "\u0661\u0662\u0663 \u2167 \u00bd 1e309 -0 0x7f",
    "no newline at the end of a very long line " * 400,
)

_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 99]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj\n"
    b"4 0 obj<</Length 36>>stream\nBT /F 12 Tf 20 50 Td (A page) Tj ET \nendstream endobj\n"
    b"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\ntrailer<</Root 1 0 R>>\n"
)

_ODD_HTML: tuple[bytes, ...] = (
    b"",
    b"no markup at all",
    b"<html><head><meta charset='shift_jis'><body><p>\x82\xb1\x82\xf1\x82\xc9\x82\xbf\x82\xcd</p>",
    b"\xff\xfe<\x00p\x00>\x00h\x00i\x00",
    b"\x80\x81\xfe\xff\x00\x01 not \xe2\x28\xa1 utf-8",
    b"<div>" * 300 + b"deep" + b"</div>" * 7,
    b"<p>unclosed <b>bold <table><tr><td>cell <script>if (a < b) { document.write('<p>') }",
    b"<html><body></body></html>",
    b"<?xml version='1.0' encoding='utf-8'?><!DOCTYPE x [<!ENTITY a 'b'>]><html>&a;&#0;&#xD800;&#99999999;</html>",
    b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
    _PDF,
)

# Values of other columns that have been met in the wild.
_ODD: dict[str, tuple[Any, ...]] = {
    "url": ("", "no address", "http://[::1", "https://例え.jp/ü?q=%ff#x", "http://a.example/" + "y" * 3000, "data:,x"),
    "robots": (
        "",
        "x-robots-tag: noai, noindex",
        "X-ROBOTS-TAG:otherbot: noai\ntdm-reservation: 1",
        ":\n\n: :",
        "\u0000",
    ),
    "content_type": ("", "text/html; charset=nonsense", 'TEXT/HTML;CHARSET="Utf-8"', "application/pdf", ";;=", "*/*"),
    "fetched": ("", "yesterday", "2026-13-45T99:00:00Z"),
    "date": ("", "yesterday", "2026-02-30", "0000-00-00", "12/11/26"),
    "language": ("", "xx", "zh-Hant-TW", "EN", "und"),
    "kind": ("", "nothing we know"),
    "metadata": ("", "{", "null", '{"a": [1, {"b": null}]}', '{"a": 1e999}'),
    "messages": ([], [{"role": "", "content": "", "train": False, "weight": 0.0}]),
    "rejected": ([], [{"role": "", "content": ""}]),
    "tools": ("", "{", "[]", "null"),
    "tokens": ([], [0], [2**31 - 1, -1]),
    "loss": ([], [{"start": 0, "end": 1, "weight": 0.0}]),
    "token_count": (0, 1, 100_000),
    "trained_count": (0, 1),
    "positions": ([], [{"part": 0, "position": 0}, {"part": 1, "position": 2**64 - 1}]),
    "segments": ([], [{"sequence": 2**64 - 1, "offset": 0, "start": 0, "end": 1}]),
    "bytes": (0, 1, 2**40),
    "embedding": ([], [0.0], [0.0, -0.0, 0.0], [math.nan, 1.0], [math.inf], [1e38, -1e38], [1e-45], [1.0, None], [2.0]),
}


def unknown_columns(reads: tuple[str, ...]) -> tuple[str, ...]:
    """Columns that the schema does not know, so that no sample of them can be made."""
    return tuple(name for name in reads if name not in COLUMNS)


def sample_batches(reads: tuple[str, ...]) -> dict[str, pa.RecordBatch]:
    """Batches of the named columns: `typical`, `odd` and `nulls`."""
    typical = [{name: _typical(name, row) for name in reads} for row in range(len(_TYPICAL))]
    odd = [{name: _odd(name, row) for name in reads} for row in range(len(_ODD_TEXTS))]
    nullable = [name for name in reads if name not in _NEVER_NULL]
    first = {name: _typical(name, 0) for name in reads}
    nulls = [first, {**first, **dict.fromkeys(nullable)}, *({**first, name: None} for name in nullable)]
    for number, row in enumerate(odd + nulls):  # ids differ
        for name in {"id", "record", "cursor"} & set(reads):
            row[name] = _typical(name, len(typical) + number)
    return {"typical": _batch(typical, reads), "odd": _batch(odd, reads), "nulls": _batch(nulls, reads)}


def _batch(rows: list[dict[str, Any]], reads: tuple[str, ...]) -> pa.RecordBatch:
    if not reads:
        nothing: Any = pa.array([{}] * len(rows), pa.struct([]))
        return pa.RecordBatch.from_struct_array(nothing)
    arrays = [pa.array([row[name] for row in rows], COLUMNS[name]) for name in reads]
    return pa.RecordBatch.from_arrays(arrays, names=list(reads))


def _typical(column: str, row: int) -> Any:
    language, text = _TYPICAL[row % len(_TYPICAL)]
    return _MAKE[column](row, language, text)


def _odd(column: str, row: int) -> Any:
    if column == "html" and row < len(_ODD_HTML):
        return _ODD_HTML[row]
    if column in _ODD:
        return next(islice(cycle(_ODD[column]), row % len(_ODD[column]), None))
    return _MAKE[column](row, "en", _ODD_TEXTS[row])


def _page(text: str, language: str) -> bytes:
    paragraphs = "".join(f"<p>{part}</p>\n" for part in text.split("\n"))
    page = (
        f"<!DOCTYPE html><html lang='{language}'><head><meta charset='utf-8'><title>A page</title></head><body>"
        f"<nav><a href='/'>Home</a> <a href='/about'>About</a></nav><article><h1>A page</h1>{paragraphs}</article>"
        "<footer>Terms and privacy</footer></body></html>"
    )
    return page.encode()


def _talk(text: str) -> list[dict[str, Any]]:
    return [
        {"role": "system", "content": "Answer briefly.", "train": False, "weight": 0.0},
        {"role": "user", "content": text[:200], "train": False, "weight": 0.0},
        {"role": "assistant", "content": text, "train": True, "weight": 1.0},
    ]


def _pieces(row: int, tokens: int) -> list[dict[str, int]]:
    """A document in two pieces, one after the other in a sequence of its own."""
    half = tokens // 2
    return [
        {"sequence": row, "offset": start, "start": start, "end": end} for start, end in ((0, half), (half, tokens))
    ]


_MAKE: dict[str, Callable[[int, str, str], Any]] = {
    "id": lambda row, _, __: f"{row * 0x9E3779B97F4A7C15 % 2**128:032x}",
    "file": lambda row, _, __: f"part-{row % 3}.warc.gz",
    "record": lambda row, _, __: row,
    "cursor": lambda row, _, __: row * 1000,
    "bytes": lambda _, __, text: len(text.encode()),
    "parent_row": lambda row, _, __: row // 2,
    "url": lambda row, language, _: f"https://site{row % 4}.example/{language}/page-{row}.html",
    "source": lambda row, _, __: ("web", "forum")[row % 2],
    "snapshot": lambda _, __, ___: "2026-11",
    "content_type": lambda row, _, __: ("text/html; charset=utf-8", "text/html", "application/xhtml+xml")[row % 3],
    "robots": lambda row, _, __: ("X-Robots-Tag: noai", "tdm-reservation: 0")[row % 2],
    "fetched": lambda row, _, __: f"2026-11-{row % 28 + 1:02d}T08:00:00Z",
    "html": lambda _, language, text: _page(text, language),
    "text": lambda _, __, text: text,
    "title": lambda _, __, text: text.split("\n", maxsplit=1)[0][:80],
    "author": lambda row, _, __: ("Anna Example", "编辑部")[row % 2],
    "date": lambda row, _, __: f"2025-06-{row % 28 + 1:02d}",
    "language": lambda _, language, __: language,
    "kind": lambda row, _, __: ("prose", "code", "chat")[row % 3],
    "split": lambda row, _, __: ("train", "train", "test")[row % 3],
    "metadata": lambda row, _, __: f'{{"number": {row}}}',
    "messages": lambda _, __, text: _talk(text),
    "rejected": lambda row, _, text: _talk(text[::-1])[-1:] if row % 3 == 0 else None,
    "tools": lambda row, _, __: '[{"type": "function", "function": {"name": "look_up"}}]' if row % 2 else None,
    "tokens": lambda _, __, text: list(text.encode()[:300]),
    "loss": lambda row, _, __: [{"start": 1, "end": 2, "weight": 1.0}] if row % 2 else None,
    "token_count": lambda _, __, text: len(text.encode()[:300]),
    "trained_count": lambda row, _, text: 1 if row % 2 else len(text.encode()[:300]),
    "positions": lambda row, _, __: [{"part": 0, "position": row * 0x9E3779B97F4A7C15 % 2**64}] * (row % 3),
    "segments": lambda row, _, text: _pieces(row, len(text.encode()[:300])),
    "embedding": lambda _, __, text: [float(text.count(letter)) for letter in "aeiou嘿 "],
}
