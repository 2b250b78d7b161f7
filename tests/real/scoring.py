r"""How well text is extracted: real pages with known text, scores, and the texts by engine, bare and through a run.

Word-bag F1 is taken over the lower-cased \w+ tokens of a page and averaged over pages; where words have no spaces
between them, over characters. Snippets are looked for without regard to case and space.
"""

from __future__ import annotations

import gzip
import json
import re
import statistics
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import eldc
import justext
import pyarrow.parquet as pq
import trafilatura
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding

from stages.extract._justext import LISTS

ROOT = Path(__file__).parents[2]
eldc.init()
WORD = re.compile(r"\w+")
ENGINES = ("trafilatura", "justext", "resiliparse")


class Page(NamedTuple):
    """A page and what should be found in it. `file` is its name as `read.html` tells it."""

    path: Path
    file: str
    kind: str
    gold: str
    keep: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()

    def html(self) -> bytes:
        """Its bytes."""
        return gzip.decompress(self.path.read_bytes())


# ---------------------------------------------------------------------------------------------- sets


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def wcxb(data: Path, count: int | None = None) -> list[Page]:
    """Pages of 7 types with reviewed text; `count` of them are those whose ids hash lowest."""
    folder = data / "extract-wcxb"
    rows = sorted(_rows(folder / "gold.jsonl.gz"), key=lambda row: zlib.crc32(row["id"].encode()))[:count]
    return [
        Page(
            folder / "html" / f"{row['id']}.html.gz",
            f"{row['id']}.html.gz",
            row["page_type"],
            row["main_content"],
            tuple(row["with"] or ()),
            tuple(row["without"] or ()),
        )
        for row in rows
    ]


def chinese(data: Path) -> list[Page]:
    """Chinese pages with hand-copied text, most of them in GBK."""
    folder = data / "extract-zh"
    rows = _rows(folder / "gold.jsonl.gz")
    return [
        Page(folder / "html" / f"{row['id']}.html.gz", f"{row['id']}.html.gz", "article", row["text"]) for row in rows
    ]


def readability(data: Path) -> list[Page]:
    """Pages with what Readability finds in them: its own reviewed output, so good against changes, not as gold."""
    pages = []
    for path in sorted((data / "extract-readability").glob("*/source.html.gz")):
        expected = gzip.decompress((path.parent / "expected.html.gz").read_bytes()).decode()
        text = extract_plain_text(expected, preserve_formatting=True, main_content=False, alt_texts=False)
        pages.append(Page(path, f"{path.parent.name}/source.html.gz", "article", text))
    return pages


# ---------------------------------------------------------------------------------------------- scores


def words(text: str) -> list[str]:
    """Lower-cased words."""
    return WORD.findall(text.lower())


def characters(text: str) -> list[str]:
    """Characters but for space."""
    return list("".join(text.split()))


def f1(found: str, gold: str, tokens: Callable[[str], list[str]] = words) -> float:
    """F1 of two bags of tokens; two empty bags are equal."""
    a, b = Counter(tokens(found)), Counter(tokens(gold))
    if not a or not b:
        return float(a == b)
    return 2 * (a & b).total() / (a.total() + b.total())


def share_found(text: str, snippets: Iterable[str]) -> float | None:
    """Share of the snippets that stand in a text; None without snippets."""
    within = "".join(text.lower().split())
    hits = ["".join(snippet.lower().split()) in within for snippet in snippets]
    return statistics.fmean(hits) if hits else None


class Scores(NamedTuple):
    """Means over pages."""

    f1: float
    by_kind: dict[str, float]
    kept: float
    leaked: float


def score(pages: list[Page], texts: dict[str, str], tokens: Callable[[str], list[str]] = words) -> Scores:
    """Scores of the texts, which are by file; a page without one has none."""
    each = [f1(texts.get(page.file, ""), page.gold, tokens) for page in pages]
    kinds = sorted({page.kind for page in pages})
    by_kind = {
        kind: statistics.fmean(value for value, page in zip(each, pages, strict=True) if page.kind == kind)
        for kind in kinds
    }
    kept = [share_found(texts.get(page.file, ""), page.keep) for page in pages]
    leaked = [share_found(texts.get(page.file, ""), page.leave) for page in pages]
    return Scores(statistics.fmean(each), by_kind, _mean(kept), _mean(leaked))


def _mean(values: list[float | None]) -> float:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else float("nan")


# ---------------------------------------------------------------------------------------------- texts


def _bare_trafilatura(html: bytes, _: str) -> str:
    return trafilatura.extract(html) or ""


def _bare_justext(html: bytes, language: str) -> str:
    """It must be told the language; for one without stop words its authors advise to turn their thresholds off."""
    stop_words = justext.get_stoplist(LISTS[language]) if language in LISTS else frozenset()
    limits = {} if stop_words else {"stopwords_low": 0, "stopwords_high": 0}
    paragraphs = justext.justext(html, stop_words, **limits)
    return "\n".join(paragraph.text for paragraph in paragraphs if not paragraph.is_boilerplate)


def _bare_resiliparse(html: bytes, _: str) -> str:
    text = bytes_to_str(html, detect_encoding(html) or "utf-8")
    return extract_plain_text(text, preserve_formatting=True, main_content=True, alt_texts=False, comments=True)


BARE = {"trafilatura": _bare_trafilatura, "justext": _bare_justext, "resiliparse": _bare_resiliparse}


def bare(page: Page, engine: str) -> str:
    """What an engine finds when it is called by itself, with its own decoding and the language of the known text."""
    return BARE[engine](page.html(), eldc.detect(page.gold[:1000]) if engine == "justext" else "")


class Outcome(NamedTuple):
    """What a run made of the pages: texts of those kept, reasons of those that left, by file, and how many came in.

    Documents of an archive are told apart by their place in it.
    """

    texts: dict[str, str]
    reasons: dict[str, str]
    documents: int


def through_a_run(folder: Path, source: str, stages: dict[str, str]) -> dict[str, Outcome]:
    """Run `datapipe run` with a source and some stages on it (options of each in YAML), all from the source."""
    lines = [f"run: {folder / 'run'}", "stages:", f"  pages: {{{source}}}"]
    lines += [f"  {name}: {{{options}, from: pages}}" for name, options in stages.items()]
    (folder / "recipe.yaml").write_text("\n".join(lines), encoding="utf-8")
    command = [sys.executable, "-m", "datapipe", "run", str(folder / "recipe.yaml"), "--local"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name: _outcome(folder / "run", name) for name in stages}


def _outcome(run: Path, name: str) -> Outcome:
    texts: dict[str, str] = {}
    reasons: dict[str, str] = {}
    documents = 0
    for base in sorted((run / "pages").glob("*-[0-9][0-9][0-9][0-9].parquet")):
        keys = [
            f"{file}#{record}" if record else file
            for file, record in zip(*pq.read_table(base, columns=["file", "record"]).to_pydict().values(), strict=True)
        ]
        documents += len(keys)
        layer = run / name / base.name
        found = pq.read_table(layer, columns=["row", "text"]).to_pydict()
        texts |= {keys[row]: text for row, text in zip(found["row"], found["text"], strict=True) if text}
        for file in (base, layer):
            left = pq.read_table(file.with_suffix(".reasons.parquet")).to_pydict()
            rows = left.get("row", range(len(keys)))
            reasons |= {keys[row]: reason for row, reason in zip(rows, left["reason"], strict=True) if reason}
    return Outcome(texts, reasons, documents)
