"""Samples are chosen by hash of id: the same each time, other ones for another seed, all of what was asked for."""

from __future__ import annotations

import pytest

from datapipe.errors import InputError
from datapipe.lineage import sample
from datapipe.run.context import Context


def ids(
    context: Context, stage: str | None = None, reason: str | None = None, *, number: int = 5, seed: int = 0
) -> list[str]:
    return [each.place.id for each in sample(context, stage, reason, number=number, seed=seed)]


def test_the_same_seed_gives_the_same_documents_and_another_seed_others(context: Context) -> None:
    assert ids(context) == ids(context)
    assert ids(context) != ids(context, seed=1)


def test_a_smaller_sample_is_the_beginning_of_a_larger_one(context: Context) -> None:
    assert ids(context, number=7)[:3] == ids(context, number=3)


def test_without_a_stage_the_last_one_is_shown_with_its_measures_and_the_text_as_it_was_then(context: Context) -> None:
    for each in sample(context, None, None):
        assert each.stage == "again"
        assert each.text is not None
        assert each.text == each.text.upper()
        (words,) = each.measures
        assert words.value == len(each.text.split()) >= 4


def test_before_a_stage_changed_the_text_it_is_shown_unchanged(context: Context) -> None:
    (each,) = sample(context, "count", None, number=1)
    assert each.text is not None
    assert each.text != each.text.upper()


def test_all_documents_that_left_for_a_reason_are_shown_and_no_other(context: Context) -> None:
    left = sum(
        record.dropped["too_short"].documents
        for stage in ("count", "again")
        for record in context.state.of(stage).values()
        if "too_short" in record.dropped
    )
    found = sample(context, None, "too_short", number=1000)
    assert len(found) == left
    assert {each.stage for each in found} == {"count", "again"}
    assert all(each.reason == "too_short" for each in found)


def test_of_what_a_stage_kept_or_dropped_those_are_shown_of_which_an_expression_holds(context: Context) -> None:
    every = sample(context, "count", None, number=1000)
    wanted = {each.place.id for each in every if each.measures[0].value == 5}
    found = sample(context, "count", None, where="count.words == 5", number=1000)
    assert {each.place.id for each in found} == wanted != set()
    assert len(found) < len(every)
    dropped = sample(context, "count", "too_short", where="count.words == 2", number=1000)
    assert {each.measures[0].value for each in dropped} == {2}
    assert sample(context, None, "too_short", where="count.words > 100") == []


def test_an_expression_sees_what_stages_above_measured_and_the_text_as_it_is_then(context: Context) -> None:
    (each,) = sample(context, "again", None, where="count.words == 6 and again.words == 6", number=1)
    assert each.text is not None
    assert sample(context, "again", None, where=f"text == '{each.text}'", number=1)[0].text == each.text
    assert sample(context, "upper", None, where=f"text == '{each.text.lower()}'") == []


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("again.words > 3", "--where: there is no column `again.words` here; did you mean"),
        ("count.words >", "--where: .* does not parse"),
    ],
    ids=["of a later stage", "no expression"],
)
def test_an_expression_that_cannot_be_used_is_one_line(context: Context, where: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        sample(context, "count", None, where=where)


def test_an_unknown_stage_or_reason_names_what_is_near(context: Context) -> None:
    with pytest.raises(InputError, match="did you mean count"):
        sample(context, "cuont", None)
    with pytest.raises(InputError, match="did you mean too_short"):
        sample(context, None, "to_short")
