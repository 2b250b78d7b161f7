"""The engine jusText: paragraphs are kept by length, links and the share of stop words.

It needs the page's language before it judges; `lang` attributes are often wrong, so the longest paragraphs are
looked at. For languages without a list of stop words (Chinese, Japanese, Thai, ...) length and links decide alone, as
its authors advise, with lengths divided by three where characters are words (a choice of ours: on 25 Chinese
pages it takes F1 from .55 to .81).
Its paragraphs know which tags they stand in, so Markdown has headings, lists and code; the cells of a table are
paragraphs.
Costs: see the stage; half of it is lxml's cleaner.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from functools import cache

import eldc
import justext
from justext import core
from justext.paragraph import Paragraph
from justext.utils import is_blank
from lxml.etree import ParserError

from stages.extract import _markdown
from stages.extract._markdown import Block

logging.getLogger("justext").setLevel(logging.CRITICAL)

LISTS = {
    "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian", "bg": "Bulgarian", "ca": "Catalan", "cs": "Czech",
    "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian", "eu": "Basque",
    "fa": "Persian", "fi": "Finnish", "fr": "French", "gu": "Gujarati", "he": "Hebrew", "hi": "Hindi",
    "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian", "is": "Icelandic", "it": "Italian", "ka": "Georgian",
    "kn": "Kannada", "ko": "Korean", "ku": "Kurdish", "lt": "Lithuanian", "lv": "Latvian", "ml": "Malayalam",
    "mr": "Marathi", "ms": "Malay", "nl": "Dutch", "no": "Norwegian_Bokmal", "pl": "Polish", "pt": "Portuguese",
    "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sq": "Albanian", "sr": "Serbian",
    "sv": "Swedish", "ta": "Tamil", "te": "Telugu", "tl": "Tagalog", "tr": "Turkish", "uk": "Ukrainian",
    "bn": "Bengali", "ur": "Urdu", "vi": "Vietnamese", "yo": "Yoruba",
}  # fmt: skip
UNSPACED = frozenset({"ja", "lo", "th", "zh"})
DENSER = 3
_HEADING = re.compile(r"\bh([1-6])\b")
_ITEM = re.compile(r"^(.*/(ul|ol)\[\d+\].*/li\[(\d+)\])(.*)$")
LOOKED_AT = 1_000  # characters of the longest paragraphs; the detector reads as many bytes


@cache
def _stop_words(language: str) -> frozenset[str]:
    available = justext.get_stoplists()
    name = LISTS.get(language)
    return justext.get_stoplist(name) if name in available else frozenset()


@cache
def _start() -> None:
    eldc.init()


class _Paragraph(Paragraph):  # type: ignore[misc]  # justext has no types
    """A paragraph that also keeps its text as it was written, for code."""

    def __init__(self, path: object) -> None:
        super().__init__(path)
        self.written: list[str] = []

    def append_text(self, text: str) -> str:
        self.written.append("\n" if text == " " else text)  # blank text does not come here: it is a line break
        return str(super().append_text(text))


class _Maker(core.ParagraphMaker):  # type: ignore[misc]  # justext has no types
    """Makes such paragraphs; both methods have the names that their callers in justext and xml.sax use."""

    paragraph: _Paragraph | None

    def _start_new_pragraph(self) -> None:
        if self.paragraph and self.paragraph.contains_text():
            self.paragraphs.append(self.paragraph)
        self.paragraph = _Paragraph(self.path)

    def characters(self, content: str) -> None:
        if self.paragraph and is_blank(content):
            self.paragraph.written.append(content)
        super().characters(content)


def _blocks(paragraphs: Iterable[_Paragraph]) -> Iterator[Block]:
    """What each paragraph is, by the tags it stands in."""
    item = ""  # the item that the last paragraph stood in
    for paragraph in paragraphs:
        tags = paragraph.dom_path.split(".")
        found = _ITEM.match(paragraph.xpath)
        depth = sum(tag in {"ul", "ol"} for tag in tags) if found else 0
        starts_item = found is not None and found[1] != item
        item = found[1] if found else ""
        if "pre" in tags:
            yield Block("code", "".join(paragraph.written).strip("\n"), depth)
        elif heading := _HEADING.search(paragraph.dom_path):
            yield Block("heading", paragraph.text, int(heading[1]))
        elif found and starts_item:
            yield Block("item", paragraph.text, depth, int(found[3]) if found[2] == "ol" else None)
        else:
            yield Block("paragraph", paragraph.text, depth)


def main_text(page: str, *, mode: str, comments: bool, markdown: bool) -> str:
    """The main content of a page as plain text, a paragraph a line, or as Markdown."""
    try:
        tree = core.html_to_dom(page)
    except ParserError:  # nothing but comments or space
        return ""
    paragraphs = (_Maker if markdown else core.ParagraphMaker).make_paragraphs(core.preprocessor(tree))
    _start()
    longest = "\n".join(sorted((paragraph.text for paragraph in paragraphs), key=len, reverse=True)[:20])
    language = eldc.detect(longest[:LOOKED_AT].replace("\0", " "))
    stop_words = _stop_words(language)
    denser = DENSER if language in UNSPACED else 1
    core.classify_paragraphs(
        paragraphs,
        stop_words,
        length_low=core.LENGTH_LOW_DEFAULT // denser,
        length_high=core.LENGTH_HIGH_DEFAULT // denser,
        stopwords_low=core.STOPWORDS_LOW_DEFAULT if stop_words else 0,
        stopwords_high=core.STOPWORDS_HIGH_DEFAULT if stop_words else 0,
    )
    core.revise_paragraph_classification(paragraphs)
    good = [paragraph for paragraph in paragraphs if not paragraph.is_boilerplate]
    return _markdown.markdown(_blocks(good)) if markdown else "\n".join(paragraph.text for paragraph in good)
