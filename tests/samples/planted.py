"""Planted cases: duplicates, near duplicates, odd encodings, attacks and pages that are not prose."""

import dataclasses
import gzip
import html
import unicodedata
from collections.abc import Callable

from tests.samples import frames
from tests.samples.articles import Article
from tests.samples.warc import Page, chunked


def _title_case_lost(text: str) -> str:
    head, _, rest = text.partition("\n\n")
    return head.upper() + "\n\n" + rest


def _accents_lost(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def _digits_changed(text: str) -> str:
    return "".join(str((int(c) + 3) % 10) if c.isascii() and c.isdigit() else c for c in text)


def _punctuation_changed(text: str) -> str:
    return text.translate(str.maketrans(";，“”；", ":、「」。", ","))


# slug, host of the copy, what was changed; all of these normalise to the text of the original.
EXACT: tuple[tuple[str, str, str, Callable[[str], str]], ...] = (
    ("tide-mill", "mirror.example.org", "nothing", str),
    ("ferry-battery", "reprint.example", "case", _title_case_lost),
    ("lentil-soup", "reprint.example", "digits", _digits_changed),
    ("paper-diary", "copies.example.net", "punctuation", _punctuation_changed),
    ("laochezhan", "zhuanzai.example", "nothing", str),
    ("yangtaicai", "zhuanzai.example", "punctuation", _punctuation_changed),
    ("velo-grand-mere", "copies.example.net", "accents", _accents_lost),
    ("uhrwerk", "mirror.example.org", "nothing", str),
    ("suisha", "mirror.example.org", "nothing", str),
    ("bereza", "copies.example.net", "case", _title_case_lost),
)

# slug, host of the copy, replacements
NEAR: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    (
        "stone-bridge",
        "reprint.example",
        (("eleven centimetres", "twelve centimetres"), ("six thousand", "seven thousand")),
    ),
    ("small-town", "copies.example.net", (("two years ago", "three years ago"), ("four casseroles", "five pies"))),
    ("steel-kettle", "bazaar.example", (("beech wood", "maple wood"), ("about seven cups", "roughly seven cups"))),
    ("retry-client", "mirror.example.org", (("up to twenty seconds", "up to thirty seconds"),)),
    ("duchuan", "zhuanzai.example", (("三百人", "五百人"), ("二十六公里", "三十公里"))),
    ("qixing", "zhuanzai.example", (("一百九十公里", "一百七十公里"), ("两个咸鸭蛋", "三个咸鸭蛋"))),
    ("windmuehle", "reprint.example", (("Zahnarzt", "Tierarzt"), ("neunundachtzig", "hundertzwölf"))),
    ("campana", "reprint.example", (("treinta personas", "cuarenta personas"), ("ochenta y siete", "noventa y dos"))),
)
COPIED = frozenset({slug for slug, *_ in EXACT} | {slug for slug, *_ in NEAR})

# slug: Python codec, name given in the HTTP header (None: only in <meta>)
CHARSETS: dict[str, tuple[str, str | None]] = {
    "louxia-jia": ("gbk", "gbk"),
    "huozi": ("gb18030", None),
    "niwa-neko": ("shift_jis", "Shift_JIS"),
    "furui-mishin": ("euc_jp", None),
    "staryy-velosiped": ("cp1251", "windows-1251"),
    "skripit-pol": ("cp1251", None),
    "schrebergarten": ("cp1252", "windows-1252"),
    "olivo-maceta": ("latin_1", "ISO-8859-1"),
    "potaje": ("latin_1", None),
}
_META_NAME = {"gb18030": "gb18030", "euc_jp": "euc-jp", "cp1251": "windows-1251", "latin_1": "iso-8859-1"}


def copies(articles: dict[str, Article]) -> list[tuple[Article, dict[str, object]]]:
    """The planted copies, each with what the answers say about it."""
    made: list[tuple[Article, dict[str, object]]] = []
    for slug, host, changed, change in EXACT:
        source = articles[slug]
        copy = dataclasses.replace(source, host=host, body=change(source.body))
        made.append((copy, {"duplicate_of": source.url, "changed": changed, "good": False, "reason": "duplicate"}))
    for slug, host, replacements in NEAR:
        source = articles[slug]
        body = source.body
        for old, new in replacements:
            assert old in body, (slug, old)
            body = body.replace(old, new)
        facts = {"near_duplicate_of": source.url, "good": False, "reason": "near_duplicate"}
        made.append((dataclasses.replace(source, host=host, body=body), facts))
    return made


def encoded(article: Article) -> tuple[Page, str]:
    """The page as it travels, and its charset."""
    codec, header = CHARSETS.get(article.slug, ("utf-8", "utf-8"))
    if article.slug in COPIED:
        codec, header = "utf-8", "utf-8"
    meta = _META_NAME.get(codec, header or codec)
    text = frames.page(article, comments=article.slug not in COPIED and len(article.slug) % 3 == 0, meta_charset=meta)
    if article.kind == "hostile":
        text = _ATTACKS[article.fields["attack"]](text, article)
    body, headers = text.encode(codec, "xmlcharrefreplace"), ()
    content_type = f"text/html; charset={header}" if header else "text/html"
    page = Page(article.url, article.date, body, content_type, headers=headers)
    if article.slug == "barometer":
        page = dataclasses.replace(page, body=chunked(body), headers=("Transfer-Encoding: chunked",))
    if article.slug == "plum-jam":
        page = dataclasses.replace(page, body=gzip.compress(body, 9, mtime=0), headers=("Content-Encoding: gzip",))
    return page, meta


def _script_in_title(text: str, article: Article) -> str:
    bad = "<script>alert('title')</script>"
    text = text.replace("<title>", f"<title></title>{bad}<title>").replace(
        "<h1", f"{bad}<img src=x onerror=alert(1)><h1"
    )
    return text.replace("</p>", '</p><svg onload="alert(2)"></svg>', 1)


def _nested(text: str, article: Article) -> str:
    return text.replace("<p>", "<div>" * 20_000 + "<p>", 1)


def _unclosed(text: str, article: Article) -> str:
    for tag in ("</p>", "</div>", "</h1>", "</li>", "</ul>", "</body>", "</html>"):
        text = text.replace(tag, "")
    return text + "<b><i><table><tr><td"


def _attribute(text: str, article: Article) -> str:
    return text.replace("<h1", f'<img alt="{"a" * 200_000}" src="x"><h1', 1)


def _brackets(text: str, article: Article) -> str:
    return text.replace("</p>", "</p>" + "<" * 300_000, 1)


def _bidi(text: str, article: Article) -> str:
    return (
        text.replace("the ", "the \u202e\u202c")
        .replace(" and ", " a\u200bnd\u2066\u2069 ", 1)
        .replace("<p>", "<p>\ufeff\u202a", 1)
    )


def _nul(text: str, article: Article) -> str:
    return text.replace("</p>", "\0\0\x01\x0b</p>").replace("<h1", "\0<h1").replace("<title>", "<title>\0\x1b[31m")


def _script_text(text: str, article: Article) -> str:
    code = "<script>var a = '</script>'; document.write('<p>lost</p>'); //</script><![CDATA[<p>odd]]><!-- <!-- -->"
    shown = "<p>He once wrote &lt;/script&gt; on the door to keep the apprentices out.</p>"
    return text.replace("</h1>", "</h1>" + code).replace("</p>", "</p>" + shown, 1)


def _entities(text: str, article: Article) -> str:
    bad = '<p><a href="javascript:alert(document.cookie)">&nosuch; &#x110000; &#0; &amp;amp; &#xD800; &copy</a></p>'
    return text.replace("</h1>", f"</h1>{bad}").replace(
        "</p>", f' <a href="JaVa&#x0A;ScRiPt:alert(1)">more</a> &</p>{bad}', 1
    )


_ATTACKS: dict[str, Callable[[str, Article], str]] = {
    "script_in_title": _script_in_title,
    "20000_nested_elements": _nested,
    "unclosed_tags": _unclosed,
    "attribute_of_200000_characters": _attribute,
    "300000_angle_brackets": _brackets,
    "bidi_overrides_and_zero_width": _bidi,
    "nul_and_control_characters": _nul,
    "script_end_inside_string": _script_text,
    "broken_entities_and_javascript_links": _entities,
}

_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)
_PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
_PLACES = "Amber Birch Cedar Dune Elm Fern Glen Heath Isle Juniper Kelp Larch Moss North Oak Pine Quay Reed Stone Tarn"
_GOODS = ("boats", "tents", "clocks")


def odd_pages() -> list[tuple[Page, dict[str, object]]]:
    """Responses that are no prose at all, each with its answer."""
    links = "".join(f'<li><a href="/{p.lower()}/{g}">{p} {g}</a></li>' for p in _PLACES.split() for g in _GOODS)
    menu = "".join(
        f'<div class="menu"><a href="/{n}">{html.escape(p)}</a></div>' for n, p in enumerate(_PLACES.split() * 8)
    )
    link_list = f"<html><head><title>Links</title></head><body><h1>Links</h1><ul>{links}</ul></body></html>"
    shell = f"<html><head><title>Portal</title></head><body>{menu}<p>Updated daily.</p>{menu}</body></html>"
    gone = (
        "<html><body><h1>Not found</h1><p>"
        + "The page that you asked for has moved and we do not know where to. " * 9
        + "</p></body></html>"
    )
    noise = bytes(place * place * 7 % 251 for place in range(6000))
    doomed = [
        "no_text",
        "too_few_words",
        "language_unsure",
        "language_not_kept",
        "too_few_stop_words",
        "too_many_bullets",
        "top_ngram",
        "duplicate_ngrams",
        "duplicate_lines",
        "duplicate_line_characters",
    ]
    date = "2026-02-28"
    return [
        (Page("https://links.example/all.html", date, link_list.encode()), _odd("link_list", reasons=doomed)),
        (Page("https://portal.example/start.html", date, shell.encode()), _odd("boilerplate", reasons=doomed)),
        (Page("https://odd.example/empty.html", date, b""), _odd("empty_page", reason="empty_body")),
        (Page("https://odd.example/dot.png", date, _PNG, "image/png"), _odd("image", reason="not_html")),
        (Page("https://odd.example/form.pdf", date, _PDF, "application/pdf"), _odd("pdf", reason="not_html")),
        (
            Page("https://odd.example/gone.html", date, gone.encode(), status="404 Not Found"),
            _odd("http_error", reason="http_error"),
        ),
        (
            Page(
                "https://odd.example/broken.html",
                date,
                b"<html><body><p>Server error.</p></body></html>",
                status="500 Error",
            ),
            _odd("http_error", reason="http_error"),
        ),
        (Page("https://odd.example/noise.html", date, noise), _odd("noise", reason="undecodable")),
        (
            Page(
                "https://odd.example/bomb.html",
                date,
                gzip.compress(bytes(4 << 20), 9, mtime=0),
                headers=("Content-Encoding: gzip",),
            ),
            _odd("decompression_bomb", reason="decompression_bomb"),
        ),
        (Page("https://odd.example/again.html", date, b"", revisit=True), _odd("revisit", reason="revisit")),
    ]


def unwanted_pages(articles: dict[str, Article]) -> list[tuple[Page, dict[str, object]]]:
    """Good pages whose owners, hosts or addresses say that they are not to be used; they leave before they are read."""
    made = []
    for slug, host, reason, head, headers in UNWANTED:
        article = dataclasses.replace(articles[slug], host=host)
        page, charset = encoded(article)
        body = page.body.replace(b"<title>", f"{head}\n<title>".encode(charset))
        made.append((dataclasses.replace(page, body=body, headers=headers), _odd("unwanted", reason=reason)))
    return made


# Hosts on lists, for `lists/` in the samples.
OPTED_OUT = ("closed.example.org",)
BLOCKED = ("lucky-wheel.example",)

# slug of the article it shows, host, reason, what stands in its head, header fields of the response
UNWANTED: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    ("tide-mill", "garden.example.org", "opted_out_by_meta", '<META content="NoAI, max-snippet:20" name=robots>', ()),
    ("peat-bog", "garden.example.org", "opted_out_by_meta", '<meta name="tdm-reservation" content="1"/>', ()),
    ("rear-wheel", "sheds.example", "opted_out_by_header", "", ("X-Robots-Tag: noai, noimageai",)),
    ("ferry-battery", "sheds.example", "opted_out_by_header", "", ("TDM-Reservation: 1",)),
    ("lentil-soup", "www.closed.example.org", "opted_out_by_list", "", ()),
    ("stone-bridge", "play.lucky-wheel.example", "blocked_domain", "", ()),
    ("steel-kettle", "free-porn-videos.example", "blocked_word", "", ()),
    ("market-hall", "casino-poker.example", "blocked_soft_words", "", ()),
)


def _odd(kind: str, **expected: object) -> dict[str, object]:
    return {"language": "en", "kind": kind, "good": False, **expected}
