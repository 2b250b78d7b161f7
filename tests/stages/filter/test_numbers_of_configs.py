"""Numbers that no JSON holds are refused by every stage: a run's configs are stored as JSON, and read again."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from datapipe.registry import Registry

REGISTRY = Registry()
NEEDED = {"filter.classifier": {"model": "any"}}
NUMBERS = [math.inf, -math.inf, math.nan, 2**53 + 2, -(2**53) - 2, 10**400, 1e300]


@pytest.mark.parametrize("name", [name for name in REGISTRY.names() if name.split(".")[0] in ("filter", "mark")])
def test_no_option_takes_a_number_that_cannot_be_stored(name: str) -> None:
    model = REGISTRY.load(name).config
    for option in model.model_fields:
        for number in NUMBERS:
            with pytest.raises(ValidationError):
                model.model_validate({**NEEDED.get(name, {}), option: number})


@pytest.mark.parametrize(
    ("name", "option", "number"),
    [
        ("mark.spam", "min_density", math.inf),
        ("filter.gopher", "max_hash_marks_per_word", math.inf),
        ("filter.gopher", "max_words", 10**30),
        ("filter.c4", "min_words_per_line", 2**63),
    ],
)
def test_the_error_names_the_option_and_says_how_to_switch_it_off(name: str, option: str, number: float) -> None:
    with pytest.raises(ValidationError, match=f"{option}\n.*null switches an option off"):
        REGISTRY.load(name).config.model_validate({option: number})


def test_the_largest_number_is_taken() -> None:
    config = REGISTRY.load("filter.gopher").config.model_validate({"max_words": 2**53, "max_hash_marks_per_word": 1e15})
    assert config.model_dump()["max_words"] == 2**53
