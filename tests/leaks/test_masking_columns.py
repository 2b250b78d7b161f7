"""Every string that can leave is masked or looked at: fields of messages, escaped values, names of files, ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo.pii.escapes import unescaped
from datapipe.algo.pii.suspects import suspicious
from datapipe.cli.main import main
from datapipe.recipe.leaving import holds_text
from datapipe.schema import CODES, COLUMNS, EXPORTED, MESSAGE
from stages.mask.pii import STAGE, Config
from tests.leaks.values import SENTENCES, VALUES, forms

MAIL = VALUES["EMAIL_ADDRESS"]


def strings_of(kind: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where strings stand in a type."""
    if pa.types.is_struct(kind):
        return [each for field in kind for each in strings_of(field.type, (*path, field.name))]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return strings_of(kind.value_type, path)
    return [path] if pa.types.is_string(kind) or pa.types.is_large_string(kind) else []


def masked(column: str, *values: Any) -> list[Any]:
    config = Config(columns=(column,))
    array: Any = pa.array(list(values), COLUMNS[column])
    return STAGE.process(pa.RecordBatch.from_arrays([array], names=[column]), config, None)[column].to_pylist()


def test_what_is_written_by_default_is_masked_or_a_code() -> None:
    written = {name for name in EXPORTED if holds_text(name, COLUMNS[name])} - {"tokens"}
    assert written <= {*Config().columns, *CODES}


def message_with(path: tuple[str, ...], value: str) -> dict[str, Any]:
    """A message whose only field besides its content is the one that a path leads to."""
    name, *inner = path
    said = {"role": "user", "content": "hello", "train": True, "weight": 1.0}
    return {**said, name: [{inner[0]: value}] if inner else value}


@pytest.mark.parametrize("column", ["messages", "rejected"])
@pytest.mark.parametrize("path", strings_of(MESSAGE), ids=str)
def test_every_string_of_a_message_is_masked(path: tuple[str, ...], column: str) -> None:
    plain = message_with(("role",), "user")
    talks = [None, [], [plain, message_with(path, f"it is {MAIL}")], [plain]]
    wanted = [None, [], [plain, message_with(path, "it is <EMAIL_ADDRESS>")], [plain]]
    whole: Any = pa.array(wanted, COLUMNS[column])
    assert masked(column, *talks) == whole.to_pylist()


def test_places_in_messages_are_counted_by_message() -> None:
    message = {"role": "user", "content": "hello", "train": True, "weight": 1.0}
    talks: Any = pa.array([[message], None, [message, {**message, "content": MAIL}]], COLUMNS["messages"])
    out = STAGE.process(pa.RecordBatch.from_arrays([talks], names=["messages"]), Config(columns=("messages",)), None)
    found: list[Any] = out["spans"].to_pylist()
    assert [[span["message"] for span in spans] for spans in found] == [[], [], [1]]


ESCAPED = [
    ("https://x.example/?m=hildegard.quist%40posthaus.de&n=1", "https://x.example/?m=EMAIL_ADDRESS&n=1"),
    ("https://x.example/?tel=%2B49+30+90182233", "https://x.example/?tel=PHONE_NUMBER"),
    ("https://x.example/%E8%BD%A6%E7%89%8C%E4%BA%ACA8K312", "https://x.example/%E8%BD%A6%E7%89%8CCN_LICENSE_PLATE"),
    ("https://x.example/100%25/%FF/a+b?c+d", "https://x.example/100%25/%FF/a+b?c+d"),
]


@pytest.mark.parametrize(("url", "shown"), ESCAPED)
def test_values_behind_percent_signs_are_masked_and_the_rest_of_the_url_stays(url: str, shown: str) -> None:
    assert masked("url", url) == [shown]


def test_escapes_in_texts_and_json_are_seen_through() -> None:
    call = json.dumps({"to": MAIL, "车牌": "京A8K312", "n": 1}).replace("@", "\\u0040")
    (text, plain) = masked("text", f"see mailto:hildegard.quist%40posthaus.de or {call}", "5 + 3 = 8?")
    assert text.startswith("see mailto:EMAIL_ADDRESS or {")
    assert json.loads(text[text.index("{") :]) == {"to": "<EMAIL_ADDRESS>", "车牌": "<CN_LICENSE_PLATE>", "n": 1}
    assert plain == "5 + 3 = 8?"
    lines = json.dumps({"to": f"到{MAIL}\n{MAIL}"})
    assert [json.loads(line) for line in masked("text", lines)] == [{"to": "到<EMAIL_ADDRESS>\n<EMAIL_ADDRESS>"}]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_places_of_what_is_unescaped_lead_back(text: str) -> None:
    for form in (text, json.dumps(text)[1:-1], *(each.decode() for each in forms(text))):
        plain, starts = unescaped(form)
        assert len(starts) == len(plain) + 1
        assert starts == sorted(set(starts))
        assert (starts[0], starts[-1]) == (0, len(form)) or not plain


def test_names_of_files_are_masked() -> None:
    assert masked("file", f"mail/of {MAIL}.jsonl", "CC-MAIN-20201020012345-20201020042345-00123.warc.gz") == [
        "mail/of <EMAIL_ADDRESS>.jsonl",
        "CC-MAIN-20201020012345-20201020042345-00123.warc.gz",
    ]


@pytest.mark.parametrize("entity", list(SENTENCES))
def test_no_value_is_beyond_suspicion(entity: str) -> None:
    value, english, chinese = SENTENCES[entity]
    for sentence in (english.format(value), chinese.format(value)):
        assert all(suspicious(form.decode()) for form in forms(sentence))
    assert not suspicious("plain words, in 1984 and 2001; 说明文字。")


OWN = """\
run: {folder}/run
stages:
  docs: {{use: read.jsonl, paths: ["{folder}/in.jsonl"], source: x, columns: {{id: key, kind: sort}}}}
  safe: {{use: mask.pii}}
  out: {{use: write.jsonl{more}}}
"""


@pytest.mark.parametrize(
    ("record", "more", "said"),
    [
        ({"key": MAIL}, "", "column `id` in shard"),
        ({"key": "a", "sort": MAIL}, "", "add it to `columns` of 'safe', or leave `kind` out of what 'out' writes"),
        ({"key": "a", "sort": MAIL}, ", by: kind, columns: [text]", "column `kind` in shard"),
        ({"key": MAIL, "sort": "b"}, ", columns: [text, kind]", ""),
        ({"key": "2026-0117-4155552671", "sort": "b"}, "", ""),
    ],
)
def test_a_sink_stops_at_a_code_that_holds_a_value(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], record: dict[str, str], more: str, said: str
) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": "some words", **record}) + "\n", encoding="utf-8")
    path = tmp_path / "r.yaml"
    path.write_text(OWN.format(folder=tmp_path, more=more), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["run", str(path), "--local"])
    printed = "".join(capfd.readouterr())
    assert ended.value.code == (2 if said else 0), printed
    assert said in printed
    assert MAIL not in printed
    assert bool(list((tmp_path / "run" / "out").rglob("*.jsonl.gz"))) is not bool(said)


@pytest.mark.parametrize(
    ("given", "gone"),
    [
        (f'{{"a": "{MAIL}", "a": "ok"}}', MAIL),  # a name that stands twice
        ('{"MRN": "55443322"}', "55443322"),  # told by the name that it stands under
        ('{"extra": {"病历号": ["66554433"]}}', "66554433"),
        ('{"note": "MRN=12345678"}', "12345678"),
        ("[" * 900 + f'"{MAIL}"' + "]" * 900, MAIL),
        ('{"a": ' * 900 + f'"{MAIL}"' + "}" * 900, MAIL),
    ],
)
@pytest.mark.parametrize("column", ["metadata", "tools"])
def test_no_form_of_json_hides_a_value(column: str, given: str, gone: str) -> None:
    (found,) = masked(column, given)
    assert gone not in found
