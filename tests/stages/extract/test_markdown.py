"""Markdown from each engine, and text that comes back out of it as it went in."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from stages.extract import Config, extract
from stages.extract._markdown import Block, escape, markdown
from stages.extract._resiliparse import _Reader
from tests.stages.extract.test_extract import PARAGRAPHS, page

ENGINES = ["trafilatura", "justext", "resiliparse"]
READER = MarkdownIt("commonmark").enable("table")
BODY = f"""
<p>{PARAGRAPHS[0]}</p>
<h2>Why it is late</h2>
<p>{PARAGRAPHS[1]}</p>
<ol><li>The engineers look at the piers of the bridge again, and at what the flood has left of the road to it.</li>
<li>The town writes to the ministry for help with the costs, and to the county for the use of its own pontoon.</li></ol>
<pre>def toll(boat):
    # in pence
    return 3 * boat

print(toll(`2`))</pre>
<p>{PARAGRAPHS[2]}</p>
"""
CODE = "def toll(boat):\n    # in pence\n    return 3 * boat\n\nprint(toll(`2`))"
TABLE = (
    "<table><tr><th>Pier of the bridge</th><th>Depth in metres</th></tr><tr><td>The first of them, by the town</td>"
    "<td>3 | 4</td></tr><tr><td>The second, by the meadow</td><td>5_a_</td></tr></table>"
)


def text_of(body: str, engine: str) -> str:
    markup = page("").replace("<p></p>", body)
    return (
        extract(markup.encode(), "text/html", Config.model_validate({"engine": engine, "format": "markdown"})).text
        or ""
    )


def contents(tokens: list[Token]) -> str:
    """What a reader sees: inline text, a line break for a break."""
    children = [child for token in tokens for child in token.children or [token]]
    return "".join("\n" if child.type in {"softbreak", "hardbreak"} else child.content for child in children)


@pytest.mark.parametrize("engine", ENGINES)
def test_headings_lists_and_code_are_marked(engine: str) -> None:
    tokens = READER.parse(text_of(BODY, engine))
    kinds = [token.tag or token.type for token in tokens if token.nesting >= 0 and token.type != "inline"]
    assert kinds.count("h1") == kinds.count("h2") == kinds.count("ol") == kinds.count("code") == 1
    assert kinds.count("li") == 2
    heading = next(index for index, token in enumerate(tokens) if token.tag == "h2")
    assert tokens[heading + 1].content == "Why it is late"
    fence = next(token for token in tokens if token.type == "fence")
    without_blank = CODE.replace("\n\n", "\n")  # trafilatura takes blank lines out
    assert fence.content.rstrip("\n") == (without_blank if engine == "trafilatura" else CODE)


@pytest.mark.parametrize("engine", ["trafilatura", "resiliparse"])
def test_a_table_is_a_table(engine: str) -> None:
    html = READER.render(text_of(BODY + TABLE + f"<p>{PARAGRAPHS[0]}</p>", engine))
    cells = re.findall(r"<t[hd]>(.*?)</t[hd]>", html)
    assert cells == [
        "Pier of the bridge", "Depth in metres", "The first of them, by the town", "3 | 4",
        "The second, by the meadow", "5_a_",
    ]  # fmt: skip


def test_justext_keeps_the_cells_of_a_table_as_paragraphs() -> None:
    cells = [
        f"The {name} pier of the bridge is the one that the town has to mend before all." for name in ("1st", "2nd")
    ]
    table = "<table>" + "".join(f"<tr><td>{cell}</td></tr>" for cell in cells) + "</table>"
    html = READER.render(text_of(BODY + table + f"<p>{PARAGRAPHS[0]}</p>", "justext"))
    assert all(f"<p>{cell}</p>" in html for cell in cells)


@pytest.mark.parametrize("engine", ["justext", "resiliparse"])
def test_lists_stand_inside_lists(engine: str) -> None:
    inner = "".join(
        f"<li>The {n} thing that the town has to do before the winter is about the road.</li>" for n in "ab"
    )
    outer = f"<ol><li>The first of all that the town has to do this year is about money.<ol>{inner}</ol></li></ol>"
    html = READER.render(text_of(BODY + outer + f"<p>{PARAGRAPHS[0]}</p>", engine))
    inside = html[html.rindex("</pre>") :]
    assert re.search(r"<li>.*about money.\s*<ol>(\s*<li>.*about the road.</li>){2}\s*</ol>", inside, re.DOTALL)


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([Block("heading", "A\nb", 3)], "### A b"),
        ([Block("item", "a", 1), Block("item", "b", 1)], "- a\n- b"),
        ([Block("item", "a", 1, 9), Block("item", "b", 2), Block("paragraph", "c", 2)], "9. a\n    - b\n\n        c"),
        ([Block("code", "a\n\n  b"), Block("code", "```")], "```\na\n\n  b\n```\n\n````\n```\n````"),
        ([Block("item", "a", 1), Block("code", "x\ny", 1)], "- a\n\n    ```\n    x\n    y\n    ```"),
        ([Block("row", "a\tb|c"), Block("row", "d")], "| a | b\\|c |\n| --- | --- |\n| d |  |"),
        ([Block("row", "a\tb"), Block("paragraph", "c")], "a b\n\nc"),
        ([Block("paragraph", " "), Block("paragraph", "# c  \n\n1. d\n---")], "\\# c\n1\\. d\n\\---"),
        ([], ""),
    ],
)
def test_blocks_are_written_so(blocks: list[Block], expected: str) -> None:
    assert markdown(blocks) == expected


@pytest.mark.parametrize(
    "text",
    [
        "3 * 4 = 12 and snake_case_name", "https://a.example/x_y?a=1&b=2#c", "C:\\dir", "a < b > c", "[1] and (2)",
        "e-mail: a@b.example", "AT&T", "# no", "50% ~ 60", "don't!", "2024 was", "- 1",
    ],
)  # fmt: skip
def test_what_is_no_markup_is_not_escaped_but_at_the_start_of_a_line(text: str) -> None:
    assert escape(f"x {text}") == f"x {text}"


@given(st.text(st.sampled_from("ab1 *_`~[]()<>!&;#=-+.:\\|\"'\n\té中/x"), max_size=40).map(str.strip))
def test_a_paragraph_reads_as_the_text_it_was(text: str) -> None:
    lines = "\n".join(" ".join(line.split()) for line in text.split("\n") if line.strip())
    tokens = READER.parse(markdown([Block("paragraph", lines)]))
    assert [token.type for token in tokens if token.nesting == 1] == ["paragraph_open"] * bool(lines)
    assert contents(tokens) == lines


TAGS = [f"<{end}{tag}>" for tag in ("h2", "p", "ul", "ol", "li", "pre") for end in ("", "/")] + ["<br>\n", "\t\t", "\n"]


@given(st.lists(st.sampled_from(TAGS) | st.integers(0, 99).map("w{}".format)))
def test_whatever_is_open_or_never_closed_no_word_is_lost(pieces: list[str]) -> None:
    markup = " ".join(pieces)
    found = re.findall(r"w\d+", markdown(_Reader().blocks(markup)))
    assert found == [piece for piece in pieces if piece.startswith("w")]


@given(st.lists(st.text(st.sampled_from("ab *_`<|\\1.-\n"), max_size=12), min_size=1, max_size=4))
def test_code_reads_as_it_was(lines: list[str]) -> None:
    code = "\n".join(["x", *lines, "y"])
    (fence,) = READER.parse(markdown([Block("code", code)]))
    assert fence.content == code + "\n"
