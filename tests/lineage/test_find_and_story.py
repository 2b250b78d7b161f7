"""The story of a document says what each stage measured and decided, from the stored layers alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from datapipe.lineage import Chapter, find, nearest, story
from datapipe.run.context import Context
from tests.lineage.conftest import opened
from tests.run.workbench import Workbench, stages, text_of


def url(file: int, line: int) -> str:
    return f"http://lines.example/f{file}.txt/{line}"


def upper(file: int, line: int) -> str:
    """As the toy stage writes it: one character for one, unlike Python."""
    return text_of(file, line).replace("ß", "ẞ").upper()


def of_words(words: int) -> tuple[int, int]:
    """The first document of so many words."""
    return next((f, n) for f in range(2) for n in range(20) if n != 7 and len(text_of(f, n).split()) == words)


def chapters(context: Context, key: str) -> dict[str, Chapter]:
    (place,) = find(context, key)
    return {chapter.stage: chapter for chapter in story(context, place).chapters}


def test_a_document_is_found_by_url_and_by_id(context: Context) -> None:
    (by_url,) = find(context, url(2, 5))
    (by_id,) = find(context, by_url.id)
    assert by_id == by_url
    assert by_url.row == 5


def test_an_unknown_key_finds_nothing_and_names_what_is_near(context: Context) -> None:
    assert find(context, "http://lines.example/f2.txt") == []
    near = nearest(context, "https://www.lines.example/f2.txt/?q=1")
    assert [place.url for place in near] == [url(2, 0), url(2, 1), url(2, 2)]
    (whole,) = find(context, url(2, 5))
    assert [place.id for place in nearest(context, whole.id[:10])] == [whole.id]
    assert nearest(context, "no") == []


def test_a_document_that_left_has_its_reason_its_measure_and_the_threshold(context: Context) -> None:
    file, line = of_words(1)
    told = chapters(context, url(file, line))
    assert list(told) == ["docs", "count"]
    count = told["count"]
    assert (count.outcome, count.reason, count.meaning) == ("left", "too_short", "the text has too few words")
    (words,) = count.measures
    assert (words.name, words.value, words.thresholds) == ("words", 1, ("min_words 3",))


def test_a_kept_document_passes_every_stage_with_its_text_before_and_after(context: Context) -> None:
    file, line = of_words(6)
    told = chapters(context, url(file, line))
    assert [chapter.outcome for chapter in told.values()] == ["read", "kept", "kept", "kept", "kept"]
    assert told["upper"].text == (text_of(file, line), upper(file, line))
    assert told["docs"].text == (None, text_of(file, line))
    assert told["count"].text is None


def test_of_a_group_the_survivor_is_named_with_its_url(context: Context) -> None:
    copies = {key: chapters(context, key)["unique"] for key in (url(1, 3), url(3, 3))}
    left = [chapter for chapter in copies.values() if chapter.outcome == "left"]
    kept = [key for key, chapter in copies.items() if chapter.outcome == "kept"]
    assert len(left) == len(kept) == 1
    assert left[0].survivor is not None
    assert left[0].survivor.url == kept[0]


def test_a_damaged_record_has_the_meaning_of_the_framework(context: Context) -> None:
    told = chapters(context, url(0, 7))
    assert list(told) == ["docs"]
    assert told["docs"].meaning == "the record could not be read"


def test_a_story_is_told_when_the_input_is_gone_and_the_run_was_moved(told: Workbench, tmp_path: Path) -> None:
    shutil.copytree(told.folder / "run", tmp_path / "moved")
    recipe = (tmp_path / "moved/recipe.yaml").read_text().replace(str(told.input), str(tmp_path / "nothing"))
    (tmp_path / "moved/recipe.yaml").write_text(recipe)
    moved = opened(tmp_path / "moved")
    file, line = of_words(6)
    assert chapters(moved, url(file, line))["upper"].text == (None, upper(file, line))


def test_a_stage_that_is_not_done_ends_the_story(bench: Workbench) -> None:
    bench.run("run", only=["docs"])
    bench.run("run", only=["count"])
    file, line = of_words(6)
    told = chapters(opened(bench.folder / "run"), url(file, line))
    assert [chapter.outcome for chapter in told.values()] == ["read", "kept", "not done"]


def test_a_stage_that_does_not_apply_passes_a_document_by(bench: Workbench) -> None:
    made = stages()
    made["again"]["where"] = "count.words > 4"
    bench.run("run", made)
    file, line = of_words(4)
    told = chapters(opened(bench.folder / "run"), url(file, line))
    assert (told["again"].outcome, told["again"].meaning) == ("passed", "count.words > 4")


def test_a_child_is_told_after_its_parent(bench: Workbench) -> None:
    made = {"docs": stages()["docs"], "words": {"use": "toy.words"}, "count": {"use": "toy.count", "min_words": 1}}
    bench.run("run", made)
    context = opened(bench.folder / "run")
    (parent,) = find(context, url(0, 1))
    (child,) = find(context, f"{parent.id}#0")
    told = story(context, child)
    assert told.parent is not None
    assert [chapter.outcome for chapter in told.parent.chapters] == ["read", "expanded"]
    assert [(chapter.stage, chapter.outcome) for chapter in told.chapters] == [("words", "made"), ("count", "kept")]


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path).fill(files=2)


def test_every_document_has_the_reason_that_its_layer_holds(context: Context, told: Workbench) -> None:
    folder = told.folder / "run"
    for path in sorted((folder / "again").glob("*.reasons.parquet")):
        stored = pq.read_table(path).to_pylist()
        base = pq.read_table(folder / "docs" / path.name.replace(".reasons", "")).column("url").to_pylist()
        for row in stored[:5]:
            assert chapters(context, base[row["row"]])["again"].reason == row["reason"]
