"""write.conversations: the lines of its README, which others' loaders must follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from datapipe.schema import COLUMNS
from stages.write.conversations import STAGE, Config
from tests.stages.write.test_conversations import CALLING, TURNS, beside

CALLED = {"messages": CALLING, "tools": '[{"name": "f"}]', "metadata": '{"id": "7"}'}
PLAIN = {"messages": [TURNS[0], {"role": "assistant", "content": "a"}], "metadata": '{"topic": {"a": 1}}'}
PAIRED = {"messages": PLAIN["messages"], "rejected": [{"role": "assistant", "content": "b"}], "metadata": "{}"}


def folder_of(folder: Path, form: str, files: dict[str, list[dict[str, Any]]]) -> str:
    """Files as a run writes them, with all that stands beside; the README."""
    config = Config.model_validate({"form": form, "compression": "none"})
    facts = {}
    for name, rows in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        layout = pa.schema([(column, COLUMNS[column]) for column in ("messages", "rejected", "tools", "metadata")])
        with path.open("wb") as target:
            written = STAGE.write(iter([pa.RecordBatch.from_pylist(rows, layout)]), target, config)
        assert written is not None
        facts[name] = {"documents": len(rows), "bytes": 1, **written.facts}
    return beside(form, facts)["README.md"]


def loaded(readme: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the lines for TRL load, but for the trainer itself."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(folder / "cache"))
    code = readme.partition("```python\n")[2].partition("```")[0].replace("FOLDER", str(folder))
    lines = [line for line in code.splitlines() if not line.startswith(("from trl", "trainer ="))]
    names: dict[str, Any] = {}
    exec("\n".join(lines).replace("split=split)", f"split=split, cache_dir={str(folder / 'cache')!r})"), names)
    return names


def test_the_lines_for_trl_load_files_of_which_each_has_other_fields(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = folder_of(tmp_path, "messages", {"a.jsonl": [PLAIN], "b.jsonl": [CALLED], "c.jsonl": [PAIRED]})
    dataset = loaded(readme, tmp_path, monkeypatch)["dataset"]
    assert [record["messages"][1].get("content") for record in dataset] == ["a", None, "a"]
    assert [record["tools"] for record in dataset] == [None, [{"name": "f"}], None]
    entries = [line.strip() for line in readme.splitlines() if "data_files:" in line]
    assert entries == [f'data_files: ["{name}.jsonl"]' for name in "abc"]


def test_what_is_held_out_is_not_loaded_to_train_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{part}/x.jsonl": [PLAIN] * count for part, count in (("test", 1), ("train", 2), ("validation", 3))}
    readme = folder_of(tmp_path, "messages", files)
    names = loaded(readme, tmp_path, monkeypatch)
    assert (len(names["dataset"]), len(names["held_out"])) == (2, 3)
    assert "dataset: train-x\neval_dataset: validation-x\n" in readme
    axolotl = readme.partition("```yaml\n")[2].partition("```")[0]
    told = yaml.safe_load(axolotl)
    assert [entry["data_files"] for entry in told["datasets"]] == [["train/*.jsonl*"]]
    assert [(entry["data_files"], entry["split"]) for entry in told["test_datasets"]] == [
        (["validation/*.jsonl*"], "train")
    ]


def test_folders_that_are_no_parts_are_all_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = folder_of(tmp_path, "messages", {"en/x.jsonl": [PLAIN], "zh-Hans/x.jsonl": [CALLED, PLAIN]})
    assert len(loaded(readme, tmp_path, monkeypatch)["dataset"]) == 3
    assert "dataset: en-x,zh-Hans-x\n" in readme


def test_records_without_rejected_turns_are_counted_and_are_no_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = folder_of(tmp_path, "pairs", {"a.jsonl": [PLAIN, PAIRED], "b.jsonl": [CALLED]})
    assert "2 records have no `rejected`" in readme
    assert "here they are lists of turns" in readme
    (pair,) = loaded(readme, tmp_path, monkeypatch)["dataset"]
    assert pair["rejected"] == [{"role": "assistant", "content": "b"}]
    none = folder_of(tmp_path, "pairs", {"a.jsonl": [PLAIN], "b.jsonl": [CALLED]})
    assert "SFTTrainer" in none
    assert "DPOTrainer" not in none
    assert len(loaded(none, tmp_path, monkeypatch)["dataset"]) == 2
