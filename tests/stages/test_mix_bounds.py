"""mix: numbers that cannot be are refused before anything runs, sources that nobody has before anything is mixed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from datapipe.errors import InputError
from stages.mix import Config, build, sketch

INFINITE, NO_NUMBER = float("inf"), float("nan")


def planned(folder: Path, config: Config, sources: list[str]) -> dict[str, Any]:
    """The mixture of documents of these sources, of ten tokens each."""
    tens = pa.array([10] * len(sources), pa.int32())
    ids = pa.array([f"d{at}" for at in range(len(sources))], pa.string())
    names = pa.array(sources, pa.string())
    batch = pa.record_batch({"id": ids, "source": names, "token_count": tens, "trained_count": tens})
    build(sketch(batch, config), config, folder)
    told: dict[str, Any] = json.loads((folder / "mixture.json").read_text(encoding="utf-8"))
    return told


@pytest.mark.parametrize("name", ["epochs", "weight"])
@pytest.mark.parametrize("value", [INFINITE, -INFINITE, NO_NUMBER, -1, 1e300])
def test_no_source_is_given_what_is_no_amount(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match=name):
        Config.model_validate({"sources": {"a": {name: value}}})


@pytest.mark.parametrize("value", [INFINITE, NO_NUMBER, -1, 0])
def test_a_cap_is_a_number_of_passes(value: float) -> None:
    with pytest.raises(ValidationError, match="max_epochs"):
        Config.model_validate({"sources": {"a": {"weight": 1, "max_epochs": value}}})


@pytest.mark.parametrize(
    "wrong", [{"temperature": value} for value in (INFINITE, NO_NUMBER, 0, 1e-9)] + [{"total": 10**400}]
)
def test_numbers_that_no_mixture_can_be_made_of_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Config.model_validate(wrong)


def test_the_greatest_numbers_that_are_allowed_give_a_plan(tmp_path: Path) -> None:
    """Weights 1 and 10^15 at temperature 0.1 stand 10^150 to 1: of b all is taken, of a hardly a token."""
    sources: Any = {"a": {"weight": 1}, "b": {"weight": 1e15}}
    (part,) = planned(tmp_path, Config(sources=sources, temperature=0.1), ["a", "b", "b"])["parts"]
    assert part["b"]["epochs"] == 1
    assert 0 <= part["a"]["planned"] < 1e-100


def test_a_budget_of_more_than_a_thousand_passes_is_refused_and_the_source_named(tmp_path: Path) -> None:
    sources: Any = {"a": {"weight": 1}, "b": {"weight": 3}}
    (part,) = planned(tmp_path, Config(sources=sources, total=40_000), ["a", "b", "b", "b"])["parts"]
    assert (part["a"]["epochs"], part["b"]["epochs"]) == (1000, 1000)  # 10,000 of 10 tokens, and 30,000 of 30
    with pytest.raises(InputError, match=r"2,000 times over 'a'.*max_epochs"):
        planned(tmp_path, Config(sources=sources, total=80_000), ["a", "b", "b", "b", "b"])


def test_a_source_that_nobody_has_is_named_with_one_that_is_near(tmp_path: Path) -> None:
    parts: Any = ({"chats": {"weight": 1}}, {"chats": {"epochs": 1}, "chatz": {"epochs": 2}})
    with pytest.raises(InputError, match=r"'chatz'.*'chats'"):
        planned(tmp_path, Config(parts=parts), ["chats", "web"])
    with pytest.raises(InputError, match=r"'zzz'.*take it out"):
        planned(tmp_path, Config(sources={"zzz": parts[0]["chats"]}), ["chats"])


def test_a_source_may_be_missing_that_is_passed_over_or_where_there_is_no_document(tmp_path: Path) -> None:
    sources: Any = {"chats": {"epochs": 1}, "nobody": {"epochs": 0}}
    (part,) = planned(tmp_path, Config(sources=sources), ["chats"])["parts"]
    assert list(part) == ["chats"]
    assert planned(tmp_path, Config(sources={"nobody": sources["chats"]}), [])["parts"] == [{}]
