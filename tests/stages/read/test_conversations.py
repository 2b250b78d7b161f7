"""read.conversations: every form as messages, what is refused, every kind of file, and resuming anywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.conversations import ROLES, Unfit, read_talks
from datapipe.corpus.ids import document_ids
from stages.read.conversations import STAGE, Config
from tests.stages.read.archives import PACKS, assert_resumes

LIMIT = 1 << 20
CALL = '{"name": "add", "arguments": {"a": 1}}'


def read(folder: Path, records: Any, name: str = "x.jsonl", **options: Any) -> list[dict[str, Any]]:
    path = folder / name
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return assert_resumes(STAGE, path, Config(paths=("x",), source="s", **options))


def said(messages: Any) -> list[str]:
    """Messages as `role: content`, with what else they have."""
    lines = []
    for message in messages:
        rest = {name: value for name, value in message.items() if value is not None and name not in {"role", "content"}}
        lines.append(f"{message['role']}: {message['content']}" + (f" {rest}" if rest else ""))
    return lines


FORMS: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "sharegpt": (
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]},
        "sharegpt",
        ["user: Hi", "assistant: Ho"],
    ),
    "sharegpt with tools": (
        {
            "system": "S",
            "conversations": [
                {"from": "human", "value": "1+?"},
                {"from": "function_call", "value": CALL},
                {"from": "observation", "value": "2"},
            ],
        },
        "sharegpt",
        [
            "system: S",
            "user: 1+?",
            "assistant: None {'tool_calls': [{'id': None, 'name': 'add', 'arguments': '{\"a\": 1}'}]}",
            "tool: 2",
        ],
    ),
    "openai": (
        {
            "messages": [
                {"role": "developer", "content": "S"},
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                {
                    "role": "assistant",
                    "content": None,
                    "reasoning": "hm",
                    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                },
                {"role": "tool", "tool_call_id": "c1", "name": "f", "content": "r", "weight": 0},
            ]
        },
        "messages",
        [
            "system: S",
            "user: ab",
            "assistant: None {'reasoning': 'hm', 'tool_calls': [{'id': 'c1', 'name': 'f', 'arguments': '{}'}]}",
            "tool: r {'tool_call_id': 'c1', 'name': 'f', 'weight': 0.0}",
        ],
    ),
    "parts of llamafactory": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "value": "q"}], "loss_weight": 0.0},
                {
                    "role": "assistant",
                    "content": [{"type": "reasoning", "value": "why"}, {"type": "text", "value": "a"}],
                    "loss_weight": 0.5,
                },
            ]
        },
        "messages",
        ["user: q {'weight': 0.0}", "assistant: a {'reasoning': 'why', 'weight': 0.5}"],
    ),
    "alpaca": (
        {"instruction": "Add", "input": "1", "output": "2", "system": "S", "history": [["p", "r"]]},
        "alpaca",
        ["system: S", "user: p", "assistant: r", "user: Add\n1", "assistant: 2"],
    ),
    "prompt and response": ({"prompt": "p", "response": "r"}, "prompt_response", ["user: p", "assistant: r"]),
    "question and answer": ({"question": "p", "answer": "r"}, "prompt_response", ["user: p", "assistant: r"]),
    "input and output": ({"input": "p", "output": "r"}, "prompt_response", ["user: p", "assistant: r"]),
    "prompt alone": ({"prompt": "p"}, "prompt_response", ["user: p"]),
    "prompt and completion of turns": (
        {"prompt": [{"role": "user", "content": "p"}], "completion": [{"role": "assistant", "content": "r"}]},
        "prompt_response",
        ["user: p", "assistant: r"],
    ),
    "dialogue": (
        {"messages": [{"message": "a", "attrs": [1]}, {"message": "b"}, {"message": "c"}]},
        "dialogue",
        ["user: a", "assistant: b", "user: c"],
    ),
    "dialogue of strings": ({"dialogue": ["a", "b"]}, "dialogue", ["user: a", "assistant: b"]),
    "questions": (
        {"question": [[{"role": "user", "content": "a"}], [{"role": "user", "content": "b"}]], "function": []},
        "questions",
        ["user: a", "user: b"],
    ),
    "text": ({"text": "all of it"}, "text", ["assistant: all of it"]),
    "transcript": ({"text": "### Human: a### Assistant: b"}, "text", ["user: a", "assistant: b"]),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_becomes_messages(tmp_path: Path, name: str) -> None:
    record, form, expected = FORMS[name]
    (row,) = read(tmp_path, [record | {"stars": 3}])
    assert row["reason"] is None
    assert said(row["messages"]) == expected
    metadata = json.loads(row["metadata"])
    assert (metadata["stars"], metadata["as_read"]["form"]) == (3, form)
    (named,) = read(tmp_path, [record], form=form)
    assert named["messages"] == row["messages"]


PAIRS: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "strings": ({"prompt": "p", "chosen": "c", "rejected": "r"}, ["user: p", "assistant: c"], ["assistant: r"]),
    "with an input": (
        {"instruction": "p", "input": "i", "chosen": "c", "rejected": "r"},
        ["user: p\ni", "assistant: c"],
        ["assistant: r"],
    ),
    "turns after a history": (
        {
            "conversations": [{"from": "human", "value": "p"}],
            "chosen": {"from": "gpt", "value": "c"},
            "rejected": {"from": "gpt", "value": "r"},
        },
        ["user: p", "assistant: c"],
        ["assistant: r"],
    ),
    "whole conversations": (
        {
            "prompt": "p",
            "chosen": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "c"}],
            "rejected": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "r"}],
        },
        ["user: p", "assistant: c"],
        ["assistant: r"],
    ),
    "transcripts that part early": (
        {
            "chosen": "\n\nHuman: p\n\nAssistant: a\n\nHuman: q\n\nAssistant: c",
            "rejected": "\n\nHuman: p\n\nAssistant: b\n\nHuman: q\n\nAssistant: r",
        },
        ["user: p", "assistant: a", "user: q", "assistant: c"],
        ["assistant: b", "user: q", "assistant: r"],
    ),
    "the same twice": (
        {"chosen": "\n\nHuman: p\n\nAssistant: a", "rejected": "\n\nHuman: p\n\nAssistant: a"},
        ["user: p", "assistant: a"],
        ["assistant: a"],
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_preferences_are_messages_and_what_was_rejected(tmp_path: Path, name: str) -> None:
    record, messages, rejected = PAIRS[name]
    (row,) = read(tmp_path, [record])
    assert (said(row["messages"]), said(row["rejected"])) == (messages, rejected)


def test_a_label_of_kto_is_kept(tmp_path: Path) -> None:
    (row,) = read(tmp_path, [{"prompt": "p", "completion": "c", "label": False}])
    assert json.loads(row["metadata"])["label"] is False


def node(text: str, role: str, *replies: dict[str, Any]) -> dict[str, Any]:
    return {"message_id": text, "text": text, "role": role, "replies": list(replies)}


def tree(*extra: dict[str, Any]) -> dict[str, Any]:
    """Two answers; the first is followed by two questions, of which one is answered."""
    first = node("a", "assistant", node("q1", "prompter"), node("q2", "prompter", node("b", "assistant")))
    return {"message_tree_id": "t", "prompt": node("p", "prompter", first, node("c", "assistant"), *extra)}


def test_a_tree_is_read_by_its_ways_to_answers(tmp_path: Path) -> None:
    rows = read(tmp_path, [{"text": "before"}, tree(), {"text": "behind"}])
    ways = [said(row["messages"]) for row in rows]
    assert ways[1:3] == [["user: p", "assistant: a", "user: q2", "assistant: b"], ["user: p", "assistant: c"]]
    assert len(rows) == 4
    assert rows[1]["record"] == rows[2]["record"]
    assert json.loads(rows[1]["metadata"])["message_tree_id"] == "t"
    longer = read(tmp_path, [{"text": "before"}, tree(node("d", "assistant"))])
    assert ids_of(longer)[1:3] == ids_of(rows)[1:3]


def ids_of(rows: list[dict[str, Any]]) -> list[str]:
    return document_ids("s", pa.RecordBatch.from_pylist(rows)).to_pylist()


SEEDS = [{"input": "b a", "output": "a b"}, {"input": "", "output": "?"}]


@pytest.mark.parametrize("record", [tree(), {"instruction": "Sort", "instances": SEEDS}])
def test_what_one_record_gives_has_one_parent_which_other_records_have_not(tmp_path: Path, record: Any) -> None:
    one, two, alone, *others = ids_of(read(tmp_path, [record, {"text": "between"}, record]))
    parents = [key.partition("#")[0] for key in (one, two, *others)]
    assert parents[0] == parents[1] != parents[2] == parents[3]
    assert "#" not in alone
    assert sum(re.fullmatch(r"[0-9a-f]{32}#[0-9]+", key) is not None for key in {one, two, *others}) == 4


def test_ways_with_the_same_words_have_ids_of_their_own(tmp_path: Path) -> None:
    same = [{"text": "a", "role": "assistant", "replies": []}] * 3
    assert len(set(ids_of(read(tmp_path, [{"prompt": {"text": "p", "role": "prompter", "replies": same}}])))) == 3


def test_a_seed_task_is_a_conversation_for_each_instance(tmp_path: Path) -> None:
    assert [said(row["messages"]) for row in read(tmp_path, [{"instruction": "Sort", "instances": SEEDS}])] == [
        ["user: Sort\nb a", "assistant: a b"],
        ["user: Sort", "assistant: ?"],
    ]


TURN = {"from": "human", "value": "x"}
REFUSED: list[tuple[Any, str]] = [
    ({"nothing": 1}, "unknown_form"),
    ({"chosen": None, "rejected": "r"}, "unknown_form"),
    ({"messages": []}, "no_turns"),
    ({"chosen": "c", "rejected": "r"}, "no_turns"),
    ({"conversations": [TURN, {"from": "alien", "value": "x"}]}, "unknown_role"),
    ({"conversations": [TURN, {"value": "x"}]}, "unknown_role"),
    ({"messages": [{"role": 7, "content": "x"}]}, "unknown_role"),
    ({"messages": [{"role": "user", "content": 7}]}, "not_text"),
    ({"messages": [{"role": "user", "content": "PNG\0\0"}]}, "not_text"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "not_text"),
    ({"messages": [{"role": "user", "content": "x"}, 5]}, "not_text"),
    ({"instruction": "x", "output": ["y"]}, "not_text"),
    ({"prompt": "x", "answer": 4}, "not_text"),
    ({"instruction": "x", "output": "y", "history": ["z"]}, "unknown_form"),
    ({"conversations": [TURN, {"from": "function_call", "value": "add 1"}]}, "bad_call"),
    ({"messages": [{"role": "assistant", "content": "", "tool_calls": ["f"]}]}, "bad_call"),
    ({"messages": [{"role": "user", "content": "x"}], "tools": "none"}, "bad_call"),
    ({"prompt": {"role": "prompter", "text": "x", "replies": []}}, "no_answer"),
    ({"prompt": {"role": "prompter", "text": "x", "replies": ["y"]}}, "not_text"),
    ({"instruction": "x", "instances": []}, "no_turns"),
    ({"text": "y" * 4000}, "record_too_large"),
    (["text"], "damaged_input"),
]


@pytest.mark.parametrize(("record", "reason"), REFUSED)
def test_what_is_no_conversation_has_a_reason(tmp_path: Path, record: Any, reason: str) -> None:
    first, second = read(tmp_path, [record, {"text": "next"}], max_record_bytes=3000)
    assert (first["reason"], first["messages"], first["metadata"]) == (reason, None, None)
    assert (second["reason"], said(second["messages"])) == (None, ["assistant: next"])


def test_ways_that_hold_too_much_together_are_refused_before_any_is_made(tmp_path: Path) -> None:
    """A long question with many short answers would be written as often as it has answers."""
    answers = [node("a", "assistant") for _ in range(50)]
    (row,) = read(tmp_path, [{"prompt": node("q" * 1000, "prompter", *answers)}], max_record_bytes=20_000)
    assert row["reason"] == "record_too_large"


def test_a_very_deep_tree_is_no_trouble() -> None:
    deep = node("end", "assistant")
    for _ in range(50_000):
        deep = {"text": "x", "role": "prompter", "replies": [deep]}
    (talk,) = read_talks({"prompt": deep}, "auto", ROLES, LIMIT)
    assert len(talk.messages) == 50_001


def test_a_form_that_is_named_refuses_others(tmp_path: Path) -> None:
    rows = read(tmp_path, [{"text": "x"}, {"prompt": "p", "text": "x"}], form="prompt_response")
    assert [row["reason"] for row in rows] == ["unknown_form", None]


def test_words_and_fields_of_your_own(tmp_path: Path) -> None:
    record = {"dialog_turns": [{"from": "Customer", "value": "x"}, {"from": "Agent", "value": "y"}]}
    roles = {"Customer": "user", "Agent": "assistant"}
    (row,) = read(tmp_path, [record], roles=roles, fields={"conversations": "dialog_turns"})
    assert said(row["messages"]) == ["user: x", "assistant: y"]
    with pytest.raises(ValueError, match="cannot mean 'boss'"):
        Config(paths=("x",), source="s", roles={"Agent": "boss"})


# ---------------------------------------------------------------------------------------------- files


RECORDS = [record for record, _, _ in FORMS.values()] + [tree()]
SIMPLE = [
    {"messages": [{"role": "user", "content": f"{n}"}, {"role": "assistant", "content": "x" * n}]} for n in range(30)
]


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "array.json"])
def test_lines_and_arrays_packed_or_not_give_the_same(tmp_path: Path, pack: str, name: str) -> None:
    lines = "\n".join(map(json.dumps, RECORDS))
    text = json.dumps(RECORDS, indent=1) if name.startswith("array") else lines
    path = tmp_path / (name if pack == "plain" else f"{name}.{pack}")
    path.write_bytes(PACKS[pack](text.encode()))
    found = assert_resumes(STAGE, path, Config(paths=("x",), source="s"))
    assert [row["messages"] for row in found] == [row["messages"] for row in read(tmp_path, RECORDS)]


@pytest.mark.parametrize("kind", ["parquet", "arrow", "arrows"])
def test_tables_give_what_lines_give(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.{kind}"
    records = [record | {"note": None if number % 2 else {"stars": number}} for number, record in enumerate(SIMPLE)]
    table = pa.Table.from_pylist(records)
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=7)
    elif kind == "arrow":
        pa.feather.write_feather(table, path, chunksize=7)
    else:
        with pa.OSFile(str(path), "wb") as out, pa.ipc.new_stream(out, table.schema) as writer:
            writer.write_table(table, 7)
    rows = assert_resumes(STAGE, path, Config(paths=("x",), source="s"))
    assert [row["messages"] for row in rows] == [row["messages"] for row in read(tmp_path, SIMPLE)]
    assert [json.loads(row["metadata"]).get("note") for row in rows[:3]] == [{"stars": 0}, None, {"stars": 2}]


def test_bytes_and_large_rows_of_tables_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    turns = [[{"role": "user", "content": b"\x89PNG"}], [{"role": "user", "content": b"x" * 5000}]]
    pq.write_table(pa.table({"messages": turns}), path)
    rows = assert_resumes(STAGE, path, Config(paths=("x",), source="s", max_record_bytes=4000))
    assert [row["reason"] for row in rows] == ["not_text", "record_too_large"]


def test_a_damaged_table_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and nothing more")
    (row,) = assert_resumes(STAGE, tmp_path / "x.parquet", Config(paths=("x",), source="s"))
    assert row["reason"] == "damaged_input"


def test_what_stands_beside_a_data_set_is_no_data(tmp_path: Path) -> None:
    for name in ("dataset_info.json", "state.json", "train/dataset_info.json", "train/data-0.arrow", "a.jsonl.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    splits = STAGE.splits(Config(paths=(str(tmp_path),), source="s"))
    assert [split.name for split in splits] == ["a.jsonl.gz", "train/data-0.arrow"]


def test_a_message_of_100_mb_has_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"text":"%s"}\n{"text":"next"}\n' % (b"x" * (100 << 20)))
    first, second = assert_resumes(STAGE, path, Config(paths=("x",), source="s"))
    assert (first["reason"], second["reason"]) == ("record_too_large", None)


# ---------------------------------------------------------------------------------------------- anything


KEYS = (
    "messages", "conversations", "role", "from", "content", "value", "tool_calls", "function", "name", "arguments",
    "chosen", "rejected", "prompt", "replies", "text", "instruction", "input", "output", "instances", "question",
    "history", "system", "tools", "type", "weight", "train", "user", "assistant", "id",
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5))
def test_whatever_the_record_it_is_read_or_has_a_reason(record: dict[str, Any]) -> None:
    reasons: list[str] = []
    talks: list[Any] = []
    try:
        talks += read_talks(record, "auto", ROLES, LIMIT)
    except Unfit as unfit:
        reasons.append(unfit.reason)
    assert set(reasons) <= set(STAGE.reasons)
    assert talks or reasons
    for talk in talks:
        pa.array([talk.messages], STAGE.adds_for(Config(paths=("x",), source="s")).field("messages").type)
