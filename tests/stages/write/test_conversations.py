"""write.conversations: the records that were read, and other forms of them."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.schema import COLUMNS
from datapipe.stage import Above, File, Split
from stages.read import conversations as reading
from stages.write.conversations import STAGE, Config
from tests.stages.read.test_conversations import FORMS, PAIRS, tree

CHOSEN = STAGE.select(("id", "messages", "rejected", "tools", "metadata"), Config())


def rewritten(folder: Path, records: list[Any], form: str, **changes: Any) -> list[dict[str, Any]]:
    """Records that were read, some columns changed, and written."""
    return _rewritten(folder, records, form, changes)[0]


def counted(folder: Path, record: Any, form: str) -> tuple[dict[str, Any], dict[str, int]]:
    """A record that was read and written, and what is told of losses."""
    (written,), facts = _rewritten(folder, [record], form, {})
    return written, facts["not_held"]


def _rewritten(
    folder: Path, records: list[Any], form: str, changes: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    path = folder / "x.jsonl"
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    config = reading.Config(paths=("x",), source="s")
    split = Split("one", (File(str(path), "x.jsonl", 0, ""),))
    batches = [batch.select(list(CHOSEN)) for batch in reading.STAGE.read(split, config, 0)]
    for name, values in changes.items():
        at = batches[0].schema.names.index(name)
        batches = [batches[0].set_column(at, name, pa.array(values, COLUMNS[name]))]
    target = io.BytesIO()
    told = STAGE.write(iter(batches), target, Config.model_validate({"form": form, "compression": "none"}))
    assert told is not None
    return [json.loads(line) for line in target.getvalue().splitlines()], told.facts


EXACT = {name: record for name, (record, _, _) in FORMS.items() if name != "openai"}  # whose parts are joined
EXACT |= {f"pair: {name}": record for name, (record, _, _) in PAIRS.items()}
EXACT["seed task"] = {"id": "s", "instruction": "i", "instances": [{"input": "", "output": "o", "n": 1}]}
EXACT["calls"] = {
    "messages": [
        {"role": "user", "content": "x", "name": "Ann", "train": False},
        {
            "role": "assistant",
            "content": "",
            "reasoning_content": "r",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}, "index": 0},
                {"type": "function", "function": {"name": "g", "arguments": {"b": [1, 2]}}},
                {"name": "h", "arguments": {}},
            ],
        },
        {"role": "tool", "content": "r", "tool_call_id": "1", "extra": {"a": None}},
        {"role": "assistant", "content": "y", "weight": 0.1, "tool_calls": [], "refusal": None},
    ],
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "number": 123456789012345678901234567890,
}


@pytest.mark.parametrize("name", EXACT)
def test_a_record_read_and_written_is_the_same(tmp_path: Path, name: str) -> None:
    assert rewritten(tmp_path, [EXACT[name]], "as_read") == [EXACT[name]]


TALK = {
    "messages": [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "v"},
        {"role": "assistant", "content": "b", "weight": 0.5},
    ],
    "score": 3,
}
PAIR = {"prompt": "p", "chosen": "c", "rejected": "r", "score": 3}
WITH_CALL = {
    "conversations": [
        {"from": "human", "value": "1+?"},
        {"from": "function_call", "value": '{"name": "f", "arguments": {}}'},
    ],
    "tools": "[]",
}  # fmt: skip


@pytest.mark.parametrize(
    ("record", "form", "expected"),
    [
        (
            TALK,
            "alpaca",
            {
                "instruction": "v", "input": "", "output": "b", "system": "S", "history": [["u", "a"]], "score": 3,
                "not_held": ["weight"],
            },
        ),
        (
            TALK,
            "sharegpt",
            {
                "conversations": [
                    {"from": "system", "value": "S"},
                    {"from": "human", "value": "u"},
                    {"from": "gpt", "value": "a"},
                    {"from": "human", "value": "v"},
                    {"from": "gpt", "value": "b", "weight": 0.5},
                ],
                "score": 3,
            },
        ),
        (TALK, "pairs", {"prompt": TALK["messages"][:4], "completion": TALK["messages"][4:], "score": 3}),  # type: ignore[index]
        (
            {"instruction": "p", "input": "", "output": "r"},
            "messages",
            {"messages": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "r"}]},
        ),
        (
            PAIR,
            "messages",
            {
                "messages": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "c"}],
                "rejected": [{"role": "assistant", "content": "r"}],
                "score": 3,
            },
        ),
        (
            {"prompt": "p", "chosen": "c", "rejected": "r"},
            "alpaca",
            {"instruction": "p", "input": "", "output": "c", "not_held": ["rejected"]},
        ),
        (
            WITH_CALL,
            "messages",
            {
                "messages": [
                    {"role": "user", "content": "1+?"},
                    {
                        "role": "assistant",
                        "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{}"}}],
                    },
                ],
                "tools": [],
            },
        ),
        (WITH_CALL, "sharegpt", WITH_CALL),
    ],
)  # fmt: skip
def test_other_forms_hold_what_they_can(tmp_path: Path, record: Any, form: str, expected: Any) -> None:
    assert rewritten(tmp_path, [record], form) == [expected]


def test_a_talk_with_calls_has_no_form_in_alpaca_and_says_so(tmp_path: Path) -> None:
    (record,) = rewritten(tmp_path, [WITH_CALL], "alpaca")
    assert record["not_held"] == ["messages"]
    assert len(record["messages"]) == 2


def test_a_field_that_bears_the_name_of_a_key_is_named(tmp_path: Path) -> None:
    record = {"text": "t", "instruction": None, "messages": 5}
    (written,) = rewritten(tmp_path, [record], "messages")
    assert written == {
        "messages": [{"role": "assistant", "content": "t"}],
        "instruction": None,
        "not_held": ["messages"],
    }


@pytest.mark.parametrize("own", [[[1]], ["a"], "text", None, {"a": 1}])
@pytest.mark.parametrize("form", ["as_read", "messages", "sharegpt", "alpaca", "pairs"])
def test_fields_that_bear_our_own_names_come_back_and_are_no_loss_of_ours(tmp_path: Path, own: Any, form: str) -> None:
    """Of `as_read`, under which the reader keeps its own, and of `not_held`, under which the writer does."""
    record = {"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}
    written, lost = counted(tmp_path, record | {"not_held": own, "as_read": own}, form)
    assert {name: written[name] for name in ("not_held", "as_read")} == {"not_held": own, "as_read": own}
    assert lost == {}


@pytest.mark.parametrize("own", [[[1]], ["a"], None])
def test_a_field_named_as_our_list_of_losses_makes_way_for_it_and_is_one(tmp_path: Path, own: Any) -> None:
    written, lost = counted(tmp_path, {"prompt": "p", "chosen": "c", "rejected": "r", "not_held": own}, "alpaca")
    assert written["not_held"] == ["rejected", "not_held"]
    assert lost == {"rejected": 1, "not_held": 1}
    written, lost = counted(tmp_path, {**WITH_CALL, "not_held": own}, "alpaca")
    assert written["not_held"] == ["messages", "not_held"]
    assert lost == {"messages": 1, "not_held": 1}


def test_metadata_of_another_reader_keeps_a_field_by_our_name() -> None:
    row = {"messages": [{"role": "user", "content": "u"}], "metadata": '{"as_read": {"on": "Monday"}}'}
    layout = pa.schema([(name, COLUMNS[name]) for name in CHOSEN])
    target = io.BytesIO()
    STAGE.write(iter([pa.RecordBatch.from_pylist([row], layout)]), target, Config(compression="none"))
    assert json.loads(target.getvalue())["as_read"] == {"on": "Monday"}


def test_each_way_of_a_tree_is_a_record(tmp_path: Path) -> None:
    first, second = rewritten(tmp_path, [tree()], "as_read")
    assert [turn["content"] for turn in first["messages"]] == ["p", "a", "q2", "b"]
    assert second["messages"][1] == {"role": "assistant", "content": "c", "message_id": "c"}
    assert first["message_tree_id"] == "t"


def test_what_a_stage_has_changed_is_written_and_never_what_was_read(tmp_path: Path) -> None:
    """A masked name must not come back from how the record was read."""
    record = {"instruction": "Greet Ann\nnow", "input": "Ann", "output": "Hi Ann", "history": [["Ann?", "Yes"]]}
    texts = ["<N>?", "Yes", "Greet <N>\nnow\n<N>", "Hi <N>"]
    talk = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]
    (changed,) = rewritten(tmp_path, [record], "as_read", messages=[talk])
    assert changed == json.loads(json.dumps(record).replace("Ann", "<N>"))


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("left", [0, 1, 5])
def test_a_talk_that_has_lost_or_won_turns_is_written_all_the_same(tmp_path: Path, name: str, left: int) -> None:
    talk = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}] * 3
    (record,) = rewritten(tmp_path, [EXACT[name]], "as_read", messages=[talk[:left]])
    assert json.dumps(record).count('"x"') + json.dumps(record).count('"y"') >= min(left, 1)


def test_a_document_without_messages_is_its_fields() -> None:
    row = {"messages": None, "rejected": None, "tools": None, "metadata": "[1", "id": "7"}
    layout = pa.schema([(name, COLUMNS[name]) for name in row])
    target = io.BytesIO()
    STAGE.write(iter([pa.RecordBatch.from_pylist([row], layout)]), target, Config(columns=("id",)))
    assert gzip.decompress(target.getvalue()) == b'{"id":"7"}\n'


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9)
SHAREGPT_TURNS = st.lists(
    st.fixed_dictionaries({"from": st.sampled_from(["human", "user", "gpt", "observation"]), "value": WORDS}),
    min_size=1,
)
PAIR_SIDES = st.fixed_dictionaries({"prompt": WORDS, "chosen": WORDS, "rejected": WORDS})
ALPACAS = st.fixed_dictionaries({"instruction": WORDS, "input": WORDS, "output": WORDS})


@given(st.lists(st.one_of(SHAREGPT_TURNS.map(lambda turns: {"conversations": turns}), PAIR_SIDES, ALPACAS), min_size=1))
def test_any_texts_come_back(tmp_path_factory: pytest.TempPathFactory, records: list[Any]) -> None:
    assert rewritten(tmp_path_factory.getbasetemp(), records, "as_read") == records


# ---------------------------------------------------------------------------------------------- for trainers

TURNS: list[Any] = [
    {"role": "user", "content": "u"},
    {"role": "assistant", "content": "a", "reasoning": "r", "train": True, "weight": 0.5},
]
CALLING: list[Any] = [TURNS[0], {"role": "assistant", "tool_calls": [{"name": "f", "arguments": "{}"}]}]


def facts_of(form: str, *rows: dict[str, Any]) -> dict[str, Any]:
    names = ("messages", "rejected", "tools", "metadata")
    batch = pa.RecordBatch.from_pylist(list(rows), pa.schema([(name, COLUMNS[name]) for name in names]))
    config = Config.model_validate({"form": form, "compression": "none"})
    written = STAGE.write(iter([batch]), io.BytesIO(), config)
    assert written is not None
    return {"documents": len(rows), "bytes": 1, **written.facts}


def beside(form: str, files: dict[str, dict[str, Any]]) -> dict[str, str]:
    assert STAGE.finish is not None
    config = Config.model_validate({"form": form})
    return {name: content.decode() for name, content in STAGE.finish(files, Above(), config)}


@pytest.mark.parametrize(
    ("form", "rows", "expected"),
    [
        ("sharegpt", [{"messages": TURNS}], {"formatting": "sharegpt", "columns": {"messages": "conversations"}}),
        (
            "sharegpt",
            [{"messages": TURNS, "tools": "[]"}, {"messages": TURNS}],
            {"formatting": "sharegpt", "columns": {"messages": "conversations", "tools": "tools"}},
        ),
        ("messages", [{"messages": TURNS}], {"formatting": "sharegpt", "columns": {"messages": "messages"}}),
        ("messages", [{"messages": CALLING}], {"formatting": "openai", "columns": {"messages": "messages"}}),
        (
            "alpaca",
            [{"messages": [{"role": "system", "content": "s"}, *TURNS, *TURNS]}],
            {
                "columns": {
                    "prompt": "instruction",
                    "query": "input",
                    "response": "output",
                    "system": "system",
                    "history": "history",
                }
            },
        ),
    ],
)
def test_llama_factory_is_told_of_the_columns_that_a_file_has(form: str, rows: Any, expected: Any) -> None:
    info = json.loads(beside(form, {"en/x.jsonl": facts_of(form, *rows)})["dataset_info.json"])
    tags = info["en-x"].pop("tags", None)
    assert info == {"en-x": {"file_name": "en/x.jsonl", **expected}}
    assert (tags is None) == (form != "messages")


def test_llama_factory_is_told_of_no_packed_file_and_of_no_form_that_it_does_not_read() -> None:
    packed = beside("messages", {"x.jsonl.gz": facts_of("messages", {"messages": TURNS})})
    assert "dataset_info.json" not in packed
    assert "set `compression: none`" in packed["README.md"]
    assert "dataset_info.json" not in beside("pairs", {"x.jsonl": facts_of("pairs", {"messages": TURNS})})


def test_what_is_lost_is_counted() -> None:
    made = beside("alpaca", {"x.jsonl": facts_of("alpaca", {"messages": TURNS}, {"messages": CALLING})})["README.md"]
    assert "- messages: 1 records" in made
    assert "- reasoning: 1 records" in made
    assert "- 1 turns have a weight of loss" in made
    nothing = beside("messages", {"x.jsonl": facts_of("messages", {"messages": TURNS[:1]})})["README.md"]
    assert "does not hold\n\nNothing." in nothing
    assert "heeds" not in nothing
