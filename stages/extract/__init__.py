"""Turn pages into plain text: the main content, without menus, advertisements and markup.

A page is decoded once (byte order mark, HTTP charset, <meta>, detection) and handed to one of three engines as a
string. A page in no charset leaves as `undecodable`, one without content as `no_text`. Plain text and JSON (records
of WET and WAT files) pass through decoded. All text is NFC, with line feeds and tabs as its only control characters.

Word-bag F1 on 300 real pages of 7 types, 314 KB each (tests/benchmarks/extract_f1.py): trafilatura .843, its `fast`
.808; justext .703; resiliparse .789. Readers' comments change little there.
Costs, CPU time as a ratio to a bare loop of `trafilatura.extract`, in turn on the same pages: trafilatura 1.00
(15 pages/s on a busy core), `fast` .69, justext .51, resiliparse .09 (168 pages/s), .12 as Markdown, .14 with ftfy.
Reading the pages from a WARC file and decoding them: 1.5%.
`metadata: title` takes the page's <title> and costs next to nothing; `full` also looks for author and date and costs
half of trafilatura's time again. Dates are not held against today's: a page must give the same answer tomorrow.
Source: trafilatura (Barbaresi 2021), jusText (Pomikalek 2011), resiliparse (Bevendorff et al. 2018).
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa
from pydantic import ValidationInfo, field_validator

from datapipe.stage import Map, StageConfig, below, decide, first_of, measure
from datapipe.text import UndecodableText, clean, decode_html

UNDECODABLE = "undecodable"
NO_TEXT = "no_text"

CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([^\s;\"']+)", re.IGNORECASE)
AS_IT_IS = ("text/plain", "application/json")  # records of WET and WAT files
TITLE = re.compile(r"<title\b[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
TITLE_WITHIN = 1 << 17  # characters from the page's start; some pages begin with long scripts


class Config(StageConfig):
    """Which engine finds the text, and what else is looked for."""

    engine: Literal["trafilatura", "justext", "resiliparse"] = measure("trafilatura", "what finds the main content")
    mode: Literal["balanced", "precision", "recall", "fast"] = measure(
        "balanced", "of trafilatura: less but surer text, more text, or half the time"
    )
    comments: bool = measure(True, "keep readers' comments below articles; justext cannot tell them apart")
    format: Literal["text", "markdown"] = measure(
        "text", "plain text, or Markdown: headings, lists, code and tables (of tables, justext keeps the cells alone)"
    )
    ftfy: bool = measure(False, "mend text that was once decoded wrongly (â€™ for ’), at 3 ms a page")
    metadata: Literal["none", "title", "full"] = measure("title", "title alone, or title, author and date")
    min_characters: int | None = decide(1, "characters of text; pages with fewer leave as no_text", ge=1)

    @field_validator("mode")
    @classmethod
    def _has_modes(cls, mode: str, info: ValidationInfo) -> str:
        engine = info.data.get("engine", "trafilatura")
        if engine != "trafilatura" and mode != "balanced":
            raise ValueError(f"{engine} has no modes: leave `mode` out, or write `engine: trafilatura`")
        return mode

    @field_validator("comments")
    @classmethod
    def _knows_comments(cls, comments: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        if info.data.get("engine") == "justext" and not comments:
            raise ValueError("justext cannot tell comments apart: leave `comments` out, or choose another engine")
        return comments


class Page(NamedTuple):
    """What is found in a page."""

    text: str | None = None
    charset: str | None = None
    title: str | None = None
    author: str | None = None
    date: str | None = None


METADATA = {"none": (), "title": ("title",), "full": ("title", "author", "date")}


def adds(config: Config) -> pa.Schema:
    """Text and measures, and the metadata asked for."""
    fields: list[tuple[str, pa.DataType]] = [
        ("text", pa.large_string()),
        ("charset", pa.string()),
        ("characters", pa.int32()),
    ]
    fields += [(name, pa.string()) for name in METADATA[config.metadata]]
    return pa.schema(fields)


def libraries(config: Config) -> tuple[str, ...]:
    """The engine and what it parses with."""
    used = {
        "trafilatura": ("trafilatura", "justext", "lxml"),
        "justext": ("justext", "lxml", "eldc"),
        "resiliparse": (),
    }
    full = ("trafilatura", "htmldate", "lxml") if config.metadata == "full" else ()
    mending = ("ftfy",) if config.ftfy else ()
    return tuple(dict.fromkeys((*used[config.engine], *full, *mending, "resiliparse")))  # which also detects charsets


@cache
def _engine(name: str) -> Any:
    """The module that wraps an engine; the others are never imported."""
    return import_module(f"stages.extract._{name}")


@cache
def _mender() -> Callable[[str], str]:
    """The repair of wrongly decoded text by ftfy, without its changes of taste (quotes, ligatures, wide characters)."""
    from ftfy import TextFixerConfig, fix_text  # noqa: PLC0415 - most recipes do without

    config = TextFixerConfig(
        unescape_html=False, uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False, explain=False
    )
    return lambda text: fix_text(text, config)


def finished(text: str, config: Config) -> str:
    """Text as it is stored; mended first, because C1 controls tell how it was decoded."""
    return clean(_mender()(text) if config.ftfy else text)


def title_of(page: str) -> str | None:
    """The page's <title>, as it is written there."""
    found = TITLE.search(page, 0, TITLE_WITHIN)
    return html.unescape(found[1]) if found else None


def extract(data: bytes, content_type: str | None, config: Config) -> Page:
    """Text and metadata of one page; no text if it cannot be decoded."""
    declared = CHARSET.search(content_type or "")
    try:
        page, charset = decode_html(data, declared[1] if declared else None)
    except UndecodableText:
        return Page()
    if (content_type or "").lstrip().lower().startswith(AS_IT_IS):
        return Page(finished(page, config), charset)
    markdown = config.format == "markdown"
    text = _engine(config.engine).main_text(page, mode=config.mode, comments=config.comments, markdown=markdown)
    full = _engine("metadata").metadata(page) if config.metadata == "full" else {}
    known = full or {"title": title_of(page)}
    lines = {name: " ".join(finished(value or "", config).split()) or None for name, value in known.items()}
    return Page(finished(text, config), charset, **lines)


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Text, charset and length of each page, and its metadata."""
    _engine(config.engine)  # an import that also a batch without rows makes, when a worker gets ready
    types = batch["content_type"].to_pylist()
    # Buffers, not values: a page is copied once, when it is decoded.
    bodies = (value.as_buffer() for value in batch["html"])
    pages = [
        Page("") if body is None else extract(body.to_pybytes(), kind, config)
        for body, kind in zip(bodies, types, strict=True)
    ]
    schema = adds(config)
    found = {name: [getattr(page, name) for page in pages] for name in Page._fields}
    found["characters"] = [None if page.text is None else len(page.text) for page in pages]
    return pa.RecordBatch.from_arrays([pa.array(found[field.name], field.type) for field in schema], schema=schema)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Which pages could not be read, and which say nothing."""
    characters = measured["characters"]
    undecodable = characters.is_null().to_numpy(zero_copy_only=False)
    return first_of((undecodable, UNDECODABLE), (below(characters, config.min_characters), NO_TEXT))


STAGE = Map(
    name="extract",
    version=4,
    config=Config,
    reads=("html", "content_type"),
    adds=adds,
    coded=("charset",),
    reasons={UNDECODABLE: "the bytes are text in no known charset", NO_TEXT: "no main content of min_characters"},
    libraries=libraries,
    process=process,
    decide=decide_reasons,
    decides=("characters",),
    guarded=True,
)
