"""Real conversations: which prompts stand there twice, or are answered in several ways, and how they are split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from stages.chat import conflicts, dedup
from stages.split import parts
from tests.real.test_conversations import FILES, batches
from tests.stages.dedup.exchange import judged

CUT = 10_000
# By file: copies that `chat.dedup` finds (the same in normal form, and near ones), and conversations whose prompt has
# several short answers.
FOUND = dict.fromkeys(FILES, (0, 0, 0)) | {
    "BFCL_v4_multiple": (4, 0, 0),
    "dolly_hhrlhf_small": (1, 3, 0),
    "fastchat_dummy_conversation": (346, 0, 0),
    "llamafactory/alpaca_en_demo": (14, 0, 0),
    "llamafactory/alpaca_zh_demo": (8, 1, 0),
    "llamafactory/dpo_en_demo": (5, 0, 0),
    "llamafactory/dpo_zh_demo": (11, 0, 0),
    "llamafactory/glaive_toolcall_en_demo": (73, 0, 0),
    "llamafactory/glaive_toolcall_zh_demo": (60, 10, 0),
    "llamafactory/kto_en_demo": (3, 0, 0),
    "llamafactory/reason_tool_use_demo_50": (3, 0, 0),
    "llamafactory/v1_sft_demo": (3, 0, 0),
    "oasst_en_100_tree": (287, 32, 2),
}


def shard(root: Path, name: str) -> pa.RecordBatch:
    """The conversations of a file."""
    table = pa.Table.from_batches(batches(root / "sft" / f"{name}.jsonl.gz"))
    table = table.filter(table["reason"].is_null()).select(["messages", "rejected", "tools"]).combine_chunks()
    (batch,) = table.to_batches()
    ids = pa.array([f"{name}#{row:05d}" for row in range(len(batch))])
    return batch.append_column("id", ids).append_column("text", pa.nulls(len(batch), pa.large_string()))


def reasons(batch: pa.RecordBatch, config: dedup.Config) -> list[str | None]:
    assert dedup.STAGE.decide is not None
    (columns,) = judged(dedup.STAGE, config, [batch], cut=CUT)
    return dedup.STAGE.decide(columns, config).to_pylist()


@pytest.mark.full
def test_copies_and_conflicts_by_file(real_data: Path) -> None:
    print("\nfile | conversations | the same | near | whole the same | in conflict")
    found = {}
    for name in FILES:
        batch = shard(real_data, name)
        left = reasons(batch, dedup.Config())
        whole = reasons(batch, dedup.Config(on="conversation", fuzzy=False))
        (counted,) = judged(conflicts.STAGE, conflicts.Config(), [batch], cut=CUT)
        several = int(np.sum(np.asarray(counted["answers"].fill_null(0)) > 1))
        found[name] = (left.count("duplicate"), left.count("near_duplicate"), several)
        same = len(whole) - whole.count(None)
        print(name, len(batch), found[name][0], found[name][1], same, several, sep=" | ")
    assert found == FOUND


@pytest.mark.full
def test_a_split_of_all_files_parts_no_prompts_that_are_the_same(real_data: Path) -> None:
    shards = [shard(real_data, name) for name in FILES]
    config = parts.Config(parts={"train": 8, "validation": 1, "test": 1})
    sides: dict[Any, set[str]] = {}
    total = dict.fromkeys(config.parts, 0)
    for batch, columns in zip(shards, judged(parts.STAGE, config, shards, cut=CUT), strict=True):
        talks: list[Any] = batch["messages"].to_pylist()
        named: list[Any] = columns["split"].to_pylist()
        for messages, part in zip(talks, named, strict=True):
            asked = tuple(each["content"] for each in messages if each["role"] == "user")
            sides.setdefault(asked or messages[0]["content"], set()).add(part)
            total[part] += 1
    print("\n", total)
    assert max(len(each) for asked, each in sides.items() if any(asked)) == 1
    assert 0.7 < total["train"] / sum(total.values()) < 0.9
