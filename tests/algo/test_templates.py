"""Templates are data: placeholders are filled in once, and what is wrong with a file is told with its line and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo.templates import Pool, field_text, parse_pattern, read_pool
from datapipe.errors import InputError

KNOWN = ("question", "answer", "options")


def pool_of(folder: Path, text: str) -> Pool:
    path = folder / "pool.yaml"
    path.write_text(text, encoding="utf-8")
    return read_pool([str(path)], ["options"])


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{question}", "Q"),
        ("a {question} b {answer}.", "a Q b A."),
        ("{ question }{question}", "QQ"),
        ("{{question}} {{{question}}}", "{question} {Q}"),
        ("no placeholder", "no placeholder"),
        ("", ""),
        ("题目：{question}", "题目：Q"),
        ("$question %s {{0}} {{% if %}}", "$question %s {0} {% if %}"),
    ],
)
def test_placeholders_are_filled_in_and_nothing_else_means_anything(text: str, made: str) -> None:
    assert parse_pattern(text, KNOWN, "x").fill({"question": "Q", "answer": "A"}) == made


@given(st.text(), st.text(alphabet="{}question answer options"))
def test_what_is_filled_in_is_never_looked_at_again(question: str, answer: str) -> None:
    pattern = parse_pattern("<{question}|{answer}|{question}>", KNOWN, "x")
    assert pattern.fill({"question": question, "answer": answer}) == f"<{question}|{answer}|{question}>"


@given(st.text())
def test_any_text_with_its_braces_doubled_reads_as_itself(text: str) -> None:
    doubled = text.replace("{", "{{").replace("}", "}}")
    assert parse_pattern(doubled, KNOWN, "x").fill({}) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("qa: {en: {one: '{qestion}'}}", ["pool.yaml:1: qa.en.one", "{qestion}", "did you mean {question}?"]),
        ("qa:\n  en:\n    one: '{zzz}'", ["pool.yaml:3: qa.en.one", "{zzz}", "{question}, {answer}, {options}"]),
        ("qa: {en: {one: '{question} {'}}", ["qa.en.one", "a lone {", "write {{"]),
        ("qa: {en: {one: '{question}}'}}", ["qa.en.one", "a lone }"]),
        ("qa: {en: {one: '{question.__class__}'}}", ["qa.en.one", "{question.__class__}"]),
        ("qa: {en: {one: 'no question'}}", ["qa.en.one", "{question}"]),
        ("qa: {en: {one: '{question} {answer}'}}", ["qa.en.one", "does not ask with one"]),
        ("qa: {en: {one: {prompt: '{question}', answer: 'Yes.'}}}", ["qa.en.one", "does not ask with one"]),
        ("qa: {en: {one: {answer: '{answer}'}}}", ["qa.en.one", "no prompt"]),
        ("qa: {en: {one: {prompt: '{question}', weight: 2}}}", ["qa.en.one", "weight", "prompt, answer"]),
        ("qa: {en: {one: ['{question}']}}", ["qa.en.one", "no mapping"]),
        ("qa: {en: {one: '{question}', one: 'x {question}'}}", ["qa.en", "no name of its own"]),
        ("qa: {en: '{question}'}", ["pool.yaml: qa.en", "no mapping"]),
        ("- qa", ["pool.yaml is no mapping"]),
        ("", ["pool.yaml is no mapping"]),
        ("qa: {en: {one: '{question}'", ["cannot be read as YAML"]),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line_that_names_it(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        pool_of(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert [word for word in words if word not in str(caught.value)] == []


def test_a_file_that_is_not_there_and_a_name_that_stands_twice_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file of templates"):
        read_pool([str(tmp_path / "none.yaml")], [])
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("qa: {en: {one: '{question}'}}", encoding="utf-8")
    with pytest.raises(InputError, match=r"qa\.en\.one stands in another file"):
        read_pool([str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")], [])


def test_a_template_with_the_answer_in_its_prompt_is_inverted(tmp_path: Path) -> None:
    pool = pool_of(
        tmp_path, "qa: {en: {on: '{question}', back: '<{answer}', said: {prompt: '{question}', answer: 'A {answer}'}}}"
    )
    assert [(each.name, each.inverted, each.plain) for each in pool.templates] == [
        ("qa.en.on", False, True),
        ("qa.en.back", True, False),
        ("qa.en.said", False, False),
    ]
    assert pool.templates[1].answer.fill({"question": "Q"}) == "Q"


def test_templates_are_of_a_task_and_of_a_language_or_any(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, "qa: {any: {a: '{question}'}, zh: {z: '{question}'}}\nsum: {en: {e: '{question}'}}")
    named = {
        (task, code): [each.name for each in pool.of(task, code)]
        for task, code in (("qa", "zh-TW"), ("qa", "EN"), ("sum", "de"))
    }
    assert named == {("qa", "zh-TW"): ["qa.any.a", "qa.zh.z"], ("qa", "EN"): ["qa.any.a"], ("sum", "de"): []}


def test_the_digest_is_of_what_templates_say_not_of_how_the_file_is_written(tmp_path: Path) -> None:
    one = pool_of(tmp_path, "qa: {en: {a: '{question}', b: '{question}?'}}").digest
    assert pool_of(tmp_path, "# by hand\nqa:\n  en:\n    b: '{question}?'\n    a: '{question}'\n").digest == one
    assert pool_of(tmp_path, "qa: {en: {a: '{question}', b: '{question}!'}}").digest != one


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (" \n", None),
        (None, None),
        (3, "3"),
        (0.5, "0.5"),
        (False, "false"),
        (["yes", "no"], "- yes\n- no"),
        ([1, "b"], "- 1\n- b"),
        ({"A": "cat", "B": 2}, "A: cat\nB: 2"),
        ([], None),
        ({}, None),
        (["a", ["b"]], None),
        (["a", None], None),
        ({"A": {}}, None),
    ],
)
def test_fields_of_a_record_are_shown_an_entry_a_line(value: object, text: str | None) -> None:
    assert field_text(value) == text


def test_the_templates_that_come_with_datapipe_serve_both_languages_both_ways() -> None:
    pool = read_pool((), ("options", "context", "source_language", "target_language"))
    assert set(pool.tasks) == {"qa", "classification", "summarisation", "translation", "instruction"}
    for task in pool.tasks:
        for language in ("en", "zh"):
            own = [each for each in pool.of(task, language) if each.language == language]
            assert any(each.inverted for each in own), (task, language)
            assert sum(not each.inverted for each in own) >= 3, (task, language)
            texts = ["".join(each.prompt.literals) for each in own]
            assert len(set(texts)) == len(texts), (task, language)
            assert all(
                ("\u4e00" <= max(text) <= "\u9fff" or max(text) > "\u9fff") == (language == "zh") for text in texts
            )
