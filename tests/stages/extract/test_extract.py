from __future__ import annotations

import gzip
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from datapipe.text import clean
from stages.extract import METADATA, STAGE, Config
from stages.extract._trafilatura import without_bars
from tests.real.scoring import f1

ENGINES = ["trafilatura", "justext", "resiliparse"]
PARAGRAPHS = [
    (
        "The committee met on Tuesday to talk about the bridge that has been closed since the flood in spring, and it "
        "was clear from the start that the money which the town had set aside for it would not be enough by far."
    ),
    (
        "Several of those who live on the other side of the river have asked for a ferry, but the harbour master told "
        "the meeting that there was no boat to be had before the end of the year, and that a pontoon was cheaper."
    ),
    (
        "In the end it was agreed that the engineers should look at the piers again, and that the town would write to "
        "the ministry for help with the costs; the next meeting is to be held in the school at the end of the month."
    ),
]
MENU = '<ul class="menu">' + "".join(f'<li><a href="/{i}">Section {i}</a></li>' for i in range(12)) + "</ul>"


def page(body: str, head: str = "<title>A  bridge &amp; a\n ferry</title>") -> str:
    article = "".join(f"<p>{paragraph}</p>" for paragraph in body.split("\n"))
    return (
        f"<!DOCTYPE html><html><head>{head}</head><body><nav>{MENU}</nav><article><h1>The bridge</h1>{article}"
        f'</article><footer class="footer"><a href="/imprint">Imprint</a> <a href="/terms">Terms</a></footer>'
        "</body></html>"
    )


PAGE = page("\n".join(PARAGRAPHS))


def process(bodies: list[bytes | None], kinds: list[str | None] | None = None, **options: Any) -> pa.RecordBatch:
    batch = pa.record_batch(
        {
            "html": pa.array(bodies, pa.large_binary()),
            "content_type": pa.array(kinds or ["text/html"] * len(bodies), pa.string()),
        }
    )
    return STAGE.process(batch, Config(**options), None)


def one(body: str | bytes, kind: str | None = "text/html", **options: Any) -> dict[str, Any]:
    data = body if isinstance(body, bytes) else body.encode()
    found: dict[str, Any] = process([data], [kind], **options).to_pylist()[0]
    return found


def reasons(batch: pa.RecordBatch, **options: Any) -> list[str | None]:
    assert STAGE.decide is not None
    return STAGE.decide(batch.select(STAGE.decides_for(Config())), Config(**options)).to_pylist()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_article_is_kept_and_what_stands_around_it_is_not(engine: str) -> None:
    found = one(PAGE, engine=engine)
    assert all(paragraph in found["text"] for paragraph in PARAGRAPHS)
    assert "Section 3" not in found["text"]
    assert "Imprint" not in found["text"]
    assert found["characters"] == len(found["text"])
    assert found["title"] == "A bridge & a ferry"
    assert found["charset"] == "utf-8"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("body", ["", " \n", "<!-- nothing -->", "<html></html>", "<html><body></body></html>", "<p>"])
def test_a_page_without_content_leaves_as_no_text(engine: str, body: str) -> None:
    found = process([body.encode(), None], engine=engine)
    assert found["text"].to_pylist() == ["", ""]
    assert reasons(found) == ["no_text", "no_text"]


def test_binary_data_leave_as_undecodable() -> None:
    found = process([b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, PAGE.encode()])
    assert found["text"].is_null().to_pylist() == [True, False]
    assert found["charset"].to_pylist() == [None, "utf-8"]
    assert reasons(found) == ["undecodable", None]


def test_the_least_length_is_inclusive_and_decided_afterwards() -> None:
    found = process([b"12345", b"1234"], ["text/plain"] * 2)
    assert reasons(found, min_characters=5) == [None, "no_text"]
    assert reasons(found, min_characters=None) == [None, None]


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/plain; charset=utf-8", "Text/Plain;charset=UTF-8", "application/json"]
)
def test_plain_text_passes_through(kind: str) -> None:
    text = "Menu\nnot <b>markup</b>\n\nlast line"
    found = one(f"  {text}\r\n", kind)
    assert found == {"text": text, "charset": "utf-8", "characters": len(text), "title": None}


@pytest.mark.parametrize(
    ("charset", "kind", "head"),
    [
        ("gbk", "text/html; charset=gb2312", ""),
        ("gbk", 'text/html; Charset="GBK"', ""),
        ("gbk", "text/html", '<meta charset="gb2312">'),
        ("utf-8", "text/html", '<meta charset="gb2312">'),
        ("utf-16", "text/html", ""),
        ("utf-8-sig", None, ""),
    ],
)
def test_charsets_are_taken_from_where_they_are_declared(charset: str, kind: str | None, head: str) -> None:
    paragraph = "委员会星期二开会讨论了春天洪水以来一直关闭的桥梁，从一开始就很清楚，镇里为此留出的钱远远不够。" * 3
    found = one(page(paragraph, head + "<title>桥</title>").encode(charset), kind)
    assert paragraph in found["text"]
    assert found["title"] == "桥"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_declaration_of_xml_does_not_decode_a_second_time(engine: str) -> None:
    text = "Die Brücke über den Fluss ist seit dem Frühjahr gesperrt, und das Geld für den Bau reicht nicht aus. " * 3
    body = '<?xml version="1.0" encoding="iso-8859-1"?>\n' + page(text)
    assert "Brücke über" in one(body, "text/html; charset=utf-8", engine=engine)["text"]


def test_text_is_composed_and_free_of_controls() -> None:
    assert clean("  e\u0301\x00a\r\nb\rc\td\x0be\x85f\u2028g\u2029h\ud800\x1b \n") == "éa\nb\nc\td\ne\nf\ng\nh"
    assert clean("already clean") == "already clean"
    found = one("a\x01e\u0301\r\n" + "b" * 100, "text/plain")
    assert found["text"] == "aé\n" + "b" * 100
    assert found["characters"] == 103


@pytest.mark.parametrize(
    ("markup", "title"),
    [
        ("<TITLE lang=en>A\n&quot;b&quot;</TITLE>", 'A "b"'),
        ("<title> </title>", None),
        ("<title>never closed", None),
        ("<titles>no</titles>", None),
        ("<p>no title</p>", None),
    ],
)
def test_the_title_is_one_line_of_text(markup: str, title: str | None) -> None:
    assert one(markup)["title"] == title


def test_metadata_are_found_on_request_and_do_not_depend_on_the_day() -> None:
    head = (
        '<title>Bridge</title><meta name="author" content="Ada Smith">'
        '<meta property="article:published_time" content="2091-03-05T10:00:00Z">'
    )
    found = one(page("\n".join(PARAGRAPHS), head), metadata="full")
    assert (found["author"], found["date"]) == ("Ada Smith", "2091-03-05")
    assert found["title"]


def test_metadata_are_composed_on_one_line_and_free_of_controls() -> None:
    head = '<title>t</title><meta property="og:title" content="Cafe\u0301\x01 of\n the  bridge">'
    assert one(page("\n".join(PARAGRAPHS), head), metadata="full")["title"] == "Café of the bridge"
    assert one("<title>Cafe\u0301\x85\x01 b</title>")["title"] == "Café b"


@pytest.mark.parametrize(
    ("written", "mended"),
    [
        ("The townâ€™s bridge â€“ itâ€™s shut", "The town’s bridge – it’s shut"),
        ("The townâ\x80\x99s bridge", "The town’s bridge"),
        ("cafÃ© and naÃ¯ve", "café and naïve"),
        ("“curly” ﬁne &amp; Ｆｕｌｌ，宽", "“curly” ﬁne &amp; Ｆｕｌｌ，宽"),
        ("Ça coûte 5 €, à Noël", "Ça coûte 5 €, à Noël"),
    ],
)
def test_text_decoded_wrongly_is_mended_on_request_and_nothing_else(written: str, mended: str) -> None:
    found = one(written, "text/plain; charset=utf-8", ftfy=True)
    assert (found["text"], found["characters"]) == (mended, len(mended))
    assert one(f"<title>{written.replace('&', '&amp;')}</title>", ftfy=True)["title"] == mended
    assert one(written, "text/plain; charset=utf-8")["text"] == clean(written)


@pytest.mark.parametrize(
    ("options", "key", "message"),
    [
        ({"engine": "justext", "mode": "fast"}, "mode", "justext has no modes"),
        ({"engine": "resiliparse", "mode": "recall"}, "mode", "resiliparse has no modes"),
        ({"engine": "justext", "comments": False}, "comments", "cannot tell comments apart"),
    ],
)
def test_what_an_engine_cannot_do_is_refused(options: dict[str, Any], key: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        Config(**options)
    assert [error["loc"] for error in caught.value.errors()] == [(key,)]


def test_what_every_engine_can_do_is_accepted_with_all_defaults_written_out() -> None:
    for engine in ENGINES:
        config = Config.model_validate({"engine": engine, "format": "markdown"})
        assert Config(**config.model_dump()) == config
    assert Config(mode="precision", comments=False, engine="trafilatura")
    assert Config(engine="resiliparse", comments=False)


def test_plain_text_is_not_made_into_markdown() -> None:
    assert one("# a_b_\n* c", "text/plain", format="markdown")["text"] == "# a_b_\n* c"


@pytest.mark.parametrize("metadata", METADATA)
def test_columns_are_those_declared(metadata: Any) -> None:
    config = Config(metadata=metadata)
    assert process([PAGE.encode(), b"", None], metadata=metadata).schema == STAGE.adds_for(config)
    assert process([], metadata=metadata).schema == STAGE.adds_for(config)


def test_trafilatura_forgets_each_page() -> None:
    """Its own deduplication gave texts of 350, 350, 350, 0, 0, 0 characters for a page met six times."""
    repeated = page("\n".join(PARAGRAPHS * 3)).encode()
    found = process([repeated] * 6)["text"].to_pylist()
    assert len(set(found)) == 1
    assert found[0]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_cut_into_batches_changes_nothing(engine: str) -> None:
    bodies = [PAGE.encode(), b"", page(PARAGRAPHS[0]).encode("utf-16"), b"\x00\xff" * 50, PAGE[:500].encode()]
    whole = process([*bodies], engine=engine).to_pylist()
    assert whole == [process([body], engine=engine).to_pylist()[0] for body in bodies]
    assert whole[::-1] == process([*reversed(bodies)], engine=engine).to_pylist()


def test_trafilatura_s_modes_differ() -> None:
    comments = (
        '<div id="comments"><p>I have never liked that bridge, and I say so as one who has to cross it.</p></div>'
    )
    body = PAGE.replace("</article>", "</article>" + comments)
    texts = {mode: one(body, mode=mode)["text"] for mode in ("balanced", "precision", "recall", "fast")}
    assert all(PARAGRAPHS[0] in text for text in texts.values())
    assert "never liked" in one(body, comments=True)["text"]
    assert "never liked" not in one(body, comments=False)["text"]


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        process([b"<html></html>", b"<p>x</p>"])
    assert not caplog.records


def test_only_the_engine_asked_for_is_imported() -> None:
    code = (
        "import sys; from stages.extract import STAGE, Config; import pyarrow as pa\n"
        "batch = pa.record_batch({'html': pa.array([b'<p>x</p>'], pa.large_binary()),"
        " 'content_type': pa.array([None], pa.string())})\n"
        "STAGE.process(batch, Config(engine='resiliparse'), None)\n"
        "assert not {'trafilatura', 'justext', 'numba'} & set(sys.modules)"
    )
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=60)


@pytest.mark.parametrize(("engine", "floor"), [("trafilatura", 0.8), ("justext", 0.6), ("resiliparse", 0.7)])
def test_real_pages(real_data: Path, engine: str, floor: float) -> None:
    folder = real_data / "extract-wcxb"
    with gzip.open(folder / "gold.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["page_type"] == "article"][:8]
    bodies: list[bytes | None] = [
        gzip.decompress((folder / "html" / f"{row['id']}.html.gz").read_bytes()) for row in rows
    ]
    texts = process(bodies, engine=engine)["text"].to_pylist()
    scores = [f1(text or "", row["main_content"]) for text, row in zip(texts, rows, strict=True)]
    assert sum(scores) / len(scores) >= floor


def test_markup_that_breaks_the_search_for_a_date_costs_no_text() -> None:
    sentence = "<p>This is a sentence of the text, number 1, and it is long enough to count as main content here.</p>"
    page = f"<!-- c --><svg><template></template>{sentence * 6}"
    found = one(page, "text/html", engine="resiliparse", metadata="full")
    assert "This is a sentence" in found["text"]
    assert (found["author"], found["date"]) == (None, None)


def test_paragraphs_in_the_cells_of_a_table_end_as_they_do_elsewhere() -> None:
    rows = "".join(f"<tr><td></td><td>{text}</td><td> </td></tr>" for text in PARAGRAPHS)
    laid_out = f"<html><body><table>{rows}<tr><td>town</td><td>cost</td></tr></table></body></html>"
    plain, marked = (
        str(process([laid_out.encode()], engine="trafilatura", format=form)["text"][0]) for form in ("text", "markdown")
    )
    assert plain.split("\n") == [*PARAGRAPHS, "town | cost"]
    assert "|" in marked.split("\n")[0]


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("| a sentence. |", "a sentence."),
        ("one\n| | two |  | three | \n| |  |\nfour", "one\ntwo | three\nfour"),
        ("|", "|"),
        ("| otherwise = x\nx | y", "| otherwise = x\nx | y"),
        ("a | b |", "a | b |"),
    ],
)
def test_only_whole_rows_lose_their_bars(text: str, without: str) -> None:
    assert without_bars(text).rstrip("\n") == without
