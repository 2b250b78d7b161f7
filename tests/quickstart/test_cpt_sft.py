"""The recipe of pages and conversations ends with packed sequences whose ledger adds up and leads back to documents."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from datapipe.cli.main import cli
from datapipe.lineage import sequence_of
from tests.quickstart.conftest import ROOT


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the packed sequences."""
    folder = tmp_path_factory.mktemp("cpt_sft")
    shutil.copytree(ROOT / "samples", folder / "samples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(cli, ["run", str(ROOT / "configs/cpt_sft.yaml"), "--local"])
    assert result.exit_code == 0, result.output
    return folder / "runs/cpt_sft/out"


def test_pages_are_packed_once_and_conversations_of_both_kinds_twice(packed: Path) -> None:
    ledger: dict[str, Any] = json.loads((packed / "manifest.json").read_text(encoding="utf-8"))
    assert ledger["cut"] == 0
    assert ledger["tokens"] + ledger["padding"] == ledger["sequences"] * 1024
    layers = [pq.read_table(path) for path in sorted((packed.parent / "tokens").glob("*-[0-9][0-9][0-9][0-9].parquet"))]
    in_layers = [sum(count or 0 for count in layer["token_count"].to_pylist()) for layer in layers]
    assert sum(each["tokens"] for each in ledger["sources"].values()) == ledger["tokens"]
    web, general, domain = (ledger["sources"][name] for name in ("web", "general", "domain"))
    assert web["tokens"] + (general["tokens"] + domain["tokens"]) // 2 == sum(in_layers)
    assert [each["copies"] / each["documents"] for each in (web, general, domain)] == [1, 2, 2]
    assert ledger["trained"] < ledger["tokens"]


def test_trained_tokens_of_conversations_are_what_the_assistant_says(packed: Path) -> None:
    said = 0
    for number in range(8):
        sequence = sequence_of(str(packed), number)
        for stretch in sequence.stretches:
            if stretch.source == "web":
                continue
            trained = sequence.tokens[stretch.offset : stretch.stop][sequence.trained[stretch.offset : stretch.stop]]
            text = sequence.tokenizer.decode(trained.tolist(), skip_special_tokens=False)
            assert text.endswith("<|im_end|>") or stretch.stop == 1024
            assert "<|im_start|>" not in text
            said += len(trained)
    assert said > 100


def test_datasets_opens_them(packed: Path) -> None:
    datasets = importlib.import_module("datasets")  # a second, for one test
    opened = datasets.load_from_disk(str(packed))
    assert len(opened) == json.loads((packed / "manifest.json").read_text(encoding="utf-8"))["sequences"]
