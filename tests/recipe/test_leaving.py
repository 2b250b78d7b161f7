"""Behind a stage that covers columns no Sink writes text as it came; columns are followed through the graph."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from datapipe.errors import RecipeError
from datapipe.recipe import load_recipe
from datapipe.recipe.leaving import holds_text
from datapipe.registry import Registry
from datapipe.schema import CODES, COLUMNS

REGISTRY = Registry(Path(__file__).parent / "stages_dir")
HEAD = """\
run: runs/x
stages:
  pages: {use: read.toy, paths: [a], source: web}
  text: {use: body}
"""


def problems(folder: Path, below: str) -> list[tuple[str, str]]:
    """Message and remedy of each problem of a recipe."""
    path = folder / "r.yaml"
    path.write_text(HEAD + "\n".join(f"  {line}" for line in below.strip().splitlines()) + "\n", encoding="utf-8")
    try:
        load_recipe(path, REGISTRY)
    except RecipeError as error:
        return [(problem.message, problem.remedy) for problem in error.problems]
    return []


# what stands below `text`, and what is said; nothing where the recipe is sound
SOUND = {
    "without a cover all is written": "out: {use: write.files}",
    "covered columns and codes": """
        safe: {use: hush}
        out: {use: write.files, columns: [id, source, text, url, safe.places]}""",
    "what is made of covered text": """
        safe: {use: hush}
        tongue: {use: filter.tongue}
        words: {use: says}
        parts: {use: cut}
        out: {use: write.files, columns: [text, language, words.words]}""",
    "files parted by a code": "safe: {use: hush}\nout: {use: write.files, columns: [text], by: source}",
    "a branch beside the cover": "safe: {use: hush}\nout: {use: write.files, from: text, columns: [url, text]}",
    "the name of the file, covered": "safe: {use: hush, hides: [file]}\nout: {use: write.files, columns: [file]}",
    "a second cover adds to the first": """
        safe: {use: hush, hides: [text]}
        safer: {use: hush, hides: [url]}
        out: {use: write.files, columns: [text, url]}""",
}
REFUSED: dict[str, tuple[str, list[str], str]] = {
    "a column that is not named": (
        "safe: {use: hush, hides: [url]}\nout: {use: write.files, columns: [url, text]}",
        ["would write `text` as it came: 'safe' does not cover it"],
        "add `text` to `hides` of 'safe', or leave `text` out of what is written",
    ),
    "several, and the name of the file": (
        "safe: {use: hush, hides: [title]}\nout: {use: write.files, columns: [url, file, title]}",
        ["would write `url`, `file` as they came: 'safe' does not cover them"],
        "add `url`, `file` to `hides` of 'safe'",
    ),
    "the column that parts files": (
        "safe: {use: hush, hides: [text]}\nout: {use: write.files, columns: [text], by: url}",
        ["would write `url` as it came: 'safe' does not cover it"],
        "leave `url` out",
    ),
    "the page itself": (
        "safe: {use: hush}\nout: {use: write.files, columns: [html]}",
        ["would write `html` as it came: 'safe' does not cover it"],
        "leave `html` out",
    ),
    "strings of a stage above": (
        "words: {use: says}\nsafe: {use: hush}\nout: {use: write.files, columns: [words.words]}",
        ["would write `words.words` as it came: 'safe' does not cover it"],
        "make `words.words` below 'safe'",
    ),
    "text taken from the page again": (
        "safe: {use: hush}\nagain: {use: body}\nout: {use: write.files, columns: [text]}",
        ["would write `text` as it came: 'again' makes it of `html`"],
        "see that all pass 'safe'",
    ),
    "what is made of that, and its parts": (
        "safe: {use: hush}\nagain: {use: body}\nparts: {use: cut}\nout: {use: write.files, columns: [text]}",
        ["would write `text` as it came: 'parts' makes it of `text`"],
        "see that all pass 'safe'",
    ),
    "a cover of some documents": (
        """
        tongue: {use: filter.tongue}
        safe: {use: hush, where: "language == 'en'"}
        out: {use: write.files, columns: [text]}""",
        ["would write `text` as it came: 'safe' passes documents by, as its `where` says"],
        "see that all pass 'safe'",
    ),
    "documents that come round the cover": (
        """
        safe: {use: hush}
        lines: {use: read.lines, from: [], paths: [b.txt], source: lines}
        out: {use: write.files, from: [safe, lines], columns: [text]}""",
        ["would write `text` as it came: documents from 'lines' do not come through 'safe'"],
        "see that all pass 'safe'",
    ),
    "strings of the cover that are not declared to be codes": (
        "safe: {use: hush, hides: [url]}\nout: {use: write.files, columns: [safe.first]}",
        ["would write `safe.first` as it came: 'safe' does not cover it"],
        "leave `safe.first` out",
    ),
}


@pytest.mark.parametrize("below", SOUND.values(), ids=list(SOUND))
def test_what_may_be_written(tmp_path: Path, below: str) -> None:
    assert problems(tmp_path, "\n".join(line.strip() for line in below.strip().splitlines())) == []


@pytest.mark.parametrize(("below", "said", "remedy"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_refused_is_named_with_why_and_remedy(tmp_path: Path, below: str, said: list[str], remedy: str) -> None:
    found = problems(tmp_path, "\n".join(line.strip() for line in below.strip().splitlines()))
    assert [message for message, _ in found] == said
    assert all(remedy in each for _, each in found)


@pytest.mark.parametrize(
    ("kind", "held"),
    [
        (pa.string(), True),
        (pa.large_binary(), True),
        (pa.list_(pa.struct([("a", pa.int8()), ("b", pa.large_string())])), True),
        (pa.map_(pa.string(), pa.int8()), True),
        (pa.struct([("a", pa.list_(pa.bool_()))]), False),
        (pa.float32(), False),
        (pa.dictionary(pa.int8(), pa.string()), True),
    ],
)
def test_strings_are_found_wherever_they_are(kind: pa.DataType, *, held: bool) -> None:
    assert holds_text("x.y", kind) is held


def test_codes_are_columns_of_strings_and_tokens_count_as_text() -> None:
    assert {COLUMNS[name] for name in CODES} == {pa.string()}
    assert holds_text("tokens", COLUMNS["tokens"])
    assert not holds_text("x.tokens", COLUMNS["tokens"])
