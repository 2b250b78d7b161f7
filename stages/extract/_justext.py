"""The engine jusText: paragraphs are kept by length, links and the share of stop words.

It needs the page's language before it judges; `lang` attributes are often wrong, so the longest paragraphs are
looked at. For languages without a list of stop words (Chinese, Japanese, Thai, ...) length and links decide alone, as
its authors advise, with lengths divided by three where characters are words (a choice of ours: on 25 Chinese
pages it takes F1 from .55 to .81).
Costs: see the stage; half of it is lxml's cleaner.
"""

from __future__ import annotations

import logging
from functools import cache

import eldc
import justext
from justext import core
from lxml.etree import ParserError

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
LOOKED_AT = 1_000  # characters of the longest paragraphs; the detector reads as many bytes


@cache
def _stop_words(language: str) -> frozenset[str]:
    available = justext.get_stoplists()
    name = LISTS.get(language)
    return justext.get_stoplist(name) if name in available else frozenset()


@cache
def _start() -> None:
    eldc.init()


def main_text(page: str, *, mode: str, comments: bool) -> str:
    """The main content of a page as plain text, a paragraph a line."""
    try:
        tree = core.html_to_dom(page)
    except ParserError:  # nothing but comments or space
        return ""
    paragraphs = core.ParagraphMaker.make_paragraphs(core.preprocessor(tree))
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
    return "\n".join(paragraph.text for paragraph in paragraphs if not paragraph.is_boilerplate)
