"""Shots come from training data of other clusters, the same ones however the corpus is cut."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datapipe.errors import InputError
from stages.chat.shots import Config, decide_reasons, process
from stages.chat.shots._pool import POOL, PoolConfig, build, merge, sketch
from tests.stages.chat.talk_batches import asked, batch_of, told
from tests.stages.tokenize.talks import call, message


def shown(parts: Sequence[pa.RecordBatch], folder: Path, **options: Any) -> list[dict[str, Any]]:
    """The rows that come out, of a pool made of the same batches."""
    config = Config(**{"part": "part", "apart": (), "seed": 3, "zero_shot": 0, **options})
    target = folder / str(len(list(folder.iterdir())))
    target.mkdir()
    build(merge([sketch(part, config) for part in parts]), config, target)
    found: list[dict[str, Any]] = []
    for part in parts:
        out = process(part, config, target)
        rows = [out.column(at).to_pylist() for at in range(out.num_columns)]
        found += [dict(zip(out.schema.names, values, strict=True)) for values in zip(*rows, strict=True)]
    return found


def questions(count: int, **given_: Any) -> pa.RecordBatch:
    talks = [asked(f"question {row}", f"answer {row}", reasoning="Hm." if row % 2 else None) for row in range(count)]
    return batch_of(talks, **{"part": ["train"] * count, "source": ["s"] * count, **given_})


def test_shots_are_turns_without_loss_before_the_question(tmp_path: Path) -> None:
    talks = [
        [message("system", "Be brief."), *asked(f"question {row}", f"answer {row}", weight=2.0)] for row in range(9)
    ]
    for row, each in enumerate(shown([batch_of(talks, part=["train"] * 9)], tmp_path, shots=3)):
        shots = [int(key[1:]) for key in each["shots"]]
        assert each["count"] == each["wanted"] == len(shots) >= 1
        assert len(set(shots) | {row}) == len(shots) + 1
        said = [(one["role"], one["content"], one["train"], one["weight"]) for one in each["messages"]]
        pairs = [(("user", f"question {at}", False, None), ("assistant", f"answer {at}", False, None)) for at in shots]
        assert said == [
            ("system", "Be brief.", None, None),
            *(one for pair in pairs for one in pair),
            ("user", f"question {row}", None, None),
            ("assistant", f"answer {row}", None, 2.0),
        ]


def test_shots_may_stand_in_the_question(tmp_path: Path) -> None:
    batch = questions(40, language=["en", "zh-TW", None, "de"] * 10)
    layouts = {"en": ("Q: {question}\nA: {answer}", "<{question}> {answer}!"), "zh": ("问 {question} 答 {answer}",)}
    written = {"en.0": ("Q: {}\nA: {}", "Q: {}\nA:"), "en.1": ("<{}> {}!", "<{}>"), "zh.0": ("问 {} 答 {}", "问 {} 答")}
    found = shown([batch], tmp_path, style="prompt", layouts=layouts)
    for row, each in enumerate(found):
        shot, last = written[each["layout"]]
        parts = [shot.format(f"question {key[1:]}", f"answer {key[1:]}") for key in each["shots"]]
        prompt = "\n\n".join([*parts, last.format(f"question {row}")])
        assert told(pa.array([each["messages"]], batch["messages"].type)) == [
            [("user", prompt), ("assistant", f"answer {row}")]
        ]
        assert (each["layout"] == "zh.0") == (row % 4 == 1)
    assert {each["layout"] for each in found} == set(written)


def test_a_share_is_zero_shot_and_the_others_get_each_number_alike(tmp_path: Path) -> None:
    wanted = Counter(each["wanted"] for each in shown([questions(400)], tmp_path, zero_shot="25%", shots=3))
    assert wanted.keys() == {0, 1, 2, 3}
    assert all(65 <= number <= 135 for number in wanted.values())  # 100 each, sigma 8.7


@pytest.mark.parametrize(
    "talk",
    [
        None,
        [],
        [*asked("a", "b"), *asked("c", "d")],
        [message("user", "a")],
        [message("user", "a"), message("assistant", "b", tool_calls=[call("f", "{}")])],
        [message("user", "a"), message("tool", "x"), message("assistant", "b")],
        [message("user", " "), message("assistant", "b")],
    ],
)
def test_only_one_question_with_one_answer_gives_or_gets_shots(talk: Any, tmp_path: Path) -> None:
    batch = batch_of([talk, asked("x", "y")], part=["train"] * 2)
    odd, other = shown([batch], tmp_path)
    assert odd["messages"] == batch["messages"][0].as_py()
    assert (odd["shots"], odd["count"], odd["wanted"]) == ([], None, None)
    assert other["shots"] == []


def test_long_exchanges_and_those_with_tools_are_no_shots(tmp_path: Path) -> None:
    batch = questions(6, tools=[None, "[]", None, None, None, None])
    talks = [*batch["messages"].to_pylist()[:5], asked("q" * 50, "a" * 51)]
    batch = batch.set_column(0, "id", batch["id"])
    batch = batch.set_column(
        batch.schema.get_field_index("messages"), "messages", pa.array(talks, batch["messages"].type)
    )
    given_ = {key for each in shown([batch], tmp_path, shots=5, max_characters=100) for key in each["shots"]}
    assert given_ == {"d0", "d2", "d3", "d4"}


def test_shots_are_of_the_same_group(tmp_path: Path) -> None:
    batch = questions(60, source=["a", "b", None] * 20)
    for row, each in enumerate(shown([batch], tmp_path)):
        assert each["shots"]
        assert {int(key[1:]) % 3 for key in each["shots"]} == {row % 3}
    mixed = {int(key[1:]) % 3 for each in shown([batch], tmp_path, by=None) for key in each["shots"]}
    assert mixed == {0, 1, 2}


def test_children_of_one_document_are_no_shots_for_each_other(tmp_path: Path) -> None:
    ids = ["a#0", "a#1", "a#2#0", "b#0"]
    found = shown([questions(4, id=ids)], tmp_path, shots=1)
    assert [each["shots"] for each in found[:3]] == [["b#0"]] * 3
    assert found[3]["shots"][0].startswith("a")


def test_the_same_prompt_in_other_signs_is_no_shot(tmp_path: Path) -> None:
    batch = batch_of([asked("How far?", "a"), asked(" how FAR", "b"), asked("How near?", "c")], part=["train"] * 3)
    found = shown([batch], tmp_path, shots=2)
    assert [each["shots"] for each in found[:2]] == [["d2"], ["d2"]]
    assert len(found[2]["shots"]) == 1  # of one prompt one shot is in the pool
    assert [each["count"] for each in found] == [1, 1, 1]


def test_too_few_shots_are_a_reason_only_where_asked(tmp_path: Path) -> None:
    config = Config(part="part", apart=(), shots=64, zero_shot=0, lacking="drop")
    rows = shown([questions(3)], tmp_path, shots=64)
    lacks = [each["count"] < each["wanted"] for each in rows]
    assert any(lacks)
    measured = pa.RecordBatch.from_arrays(
        [pa.array([each[name] for each in rows], pa.int32()) for name in ("count", "wanted")], names=["count", "wanted"]
    )
    reasons = ["too_few_shots" if each else None for each in lacks]
    assert decide_reasons(measured, config).to_pylist() == reasons
    assert decide_reasons(measured, config.model_copy(update={"lacking": "keep"})).null_count == 3


# ---------------------------------------------------------------------------------------------- leaks

DOCUMENTS = st.lists(
    st.tuples(
        st.sampled_from(["train", "val", "test", None]),
        st.sampled_from(["c1", "c2", "c3", None]),
        st.integers(0, 5),  # the prompt
        st.sampled_from(["s", "t"]),
    ),
    min_size=1,
    max_size=24,
)


@settings(max_examples=40)
@given(DOCUMENTS, st.integers(0, 5), st.sampled_from(["turns", "prompt"]))
def test_no_shot_is_of_another_part_or_of_the_documents_own_cluster(
    documents: list[tuple[str | None, str | None, int, str]], seed: int, style: str
) -> None:
    parts, clusters, prompts, groups = zip(*documents, strict=True)
    talks = [asked(f"prompt {prompt}", f"unique {row}.") for row, prompt in enumerate(prompts)]
    batch = batch_of(talks, part=parts, cluster=clusters, source=groups)
    with tempfile.TemporaryDirectory() as folder:
        found = shown([batch], Path(folder), apart=("cluster",), shots=5, seed=seed, style=style)
    for row, each in enumerate(found):
        text = "\n".join(one["content"] for one in each["messages"])
        shots = [at for at in range(len(talks)) if at != row and f"unique {at}." in text]
        assert sorted(int(key[1:]) for key in each["shots"]) == shots
        for shot in shots:
            assert parts[shot] == "train"
            assert clusters[shot] is None or clusters[shot] != clusters[row]
            assert prompts[shot] != prompts[row]
            assert groups[shot] == groups[row]


@pytest.mark.parametrize("apart", [(), ("cluster",)])
def test_without_the_column_of_clusters_their_documents_would_leak(tmp_path: Path, apart: tuple[str, ...]) -> None:
    """That the leak test can fail: near-duplicates are told by their cluster alone."""
    batch = questions(2, cluster=["c", "c"])
    assert [each["shots"] for each in shown([batch], tmp_path, apart=apart)] == (
        [["d1"], ["d0"]] if not apart else [[], []]
    )


def test_what_sets_near_copies_apart_must_be_said() -> None:
    with pytest.raises(ValidationError, match="apart"):
        Config.model_validate({"part": "part"})


# ---------------------------------------------------------------------------------------------- the same for any cut


@settings(max_examples=15)
@given(st.integers(2, 40), st.lists(st.integers(0, 40), max_size=4), st.randoms(use_true_random=False))
def test_cuts_and_order_of_the_corpus_change_nothing(count: int, cuts: list[int], random: Any) -> None:
    whole = questions(count, part=["train" if row % 3 else "test" for row in range(count)])
    order = list(range(count))
    random.shuffle(order)
    bounds = sorted({0, count, *(cut for cut in cuts if cut < count)})
    moved = whole.take(pa.array(order))
    parts = [moved.slice(low, high - low) for low, high in pairwise(bounds)]
    with tempfile.TemporaryDirectory() as folder:
        one, other = shown([whole], Path(folder)), shown(parts, Path(folder))
    assert [one[row] for row in order] == other


def test_the_pool_is_bounded_and_a_new_document_changes_few_prompts(tmp_path: Path) -> None:
    config = PoolConfig(part=None, apart=())
    size = POOL + 300
    pooled = sketch(questions(size), config)
    assert len(pooled) == POOL
    assert bool((np.diff(pooled["chance"].to_numpy()) > 0).all())
    before, after = (shown([questions(count)], tmp_path, shots=2, part=None) for count in (100, 101))
    changed = [row for row in range(100) if before[row]["shots"] != after[row]["shots"]]
    assert all("d100" in after[row]["shots"] for row in changed)
    assert len(changed) <= 8  # 1.5 of 100 shots on average


def test_a_column_of_too_many_values_is_one_clear_line() -> None:
    config = PoolConfig(part=None, apart=(), by="id")
    tables = [sketch(questions(1000, id=[f"{block}-{row}" for row in range(1000)]), config) for block in range(3)]
    with pytest.raises(InputError, match=r"`by` has more than 2,000 values.*set `by` to a column of fewer"):
        merge(tables)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "part"),
        ({"part": None, "apart": None}, "apart"),
        ({"part": None, "layouts": {"en": ("{answer} {question}",)}}, "{question} and then {answer}"),
        ({"part": None, "layouts": {"en": ("{question}",)}}, "{question} and then {answer}"),
        ({"part": None, "layouts": {"en": ("{question} {reply}",)}}, "{reply} is no placeholder"),
        ({"part": None, "layouts": {"de": ("{question} {answer}",)}}, "layouts has none of 'en'"),
        ({"part": None, "shots": 0}, "shots"),
    ],
)
def test_options_that_make_no_sense_are_told(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Config(**{"apart": (), **options})
    assert words in str(caught.value)


def test_columns_of_numbers_may_set_documents_apart(tmp_path: Path) -> None:
    batch = questions(40)
    numbered = batch.append_column("hash", pa.array(np.arange(40, dtype=np.uint64) // 10 + 2**63))
    found = shown([numbered], tmp_path, apart=("hash",), shots=3)
    given_ = [(row // 10, int(key[1:]) // 10) for row, each in enumerate(found) for key in each["shots"]]
    assert {*given_} == {(one, other) for one in range(4) for other in range(4) if one != other}
