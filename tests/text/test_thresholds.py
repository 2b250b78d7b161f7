"""Thresholds by language: the recipe's own number, else the language file's, else the one declared for English."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from datapipe.errors import InputError
from datapipe.stage import StageConfig, above, below, decide, place
from datapipe.text.thresholds import (
    Number,
    Share,
    by_language,
    fitted_options,
    is_by_language,
    threshold_of,
    thresholds,
    thresholds_library,
)

FILE = (
    "{{name: Test, scripts: Latn, segmenter: spaces, thresholds: {{filter.toy: {}}}, record: {{thresholds: made up}}}}"
)


class Config(StageConfig):
    """Two options by language, one not."""

    max_length: Number = by_language(10, "characters")
    min_share: Share = by_language(0.5, "share", fit=False)
    other: int = decide(3, "something")
    languages: str | None = place(None, "folder")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "fi.yaml").write_text(FILE.format("{max_length: 14}"))
    (tmp_path / "hu.yaml").write_text(FILE.format("{max_length: off, min_share: 0.25}"))
    return str(tmp_path)


@pytest.mark.parametrize(
    ("options", "code", "length", "share"),
    [
        ({}, "fi", (14, True), (0.5, False)),
        ({}, "hu", (None, True), (0.25, True)),
        ({}, "de", (10, False), (0.5, False)),
        ({}, "xx", (10, False), (0.5, False)),
        ({}, None, (10, False), (0.5, False)),
        ({"max_length": 10}, "fi", (10, False), (0.5, False)),
        ({"max_length": None}, "fi", (None, False), (0.5, False)),
    ],
)
def test_the_recipe_goes_before_the_language_and_the_language_before_english(
    folder: str, options: dict[str, Any], code: str | None, length: tuple[Any, bool], share: tuple[Any, bool]
) -> None:
    config = Config(languages=folder, **options)
    assert threshold_of(config, "filter.toy", "max_length", code) == length
    assert threshold_of(config, "filter.toy", "min_share", code) == share
    again = Config.model_validate(json.loads(config.model_dump_json()))  # as a recipe with all defaults written out
    assert threshold_of(again, "filter.toy", "max_length", code) == length


def test_each_row_meets_the_threshold_of_its_language(folder: str) -> None:
    limit = thresholds(Config(languages=folder), "filter.toy", pa.array(["fi", "hu", "en", None, "fi"]))
    lengths = pa.array([14.0, 99.0, 11.0, 10.0, 14.5])
    assert above(lengths, limit("max_length")).tolist() == [False, False, True, False, True]
    shares = pa.array([0.3, 0.3, 0.3, None, 0.5])
    assert below(shares, limit("min_share")).tolist() == [True, False, True, False, False]


def test_one_number_is_enough_where_no_language_differs(folder: str) -> None:
    limit = thresholds(Config(languages=folder), "filter.toy", pa.array(["en", "de", None]))
    assert (limit("max_length"), limit("min_share")) == (10, 0.5)
    assert thresholds(Config(max_length=7), "filter.toy", pa.array(["fi"]))("max_length") == 7
    assert thresholds(Config(), "filter.toy", pa.array([], pa.string()))("max_length") == 10


def test_limits_of_an_option_hold_and_null_is_off() -> None:
    assert Config(min_share=None).min_share is None
    for wrong in (1.5, -1, "by_chance"):
        with pytest.raises(ValidationError):
            Config(min_share=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ("{max_lenght: 3}", "'fi' gives filter.toy max_lenght; it may give max_length, min_share"),
        ("{other: 3}", "'fi' gives filter.toy other"),
        ("{min_share: 2}", "'fi' sets filter.toy min_share to 2.0: Input should be less than or equal to 1"),
    ],
)
def test_a_file_that_does_not_fit_the_stage_is_told_before_the_run(tmp_path: Path, limits: str, says: str) -> None:
    (tmp_path / "fi.yaml").write_text(FILE.format(limits))
    with pytest.raises(InputError, match=says):
        thresholds_library(Config(languages=str(tmp_path)), "filter.toy")


def test_what_may_be_fitted_and_what_depends_on_the_language() -> None:
    assert fitted_options(Config) == ("max_length",)
    assert is_by_language(Config())
    assert not is_by_language(Config(max_length=1, min_share=None))
