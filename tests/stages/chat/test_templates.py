"""Each conversation is asked in the words of a template that hash and id choose; some are asked backwards."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.errors import InputError
from stages.chat.templates import STAGE, Config, expand, libraries
from tests.stages.chat.talk_batches import Talk, asked, batch_of, told
from tests.stages.tokenize.talks import call, message

POOL = """
qa:
  en:
    one: "1 {question}"
    two: "2 {question}"
    three: "3 {question}"
    choose: "{question} of\\n{options}"
    back: "4 {answer}"
  zh:
    zi: "问 {question}"
say:
  any:
    both: {prompt: "What: {question}", answer: "That: {answer}"}
"""
TALK = asked("Why?", "So.")


@pytest.fixture
def pool(tmp_path: Path) -> str:
    path = tmp_path / "pool.yaml"
    path.write_text(POOL, encoding="utf-8")
    return str(path)


def made(batch: pa.RecordBatch, pool: str, **options: Any) -> list[dict[str, Any]]:
    config = Config(**{"templates": (pool,), "task": "qa", "seed": 7, **options})
    return [dict(row) for row in expand(batch, config, None).to_pylist()]


def contents(child: dict[str, Any]) -> list[str]:
    return [each["content"] for each in child["messages"]]


def test_a_document_gets_one_template_of_its_task_and_language(pool: str) -> None:
    children = made(batch_of([TALK] * 200, language=["en", "zh"] * 100), pool)
    assert [child["parent_row"] for child in children] == list(range(200))
    named = Counter(child["template"] for child in children)
    assert named.keys() == {"qa.en.one", "qa.en.two", "qa.en.three", "qa.zh.zi"}
    assert named["qa.zh.zi"] == 100
    assert all(20 <= named[f"qa.en.{name}"] <= 47 for name in ("one", "two", "three"))  # 33.3, sigma 4.7
    words = {"qa.en.one": "1 Why?", "qa.en.two": "2 Why?", "qa.en.three": "3 Why?", "qa.zh.zi": "问 Why?"}
    assert all(contents(child) == [words[child["template"]], "So."] for child in children)


@pytest.mark.parametrize(
    ("options", "column", "template"),
    [
        ({"task": None}, {"source": ["say"]}, "say.any.both"),
        ({"task": None}, {"source": ["other"]}, None),
        ({"task": "say"}, {"source": ["other"]}, "say.any.both"),
        ({"tasks": {"squad": "say"}}, {"source": ["squad"]}, "say.any.both"),
        ({"by": "metadata.task", "task": None}, {"metadata": [{"task": "say"}]}, "say.any.both"),
        ({"by": "metadata.a.b", "tasks": {"7": "say"}}, {"metadata": [{"a": {"b": 7}}]}, "say.any.both"),
        ({"language": "zh"}, {}, "qa.zh.zi"),
        ({"language": "zh"}, {"language": ["de"]}, None),
    ],
)
def test_what_names_the_task(pool: str, options: dict[str, Any], column: dict[str, Any], template: str | None) -> None:
    (child,) = made(batch_of([TALK], **column), pool, **options)
    assert child["template"] == template
    assert child["task"] == (template and template.split(".")[0])


def test_a_template_may_change_the_answer_too(pool: str) -> None:
    (child,) = made(batch_of([[message("system", "Be kind."), *TALK]]), pool, task="say")
    assert contents(child) == ["Be kind.", "What: Why?", "That: So."]


def test_copies_have_different_templates_and_no_more_than_fit(pool: str) -> None:
    children = made(batch_of([TALK, TALK], metadata=[None, {"options": ["a", "b"]}]), pool, copies=9)
    by_parent = [{child["template"] for child in children if child["parent_row"] == row} for row in (0, 1)]
    assert by_parent[0] == {"qa.en.one", "qa.en.two", "qa.en.three"}
    assert by_parent[1] == {*by_parent[0], "qa.en.choose"}
    assert [child["copy"] for child in children] == [0, 1, 2, 0, 1, 2, 3]
    (chosen,) = (child for child in children if child["template"] == "qa.en.choose")
    assert contents(chosen)[0] == "Why? of\n- a\n- b"


def test_the_first_of_copies_is_the_one_that_a_single_document_gets(pool: str) -> None:
    batch = batch_of([TALK] * 50)
    one, many = made(batch, pool, inverted=0.5), made(batch, pool, inverted=0.5, copies=3)
    assert [child["template"] for child in one] == [child["template"] for child in many if child["copy"] == 0]


def test_a_share_is_asked_for_the_question(pool: str) -> None:
    children = made(batch_of([TALK] * 400), pool, inverted="25%")
    backwards = [child for child in children if child["inverted"]]
    assert 65 <= len(backwards) <= 135  # 100, sigma 8.7
    assert all(contents(child) == ["4 So.", "Why?"] for child in backwards)
    assert all(contents(child)[1] == "So." for child in children if not child["inverted"])
    assert made(batch_of([TALK] * 400), pool, inverted="50%", otherwise="drop") != children
    more = {child["parent_row"] for child in made(batch_of([TALK] * 400), pool, inverted="50%") if child["inverted"]}
    assert {child["parent_row"] for child in backwards} <= more


UNFIT: dict[str, tuple[Talk | None, dict[str, Any]]] = {
    "two questions": ([*TALK, *TALK], {}),
    "a preference": (TALK, {"rejected": [asked("Why?", "No.")[1:]]}),
    "reasoning": (asked("Why?", "So.", reasoning="Hm."), {}),
    "a call": ([message("user", "Why?"), message("assistant", "", tool_calls=[call("f", "{}")])], {}),
    "a tool": ([*TALK[:1], message("tool", "x"), *TALK[1:]], {}),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_cannot_be_turned_round_is_asked_as_it_was(pool: str, case: str) -> None:
    talk, more = UNFIT[case]
    (child,) = made(batch_of([talk], **more), pool, inverted=1)
    assert child["template"] in {"qa.en.one", "qa.en.two", "qa.en.three"}
    assert contents(child)[1:] == [each["content"] for each in (talk or [])[1:]]


@pytest.mark.parametrize("talk", [None, [], [message("assistant", "So.")], [message("user", " "), TALK[1]]])
def test_what_no_template_fits_stays_as_it_is_or_leaves(pool: str, talk: Talk | None) -> None:
    batch = batch_of([talk, TALK])
    kept, other = made(batch, pool)
    assert kept["messages"] == batch["messages"][0].as_py()
    assert (kept["template"], kept["task"], kept["inverted"], kept["copy"]) == (None, None, None, 0)
    assert [child["parent_row"] for child in made(batch, pool, otherwise="drop")] == [1]
    assert other["template"] is not None


def test_a_field_that_is_missing_is_a_reason_to_leave(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("qa: {en: {choose: '{question} {options}'}}", encoding="utf-8")
    batch = batch_of([TALK] * 3, metadata=[{"options": "a/b"}, {"options": []}, {"choices": ["c"]}])
    assert [child["parent_row"] for child in made(batch, str(path), otherwise="drop")] == [0]
    named = made(batch, str(path), otherwise="drop", fields={"options": "choices"})
    assert [(child["parent_row"], contents(child)[0]) for child in named] == [(2, "Why? - c")]
    assert STAGE.childless in STAGE.reasons


def test_braces_in_questions_and_fields_stay(pool: str) -> None:
    batch = batch_of([asked("{answer} {{", "{question}")], metadata=[{"options": "{question}"}])
    for child in made(batch, pool, copies=4, inverted=0):
        assert "{answer} {{" in contents(child)[0]
        assert contents(child)[1] == "{question}"


def test_all_else_of_a_message_stays(pool: str) -> None:
    talk = [message("user", "Why?", name="ann"), message("assistant", "So.", weight=0.5, train=True, reasoning="Hm.")]
    (child,) = made(batch_of([talk]), pool)
    assert [{**each, "content": ""} for each in child["messages"]] == [{**each, "content": ""} for each in talk]


def test_the_hash_is_of_the_question_before_it_was_put_in_words(pool: str) -> None:
    same = made(batch_of([TALK, asked("why", "No."), asked("How?", "So.")]), pool, copies=2)
    hashes = {row: {child["question_hash"] for child in same if child["parent_row"] == row} for row in range(3)}
    assert hashes[0] == hashes[1] != hashes[2]
    assert len(hashes[0]) == 1


@settings(max_examples=20)
@given(st.lists(st.sampled_from([f"k{number}" for number in range(12)]), unique=True, min_size=1), st.integers(0, 3))
def test_other_documents_and_their_order_change_no_choice(ids: list[str], seed: int) -> None:
    config = Config(task="instruction", inverted=0.3, copies=2, seed=seed)
    whole = batch_of([TALK] * len(ids), id=ids)
    children = expand(whole, config, None).to_pylist()
    alone = []
    for row, key in enumerate(ids):
        single = expand(batch_of([TALK], id=[key]), config, None).to_pylist()
        alone += [{**child, "parent_row": row} for child in single]
    assert children == alone


def test_a_template_that_is_added_takes_its_share_and_leaves_the_rest(tmp_path: Path, pool: str) -> None:
    more = tmp_path / "more.yaml"
    more.write_text("qa: {en: {new: 'N {question}'}}", encoding="utf-8")
    batch = batch_of([TALK] * 300)
    before, after = made(batch, pool), made(batch, pool, templates=(pool, str(more)))
    changed = [new["template"] for old, new in zip(before, after, strict=True) if old != new]
    assert set(changed) == {"qa.en.new"}
    assert 50 <= len(changed) <= 100  # 75, sigma 7.5


@pytest.mark.parametrize("options", [{"task": "quiz"}, {"tasks": {"squad": "quiz"}}])
def test_a_task_without_templates_is_one_clear_line(pool: str, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"no template of a task 'quiz'; there are qa, say"):
        libraries(Config(templates=(pool,), **options))


def test_templates_by_default_put_real_questions_in_words() -> None:
    batch = batch_of([asked("港口在哪里？", "在东边。")], source=["instruction"], language=["zh"])
    children = expand(batch, Config(copies=64, seed=1), None)
    assert len(children) == 4  # the plain one and three Chinese ones
    assert all("港口在哪里？" in (talk or [("", "")])[0][1] for talk in told(children["messages"]))
