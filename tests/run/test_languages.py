"""A changed language file costs what it changed: thresholds decide anew, stop words measure anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datapipe.corpus.record import Record
from datapipe.errors import InputError
from datapipe.lineage import Document, try_out
from datapipe.registry import Registry
from datapipe.run.reopen import reopen
from datapipe.run.standing import run_state
from datapipe.run.what_if import what_if
from tests.run.workbench import Done, Workbench, differences

FILE = """
name: Finnish
scripts: Latn
segmenter: spaces
stop_words: ja on ei
thresholds: {filter.gopher: {max_mean_word_length: 12, min_words: 4}}
record: {stop_words: made up, thresholds: made up}
"""
SHORT, LONG = "talo ja katu on iso", "rautatieasema ja lentokenttä on rakennettava"  # 3, 8 letters a word
TEXTS = [("fi", SHORT), ("fi", LONG), ("sv", SHORT), (None, SHORT), ("fi", "ja on")]


@pytest.fixture
def finnish(tmp_path: Path) -> Path:
    rows = [{"text": text, "language": code} for code, text in TEXTS]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    file = tmp_path / "own" / "fi.yaml"
    file.parent.mkdir()
    file.write_text(FILE, encoding="utf-8")
    return file


def chain(folder: Path, **options: Any) -> dict[str, dict[str, Any]]:
    quality = {"use": "filter.gopher", "languages": str(folder / "own"), **options}
    return {
        "docs": {"use": "read.jsonl", "paths": [str(folder / "in.jsonl")], "source": "lines"},
        "quality": quality,
    }


def measured_now(old: dict[str, Record], after: Done) -> int:
    """Documents that the last run measured: the sum over the records that it wrote."""
    return sum(r.work.processed for r in after.records("quality").values() if old.get(r.shard) != r)


def test_a_changed_threshold_decides_anew_and_a_changed_word_measures_anew(tmp_path: Path, finnish: Path) -> None:
    bench = Workbench(tmp_path)
    made = chain(tmp_path)
    first = bench.run("run", made)
    assert measured_now({}, first) == len(TEXTS)
    assert first.dropped("quality") == {"too_few_words": 3}  # two under 50, one under the 4 of Finnish
    old = first.records("quality")

    finnish.write_text(FILE.replace("12", "5"), encoding="utf-8")
    states = {state.name: state.causes for state in run_state(bench.recipe("run", made))}
    assert states["quality"] == ("decided with other settings or data files",)
    second = bench.run("run", made)
    assert second.dropped("quality") == {"too_few_words": 3, "word_length": 1}
    assert measured_now(old, second) == 0
    assert differences(bench.run("fresh", made).folder, second.folder) == []

    finnish.write_text(FILE.replace("12", "5").replace("ja on ei", "se on ei"), encoding="utf-8")
    third = bench.run("run", made)
    assert measured_now(old, third) == len(TEXTS)
    assert third.dropped("quality") == {"too_few_words": 3, "word_length": 1, "too_few_stop_words": 1}


def test_a_recipe_written_out_means_the_same(tmp_path: Path, finnish: Path) -> None:
    made = chain(tmp_path, min_words=4)
    done = Workbench(tmp_path).run("run", made)
    again = reopen(str(done.folder), Registry()).recipe.nodes["quality"]
    assert again.config == done.context.recipe.nodes["quality"].config
    assert again.config.model_dump()["max_mean_word_length"] == "by_language"


def test_what_if_sets_a_number_for_all_languages(tmp_path: Path, finnish: Path) -> None:
    done = Workbench(tmp_path).run("run", chain(tmp_path))
    effect = what_if(reopen(str(done.folder), Registry()), "quality", ["min_words=2"], Registry())
    assert effect.changes == ("min_words: by_language -> 2",)
    # Swedish does not know `ja` and `on`; `ja on` has two letters a word.
    assert effect.reasons == {"too_few_words": (3, 0), "too_few_stop_words": (0, 1), "word_length": (0, 1)}


@pytest.mark.parametrize(
    ("options", "bounds"),
    [
        ({}, ("min_mean_word_length 3", "max_mean_word_length 12 for fi")),
        ({"max_mean_word_length": 9}, ("min_mean_word_length 3", "max_mean_word_length 9.0")),
        ({"max_mean_word_length": None}, ("min_mean_word_length 3", "max_mean_word_length off")),
    ],
)
def test_try_shows_the_threshold_that_the_document_met(
    tmp_path: Path, finnish: Path, options: dict[str, Any], bounds: tuple[str, ...]
) -> None:
    made = chain(tmp_path, **options)
    made = {"docs": made["docs"], "language": {"use": "filter.language", "min_score": None}, "quality": made["quality"]}
    text = "Rautatieasema ja lentokenttä on rakennettava, koska se on kaupungin asukkaille tärkeä asia."
    trial = try_out(Workbench(tmp_path).recipe("run", made), Document("a.txt", text.encode()))
    measures = {measure.name: measure for measure in trial.chapters[-1].measures}
    assert measures["mean_word_length"].thresholds == bounds


def test_a_wrong_language_file_is_told_before_anything_runs(tmp_path: Path, finnish: Path) -> None:
    finnish.write_text(FILE.replace("max_mean_word_length", "max_meen_word_length"), encoding="utf-8")
    with pytest.raises(InputError, match=r"'fi' gives filter\.gopher max_meen_word_length"):
        Workbench(tmp_path).run("run", chain(tmp_path))
    assert not list(tmp_path.glob("run/quality/*.parquet"))
