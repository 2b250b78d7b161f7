"""Write `samples/`: a small authored web, conversations and a benchmark, with the answers.

    python -m tests.samples.build            rewrites samples/
    python -m tests.samples.build FOLDER     writes the same files elsewhere

Every text was written for this project; people, firms, numbers and addresses in them are invented or are
numbers set aside for tests, and hosts are reserved names. `samples/answers.jsonl` says what must happen:

- one row per web response: `url`, `file`, `language`, `kind`, and `good`: true = the quickstart must keep it,
  false = it must leave, with `reason` or one of `reasons`; null = not fixed (spam in fluent prose, attacks).
  Of a `duplicate_of` pair exactly one page survives; the row names the copy as the one that leaves, which is
  so where the first page in file order survives. `contains` must stand in a good page's text, `lacks` must not.
  The languages to keep are en, zh, de, fr, es, ja, ru; pages in others say `language_not_kept`.
- pages of `kind` unwanted show good articles, but their heads, header fields, hosts or addresses keep them out;
- facts for later stages: `near_duplicate_of`, `personal_data`, `toxic`, `leaks`, `hostile`, `charset`; `cut` stands in
  the page's text, and elsewhere too, so that it must be gone in the end; `templated` pages of a host were filled into one template;
- one row per conversation: `id`, `file`, `line` (from 1), `form`, `language`, `good`, `broken`, `leaks`;
- one row per benchmark item: `id`, `leaked_into`.

The content stands in content/: texts as `=== slug | kind | host | title | author | date | planted facts`.
Members of the web files are gzip; another zlib may compress them to other bytes, so the test compares
what they hold.
"""

import json
import re
import sys
from pathlib import Path

from tests.samples import frames
from tests.samples.articles import ARTICLE_FILES, LANGUAGES, Article, Item, read_articles, read_items
from tests.samples.chats import Chat, read_chats
from tests.samples.planted import BLOCKED, CHARSETS, OPTED_OUT, copies, encoded, odd_pages, unwanted_pages
from tests.samples.warc import Page, exchange, file_info

SAMPLES = Path(__file__).parents[2] / "samples"
WEB_FILES = 4
Row = dict[str, object]
_PLANTED = re.compile(r"[0-9@?？]|Answer:|答案")


def build(folder: Path) -> None:
    """Write every sample file under `folder`."""
    items = read_items()
    web = _web_rows(items)
    chats = read_chats(items)
    for name in ("web", "lists", "chats", "benchmark"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _write_web(folder, web)
    for list_name, hosts in (("opted_out", OPTED_OUT), ("blocked_domains", BLOCKED)):
        about = "# source: written for the samples of datapipe\n# date: 2026-11-01\n"
        (folder / "lists" / f"{list_name}.txt").write_text(about + "".join(f"{host}\n" for host in hosts), "utf-8")
    chat_rows = _write_chats(folder, chats)
    _write_lines(folder / "benchmark" / "questions.jsonl", [_question(item) for item in items])
    page_rows = [row for _, row in web]
    _write_lines(folder / "answers.jsonl", [*page_rows, *chat_rows, *_item_rows(items, page_rows + chat_rows)])


def _web_rows(items: list[Item]) -> list[tuple[Page, Row]]:
    by_id = {item.id: item for item in items}
    articles = [a for stem in (*ARTICLE_FILES, "planted", "poor", "hostile") for a in read_articles(stem, by_id)]
    pages: list[tuple[Page, Row]] = []
    for article in articles:
        page, charset = encoded(article)
        pages.append((page, _answer(article, charset)))
    pages = [pair for start in range(WEB_FILES) for pair in pages[start::WEB_FILES]]
    for copy, facts in copies({a.slug: a for a in articles}):
        page, charset = encoded(copy)
        row = _answer(copy, charset) | facts
        if row["good"] is False:
            row.pop("contains", None), row.pop("lacks", None)
        pages.append((page, row))
    pages += [*unwanted_pages({a.slug: a for a in articles}), *odd_pages()]
    size = -(-len(pages) // WEB_FILES)
    return [(p, {"url": p.url, "file": f"web/crawl-{n // size:02}.warc.gz", **row}) for n, (p, row) in enumerate(pages)]


def _answer(article: Article, charset: str) -> Row:
    fields = article.fields
    row: Row = {"language": article.language, "kind": article.kind}
    if article.kind == "toxic":
        row["toxic"] = True
    if article.language not in LANGUAGES and "bad" not in fields:
        return row | {"good": False, "reason": "language_not_kept"}
    if "bad" in fields:
        return row | {"good": False, "reasons": fields["bad"].split(",")}
    row["good"] = None if "maybe" in fields else True
    if row["good"]:
        row |= {"contains": _snippet(article), "lacks": frames.lacks(article)}
    if article.slug in CHARSETS:
        row["charset"] = charset
    if "pii" in fields:
        pairs = [entry.split(":") for entry in fields["pii"].split(",")]
        row["personal_data"] = [{"type": kind, "description": text} for kind, text in pairs]
    if "leaks" in fields:
        row["leaks"] = _leaks(fields["leaks"])
        row |= {"good": False, "reasons": ["holds_input_output", "holds_input"]}
        row.pop("contains", None), row.pop("lacks", None)
    if "attack" in fields:
        row["hostile"] = fields["attack"]
    row |= {name: fields[name] for name in ("cut", "templated") if name in fields}
    return row


def _leaks(text: str) -> list[Row]:
    pairs = [entry.split(":") for entry in text.split(",")]
    return [{"item": item, "kind": kind} for item, kind in pairs]


def _snippet(article: Article) -> str:
    """Some words from the middle of the longest paragraph that holds no personal data and no benchmark item."""
    prose = [block for block in article.blocks if not block.startswith(("```", "##", "- "))]
    if article.kind in {"personal_data", "leak"}:
        prose = [block for block in prose if not _PLANTED.search(block[1:])]
    block = max(prose, key=len)
    text = block.partition(":")[2] if block.startswith("@") else block
    middle = len(text) // 2
    if article.language in {"zh", "ja"}:
        return text[middle : middle + 16].strip()
    start = text.index(" ", middle) + 1
    return " ".join(text[start:].split()[:6])


def _write_web(folder: Path, web: list[tuple[Page, Row]]) -> None:
    parts: dict[str, list[bytes]] = {}
    for number, (page, row) in enumerate(web):
        name = str(row["file"])
        part = parts.setdefault(name, [file_info(name.removeprefix("web/"))])
        part.append(exchange(page, with_request=number % 3 == 0, with_metadata=number % 5 == 0))
    for name, part in parts.items():
        (folder / name).write_bytes(b"".join(part))


def _write_chats(folder: Path, chats: list[Chat]) -> list[Row]:
    lines: dict[str, list[str]] = {}
    rows: list[Row] = []
    for chat in chats:
        file = f"chats/{chat.form}.jsonl"
        lines.setdefault(file, []).append(chat.line)
        row: Row = {"id": chat.id, "file": file, "line": len(lines[file]), "form": chat.form, "kind": "chat"}
        row |= {"language": chat.language, "good": chat.broken is None}
        row |= {"broken": chat.broken} if chat.broken else {}
        row |= {"leaks": _leaks(chat.leaks)} if chat.leaks else {}
        rows.append(row | chat.facts)
    for file, texts in lines.items():
        (folder / file).write_text("\n".join(texts) + "\n", encoding="utf-8", newline="\n")
    return rows


def _question(item: Item) -> Row:
    return {
        "id": item.id,
        "language": item.language,
        "category": item.category,
        "question": item.question,
        "options": list(item.options),
        "answer": item.answer,
    }


def _item_rows(items: list[Item], rows: list[Row]) -> list[Row]:
    places: dict[str, list[Row]] = {}
    for row in rows:
        leaks = row.get("leaks", [])
        assert isinstance(leaks, list)
        for leak in leaks:
            places.setdefault(leak["item"], []).append({"in": row.get("url", row.get("id")), "kind": leak["kind"]})
    return [
        {"id": item.id, "kind": "benchmark", "language": item.language, "leaked_into": places[item.id]}
        for item in items
        if item.id in places
    ]


def _write_lines(path: Path, rows: list[Row]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES)
