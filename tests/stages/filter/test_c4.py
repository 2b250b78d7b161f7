"""filter.c4: each rule at, below and above its threshold, in English and Chinese."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from stages.filter.c4 import STAGE, Config

FIVE = "One two three. Four five six. Seven eight nine. Ten eleven twelve. Thirteen fourteen fifteen."
WU = "今天天气很好。我们去公园。那里有花。孩子很高兴。天黑才回家。"


def judged(text: str, **options: Any) -> tuple[str | None, str]:
    config = Config(**options)
    batch = pa.RecordBatch.from_pydict({"text": pa.array([text], pa.large_string())})
    measured = STAGE.process(batch, config, None)
    assert STAGE.decide is not None
    columns = measured.select(list(STAGE.decides_for(config)))
    return STAGE.decide(columns, config)[0].as_py(), measured["text"][0].as_py()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (FIVE, None),
        (FIVE.replace(" Ten eleven twelve.", ""), "too_few_sentences"),
        (WU, None),
        (WU.replace("那里有花。", ""), "too_few_sentences"),
        (f"{FIVE}\nLorem Ipsum", "lorem_ipsum"),
        (f"{FIVE}\nlorem  ipsum", None),
        (f"{FIVE}\nint main() {{", "curly_bracket"),
        (f"{FIVE}\nint main() }}", None),
        (f"lorem ipsum {{ {FIVE}", "lorem_ipsum"),  # the first rule that fails
        ("", "too_few_sentences"),
    ],
)
def test_documents_leave(text: str, reason: str | None) -> None:
    assert judged(text)[0] == reason


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("One two three.", True),
        ("One two.", False),
        ("One two three", False),
        ("One two three...", False),
        ("One two three\u2026", True),
        ('He said "one two three"', True),
        ("One (two three.)", True),
        ("One (two three)", False),
        ("天气好。", True),
        ("好。", False),
        ("天气好", False),
        ("他说：「天气好」", True),
        ("Please enable JavaScript to go on.", False),
        ("Please enable javascripts to go on.", False),
        ("Read our Terms of Use here.", False),
        ("Read our terms of users here.", False),
        ("Read our terms of it here.", True),
        ("请阅读我们的隐私政策。", False),
        (f"one two {'x' * 1000} three.", True),
        (f"one two {'x' * 1001} three.", False),
    ],
)
def test_lines_are_kept_or_cut(line: str, kept: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert judged(f"{FIVE}\n  {line}\n{WU}")[1] == "\n".join([FIVE, *([line] if kept else []), WU])


def test_marks_of_citations_are_taken_out() -> None:
    assert judged("One two three.[12] Four[3] five [edit] six.[citation needed]")[1] == (
        "One two three. Four five  six."
    )


def test_rules_can_be_left_out() -> None:
    options = {"terminal": False, "lorem_ipsum": False, "curly_bracket": False, "min_sentences": None, "policies": ()}
    text = "Lorem ipsum {x}\nour privacy policy now\na b"
    assert judged(text, **options) == (None, "Lorem ipsum {x}\nour privacy policy now")
    assert judged(text, **options, min_words_per_line=0, max_word_characters=None) == (None, text)
