"""Real conversations in every form: all of them are read, come back the same, and what is wrong with them."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from datapipe.stage import Split
from stages.chat.validate import Config as Checks
from stages.chat.validate import decide_reasons, process
from stages.read import conversations as reading
from stages.write import conversations as writing

# Documents of each file, as its README counts its records; of trees, answers behind which there is no other.
FILES = {
    "BFCL_v4_multi_turn_base": 200,
    "BFCL_v4_multiple": 200,
    "BFCL_v4_simple_python": 400,
    "dolly_hhrlhf_small": 1000,
    "fastchat_dummy_conversation": 500,
    "kdconv_film_test": 150,
    "kdconv_music_test": 150,
    "kdconv_travel_test": 150,
    "llamafactory/alpaca_en_demo": 999,
    "llamafactory/alpaca_zh_demo": 1000,
    "llamafactory/dpo_en_demo": 300,
    "llamafactory/dpo_zh_demo": 300,
    "llamafactory/glaive_toolcall_en_demo": 300,
    "llamafactory/glaive_toolcall_zh_demo": 300,
    "llamafactory/kto_en_demo": 300,
    "llamafactory/reason_tool_use_demo_50": 50,
    "llamafactory/v1_sft_demo": 500,
    "oasst_en_100_tree": 546,
    "self_instruct_seed_tasks": 175,
}
# What leaves by default. The files of BFCL are prompts: nobody answers them, and one prompt follows the other.
DROPPED = {
    "BFCL_v4_multi_turn_base": {"out_of_turn": 197, "no_answer": 3},
    "BFCL_v4_multiple": {"no_answer": 200},
    "BFCL_v4_simple_python": {"no_answer": 400},
    "kdconv_travel_test": {"no_answer": 1},
    "llamafactory/glaive_toolcall_zh_demo": {"orphan_result": 2},
}
MARKED = ("unanswered_calls", "truncated", "open_fences", "open_tags", "refusals", "leaks", "template_marks")


def batches(path: Path) -> list[Any]:
    config = reading.Config(paths=(str(path),), source="s")
    splits: list[Split] = reading.splits(config)
    return [batch for split in splits for batch in reading.read(split, config, 0)]


def records(path: Path) -> list[Any]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def answers(node: dict[str, Any]) -> tuple[int, bool]:
    """How many answers have none behind them, and whether there is one at all: counted the way they are described."""
    below = [answers(reply) for reply in node["replies"]]
    found = sum(count for count, _ in below)
    if node["role"] == "assistant" and not any(has for _, has in below):
        return 1, True
    return found, any(has for _, has in below)


@pytest.mark.parametrize("name", FILES)
def test_every_record_is_read_and_written_the_same(real_data: Path, name: str) -> None:
    path = real_data / "sft" / f"{name}.jsonl.gz"
    given, found = records(path), batches(path)
    assert sum(len(batch) for batch in found) == FILES[name]
    assert not [reason for batch in found for reason in batch["reason"].to_pylist() if reason]
    target = io.BytesIO()
    columns = list(writing.READS)
    config = writing.Config(form="as_read", compression="none")
    writing.write((batch.select(columns) for batch in found), target, config)
    written = [json.loads(line) for line in target.getvalue().splitlines()]
    if "tree" in name:
        assert FILES[name] == sum(answers(record["prompt"])[0] for record in given)
        assert all(record["messages"][-1]["role"] == "assistant" for record in written)
    else:
        assert written == given


@pytest.mark.parametrize("name", DROPPED)
def test_what_leaves_by_default(real_data: Path, name: str) -> None:
    reasons: Counter[str] = Counter()
    for batch in batches(real_data / "sft" / f"{name}.jsonl.gz"):
        measured = process(batch.select(["messages", "rejected"]), Checks(), None)
        reasons.update(filter(None, decide_reasons(measured, Checks()).to_pylist()))
    assert dict(reasons) == DROPPED[name]


@pytest.mark.full
def test_what_each_check_finds(real_data: Path) -> None:
    print(f"\n{'file':40} {'all':>5} {'left':>5} " + " ".join(f"{name[:10]:>10}" for name in (*MARKED, "language")))
    for name, size in FILES.items():
        counts: Counter[str] = Counter()
        for batch in batches(real_data / "sft" / f"{name}.jsonl.gz"):
            measured = process(batch.select(["messages", "rejected"]), Checks(), None)
            reasons = decide_reasons(measured, Checks())
            counts["left"] += len(reasons) - reasons.null_count
            for mark in MARKED:
                counts[mark] += sum(bool(count) for count in measured[mark].to_pylist())
            strict = decide_reasons(measured, Checks(same_language=True))
            counts["language"] += strict.to_pylist().count("wrong_language")
        assert counts["left"] == sum(DROPPED.get(name, {}).values())
        numbers = " ".join(f"{counts[mark]:>10}" for mark in (*MARKED, "language"))
        print(f"{name:40} {size:>5} {counts['left']:>5} {numbers}")


def test_a_folder_that_datasets_saved_is_read(real_data: Path, tmp_path: Path) -> None:
    given = records(real_data / "sft/llamafactory/kto_en_demo.jsonl.gz")
    (tmp_path / "kto.json").write_text(json.dumps(given), encoding="utf-8")
    program = (  # by itself, for it brings pandas along
        "import json, sys, datasets\n"
        "made = datasets.Dataset.from_list(json.load(open(sys.argv[1], encoding='utf-8')))\n"
        "datasets.DatasetDict(train=made).save_to_disk(sys.argv[2])\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "kto.json"), str(tmp_path / "saved")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (batch,) = batches(tmp_path / "saved")
    lines = batches(real_data / "sft/llamafactory/kto_en_demo.jsonl.gz")
    assert batch["messages"].to_pylist() == lines[0]["messages"].to_pylist()
    assert batch["file"][0].as_py() == "train/data-00000-of-00001.arrow"


RECIPE = """
run: run
stages:
  chats: {{use: read.conversations, paths: {paths}, source: chats, shard_bytes: 30000}}
  checked: {{use: chat.validate}}
  files: {{use: write.conversations, form: sharegpt, columns: [id], compression: none}}
"""


RUN = ("oasst_en_100_tree", "llamafactory/reason_tool_use_demo_50", "llamafactory/glaive_toolcall_zh_demo")


def test_a_run_from_files_to_sharegpt(real_data: Path, tmp_path: Path) -> None:
    """Small shards, which part the ways of a tree; what is not stored is read again from the middle of them."""
    paths = json.dumps([f"{real_data}/sft/{name}.jsonl.gz" for name in RUN])
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(paths=paths), encoding="utf-8")
    command = [sys.executable, "-m", "datapipe", "run", "recipe.yaml", "--local"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    files = [path for path in (tmp_path / "run/files").rglob("*.jsonl") if "records" not in path.name]
    written = [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    bases = [
        pq.read_table(path, columns=["id"]) for path in (tmp_path / "run/chats").glob("*-[0-9][0-9][0-9][0-9].parquet")
    ]
    ids = {one for table in bases for one in table["id"].to_pylist()}
    given, left = (sum(FILES[name] for name in RUN), sum(sum(DROPPED.get(name, {}).values()) for name in RUN))
    assert (len(ids), len(written)) == (given, given - left)
    assert {record["id"] for record in written} < ids
    assert len(bases) > 20
    assert all(record["conversations"] for record in written)
