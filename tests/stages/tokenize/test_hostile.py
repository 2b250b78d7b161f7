"""Templates, tokenizers and conversations that are made to hang, bloat or crash: a reason or one clear line each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datapipe.errors import InputError
from stages.tokenize._bounds import flat
from stages.tokenize._template import Template, TemplateFault
from tests.stages.tokenize.styles import CHATML, STYLES, write
from tests.stages.tokenize.talks import batch_of, batch_of_texts, call, message
from tests.stages.tokenize.test_tokenize import made, whole

TALK = [
    message("user", "Is it high?"),
    message("assistant", "Yes."),
    message("user", "Low?"),
    message("assistant", "No."),
]
GROWS = "{%% set n = namespace(x=%s) %%}{%% for i in range(60) %%}{%% set n.x = %s %%}{%% endfor %%}{{ n.x %s }}"
HOSTILE = {
    "a product": "{{ 'a' * 10**9 }}",
    "a power": "{{ 9 ** (9 ** 9) }}",
    "loops in loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "a range": "{{ range(10**9) | list | length }}",
    "a text that doubles": GROWS % ("'ab'", "n.x ~ n.x", ""),
    "a sum that doubles": GROWS % ("'ab'", "n.x + n.x", ""),
    "a list that doubles": GROWS % ("['ab']", "n.x + n.x", "| length"),
    "a list in lists": GROWS % ("['ab']", "[n.x, n.x]", ""),
    "a list in lists as JSON": GROWS % ("['ab']", "[n.x, n.x]", "| tojson"),
    "a list in lists as text": GROWS % ("['ab']", "[n.x, n.x]", "| string | length"),
    "a macro that calls itself twice": (
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}"
    ),
    "a macro without end": "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}",
    "a loop without end": "{% for x in range(9) recursive %}{{ loop(range(9)) }}{% endfor %}",
    "a wide format": "{{ '%999999999d' % 1 }}",
    "a wider format": "{{ '{:999999999}'.format(1) }}",
    "a method that fills": "{{ 'a'.center(10**9) }}",
    "a replacement": "{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}",
    "a join": "{{ ('a' * 1000000).join(('b' * 1000000) | list) }}",
    "blanks in JSON": "{{ [1] | tojson(indent=10**9) }}",
    "blanks before lines": "{{ ('\n' * 1000000) | indent(9999) }}",
    "a class": "{{ ''.__class__.__mro__ }}",
    "a class by its place": "{{ messages[0]['__class__'].there }}",
    "a class by a filter": "{{ ('' | attr('__class__')).there }}",
    "what is global": "{{ raise_exception.__globals__.there }}",
    "a file": "{% include 'x' %}",
    "a module": "{% import 'os' as os %}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_fails_in_bounds(name: str) -> None:
    template = Template(HOSTILE[name], {})
    with pytest.raises(TemplateFault) as raised:
        template.render([{"role": "user", "content": "x"}])
    assert not raised.value.refused


def test_a_template_that_is_hostile_to_some_rows_costs_those_alone(tmp_path: Path) -> None:
    late = "{% if messages | length > 2 %}" + HOSTILE["loops in loops"] + "{% endif %}" + CHATML
    folder = write(STYLES["chatml"], tmp_path, chat_template=late)
    _, reasons = made(folder, batch_of([(TALK, None), (TALK[:2], None)]))
    assert reasons == ["template_fails", None]
    with pytest.raises(InputError, match="cannot render"):
        made(
            write(STYLES["chatml"], tmp_path / "b", chat_template=HOSTILE["a product"] + CHATML), batch_of_texts(["x"])
        )


@pytest.mark.parametrize(
    "source", ["{{ 'a'" + " | upper" * 3000 + " }}", "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}"]
)
def test_a_template_too_deep_to_be_read_is_one_line(source: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too large or too deep"):
        made(write(STYLES["chatml"], tmp_path, chat_template=source), batch_of_texts(["x"]))


def test_within_bounds_operators_filters_and_methods_do_what_jinja_does() -> None:
    said = [{"role": "user", "content": "a-b"}]
    for source, text in {
        "{{ ['a', 'b'] | join('-') }}{{ messages | join(', ', attribute='role') }}": "a-buser",
        "{{ messages[0].content.replace('-', '+') }}{{ 'x' | replace('x', 'yz') }}": "a+byz",
        "{{ ','.join(['a', 'b']) }}{{ 'ab' * 2 }}{{ 2 ** 3 }}{{ '%s!' % 'x' }}{{ '{}?'.format('y') }}": "a,babab8x!y?",
        "{{ [1, 'a', {'b': none}] }}{{ messages[0].nothing }}": "[1, 'a', {'b': None}]",
        "{{ {'a': 'ü<'} | tojson(indent=1) }}": '{\n "a": "ü<"\n}',
        "{{ 'a\nb' | indent(2) }}{{ 1 ~ 'a' ~ [2] }}{{ 'a' ~ messages[0].role }}": "a\n  b1a[2]auser",
        "{% for x in 'abc' recursive %}{{ loop.index }}{{ loop.last }}{% endfor %}": "1False2False3True",
        "{% for m in messages + messages %}{{ loop.length - loop.index0 }}{{ loop.nextitem is defined }}{% endfor %}": (
            "2True1False"
        ),
    }.items():
        assert Template(source, {}).render(said) == text
    value = [{"a": [1, "x"]}, ("y",)]
    assert flat(value) is value


# ---------------------------------------------------------------------------------------------- tokenizers


def edited(folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A tokenizer whose file somebody has changed."""
    path = write(STYLES["chatml"], folder) / "tokenizer.json"
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))
    return folder


def model(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda told: told["model"].update(fields)


@pytest.mark.parametrize(
    "change",
    [
        model(vocab={}),
        model(merges=[["q", "zz"]]),
        model(type="pickle"),
        model(vocab={"a": 4_000_000_000}, merges=[]),
        lambda told: told.pop("model"),
        lambda told: told.update(added_tokens=[{"id": "x"}]),
    ],
)
def test_a_damaged_tokenizer_is_one_line(change: Callable[[dict[str, Any]], Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read") as raised:
        made(edited(tmp_path, change), batch_of_texts(["tide"]))
    assert "\n" not in str(raised.value)


def test_a_tokenizer_that_gives_up_on_a_text_costs_that_row_alone(tmp_path: Path) -> None:
    regex = {"type": "Split", "pattern": {"Regex": "(a+)+$|."}, "behavior": "Isolated", "invert": False}
    folder = edited(tmp_path, lambda told: told.update(pre_tokenizer=regex))
    rows, reasons = made(folder, batch_of_texts(["tide", "a" * 3000 + "b", "noon"]))
    assert reasons == [None, "tokenizer_fails", None]
    assert [row["tokens"] is None for row in rows] == [False, True, False]


# ---------------------------------------------------------------------------------------------- conversations

CALLS = CHATML.replace("+ message['content'] +", "+ message['content'] + (message.tool_calls or '') | tojson +")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ('{"a": "\\ud800"}', "unpaired_surrogate"),
        ('{"a":' * 900 + "1" + "}" * 900, "template_fails"),
        ('{"a": 1}', None),
    ],
)
def test_arguments_of_tools_that_are_no_text_leave(arguments: str, reason: str | None, tmp_path: Path) -> None:
    folder = write(STYLES["chatml"], tmp_path, chat_template=CALLS)
    talk = [message("user", "x"), message("assistant", "y", tool_calls=[call("f", arguments)])]
    assert made(folder, batch_of([(talk, None), (TALK, None)]))[1] == [reason, None]


def test_binary_content_comes_back_byte_for_byte(tmp_path: Path) -> None:
    folder = write(STYLES["chatml"], tmp_path)
    strange = "".join(map(chr, range(32))) + "\x7f\x85\u2028\ufeff\ufffd\U0010ffff"
    (row,), reasons = made(folder, batch_of([([message("user", strange), message("assistant", f"x{strange}x")], None)]))
    assert reasons == [None]
    assert whole(folder).decode(row["tokens"], skip_special_tokens=False).count(strange.strip()) == 2


def test_what_is_large_leaves_or_is_cut_and_what_is_empty_leaves(tmp_path: Path) -> None:
    folder = write(STYLES["chatml"], tmp_path)
    large = [message("user", "x"), message("assistant", "x " * 10_000_000)]
    empty = [message("user", ""), message("assistant", "")]
    tools = json.dumps([{"name": f"f{number}", "about": "text " * 10} for number in range(15_000)])
    rows, reasons = made(
        folder, batch_of([(large, None), (empty, None), (TALK, tools), ([message("cook", "x")], None)])
    )
    assert len(tools) > 1_000_000
    assert reasons == ["too_large", "turn_not_found", None, "unknown_role"]
    assert rows[2]["token_count"] < 200  # the template does not tell of tools


def test_work_is_linear_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in messages that the template is given, which is what takes time."""
    folder = write(STYLES["chatml"], tmp_path)
    given: list[int] = []
    render = Template.render

    def counted(self: Template, messages: list[Any], tools: Any = None, *, prompt: bool = False) -> str:
        given.append(len(messages))
        return render(self, messages, tools, prompt=prompt)

    monkeypatch.setattr(Template, "render", counted)
    work = []
    for turns in (250, 500, 1000):
        talk = [message("assistant" if at % 2 else "user", f"tide {at}") for at in range(2 * turns)]
        given.clear()
        (row,), reasons = made(folder, batch_of([(talk, None)]))
        assert reasons == [None]
        assert (len(row["loss"]), row["rewritten_turns"]) == (turns, 0)
        work.append(sum(given) / turns)
    assert work[2] < 1.2 * work[1] < 1.2**2 * work[0]
    assert work[2] < 60
