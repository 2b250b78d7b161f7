"""Read the hand-written texts: a header line `=== slug | kind | host | …` and a small Markdown."""

import dataclasses
import json
import re
from pathlib import Path

CONTENT = Path(__file__).parent / "content"
LANGUAGES = ("en", "zh", "de", "fr", "es", "ja", "ru")
ARTICLE_FILES = ("en_press", "en_home", "zh", "de", "fr", "es", "ja", "ru", "other")

_MARK = re.compile(r"\{(qa|q|cnid|repeat|glue):([^{}]*)\}")
_CHECK_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"


@dataclasses.dataclass(frozen=True)
class Item:
    """One benchmark question; `options` is empty for short answers."""

    id: str
    category: str
    question: str
    options: tuple[str, ...]
    answer: str

    @property
    def language(self) -> str:
        """Two-letter code, the id's first part."""
        return self.id.split("-")[0]


@dataclasses.dataclass(frozen=True)
class Article:
    """One text; `fields` are the planted facts from the header's last part."""

    slug: str
    kind: str
    host: str
    title: str
    author: str
    date: str
    language: str
    fields: dict[str, str]
    body: str

    @property
    def url(self) -> str:
        """The address that the page is served from."""
        return f"https://{self.host}/{self.kind.replace('_', '-')}/{self.slug}.html"

    @property
    def blocks(self) -> list[str]:
        """Paragraphs, headings, list points, posts and code, in order."""
        blocks: list[list[str]] = [[]]
        in_code = False
        for line in self.body.split("\n"):
            fence = line.startswith("```")
            if (fence and not in_code) or (not in_code and (not line.strip() or line.startswith(("## ", "- ", "@")))):
                blocks.append([])
            if line.strip() or in_code:
                blocks[-1].append(line)
            if fence and in_code:
                blocks.append([])
            in_code ^= fence
        return ["\n".join(block) for block in blocks if block]


def read_items() -> list[Item]:
    """The benchmark: 40 English and 20 Chinese items."""
    items = []
    for line in (CONTENT / "benchmark.txt").read_text(encoding="utf-8").splitlines():
        name, category, question, options, answer = (part.strip() for part in line.split("|"))
        items.append(Item(name, category, question, tuple(o.strip() for o in options.split(";") if o.strip()), answer))
    return items


def read_articles(stem: str, items: dict[str, Item]) -> list[Article]:
    """All texts of one content file, with marks such as `{qa:en-01}` filled in."""
    articles = []
    for chunk in re.split(r"^=== ", (CONTENT / f"{stem}.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        header, body = chunk.split("\n", 1)
        slug, kind, host, title, author, date, *rest = (part.strip() for part in header.split("|"))
        fields = dict(pair.strip().split("=", 1) for pair in rest[0].split(";")) if rest else {}
        language = fields.pop("lang", stem.split("_", maxsplit=1)[0])
        body = _MARK.sub(lambda mark: _fill(mark[1], mark[2], items), body.strip())
        articles.append(Article(slug, kind, host, title, author, date, language, fields, body))
    return articles


def read_words() -> dict[str, dict[str, object]]:
    """The words of the site frames, by language."""
    words: dict[str, dict[str, object]] = json.loads((CONTENT / "words.json").read_text(encoding="utf-8"))
    return words


def question_text(item: Item, *, answered: bool) -> str:
    """The item as people quote it: question, options, and the answer if `answered`."""
    chinese = item.language == "zh"
    letters = [f"{letter}. {option}" for letter, option in zip("ABCD", item.options, strict=False)]
    parts = [item.question, *letters]
    if answered:
        parts.append(f"答案：{item.answer}。" if chinese else f"Answer: {item.answer}.")
    return " ".join(parts)


def _fill(mark: str, value: str, items: dict[str, Item]) -> str:
    if mark in {"q", "qa"}:
        return question_text(items[value], answered=mark == "qa")
    if mark == "cnid":
        return value + _check_digit(value)
    if mark == "glue":
        return " ".join(f"getIdentifierDescription{chr(97 + n % 26)}FromRegistryEntry" for n in range(int(value)))
    times, text = value.split(":", 1)
    return "\n\n".join([text] * int(times))


def _check_digit(digits: str) -> str:
    """Last character of an 18-place Chinese resident id (GB 11643-1999)."""
    return _CHECK_DIGITS[sum(int(d) * w for d, w in zip(digits, _CHECK_WEIGHTS, strict=True)) % 11]
