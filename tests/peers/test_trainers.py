"""Readers of other trainers find in our exports what `write.packed` and the documents hold, token by token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from datapipe.algo.packing import best_fit, cut_long
from tests.peers.trainers import theirs
from tests.run.workbench import Done, Workbench, corpus

LENGTH = 512
NO = -100


@pytest.fixture(scope="module")
def made(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Pages and conversations, tokenised with loss masks, packed and not, in every form."""
    stages: dict[str, dict[str, Any]] = {
        "pages": {"use": "read.warc", "paths": [f"{real_data}/warc/archives*/example.warc.gz"], "source": "web"},
        "main": {"use": "extract"},
        "texts": {
            "use": "read.jsonl",
            "paths": [f"{real_data}/raw/{name}.jsonl.gz" for name in ("c4_demo_300", "oiwiki_zh", "peps")],
            "source": "texts",
            "from": [],
        },
        "chats": {
            "use": "read.conversations",
            "paths": [f"{real_data}/sft/llamafactory/*.jsonl.gz", f"{real_data}/sft/*.jsonl.gz"],
            "source": "chats",
            "from": [],
        },
        "tokens": {"use": "tokenize", "from": ["main", "texts", "chats"], "tokenizer": {"train": {"vocabulary": 4000}}},
        "packed": {"use": "pack", "length": LENGTH},
        "arrow": {"use": "write.packed", "from": "packed", "file_tokens": 300_000},
        "mds": {"use": "write.mds", "from": "packed", "file_tokens": 300_000},
        "zstd": {"use": "write.mds", "from": "packed", "file_tokens": 300_000, "compression": "zstd"},
        "indexed": {"use": "write.megatron", "from": "packed", "file_tokens": 300_000},
        "wide": {"use": "write.megatron", "from": "tokens", "dtype": "int32"},
        "hub": {"use": "write.hub", "from": ["main", "texts"], "columns": ["id", "text", "source"]},
        "talks": {"use": "write.conversations", "from": "chats", "compression": "none"},
        "pairs": {"use": "write.conversations", "from": "chats", "form": "pairs"},
    }
    return Workbench(tmp_path_factory.mktemp("exports")).run("run", stages)


def ours(done: Done) -> list[dict[str, Any]]:
    """The packed sequences, in order."""
    files = sorted((done.folder / "arrow").glob("*.arrow"))
    assert len(files) > 2
    return [row for path in files for row in pa.ipc.open_stream(path.read_bytes()).read_all().to_pylist()]


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("stage", ["mds", "zstd"])
def test_streaming_reads_every_token_label_and_bound(made: Done, tmp_path: Path, stage: str) -> None:
    found, mine = theirs("streaming", made.folder / stage, tmp_path), ours(made)
    assert found["iterated"] == mine
    assert found["indexed"] == mine
    print(f"{len(mine)} sequences, {sum(len(row['input_ids']) for row in mine)} tokens")


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_megatron_core_reads_every_piece_and_packed_sequence(made: Done, tmp_path: Path) -> None:
    files = theirs("megatron", made.folder / "indexed", tmp_path)
    assert {file["dtype"] for file in files.values()} == {"uint16"}
    found = []
    for name in sorted(files):
        pieces, bounds = files[name]["sequences"], files[name]["bounds"]
        found += [pieces[first:last] for first, last in pairwise(bounds)]
    assert found == [list(_pieces(row)) for row in ours(made)]


def _pieces(row: dict[str, Any]) -> Iterator[list[int]]:
    ends = np.cumsum([0, *row["seq_lengths"]]).tolist()
    return (row["input_ids"][first:last] for first, last in pairwise(ends))


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_megatron_core_reads_every_document(made: Done, tmp_path: Path) -> None:
    (file,) = theirs("megatron", made.folder / "wide", tmp_path).values()
    known = corpus(made, "tokens")
    assert file["dtype"] == "int32"
    assert file["bounds"] == list(range(len(known) + 1))
    assert sorted(file["sequences"]) == sorted(row["tokens"] for row in known.values())
    print(f"{len(known)} documents, {sum(map(len, file['sequences']))} tokens")


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_trl_trains_on_the_tokens_that_we_mark_and_its_positions_begin_with_each_document(
    made: Done, tmp_path: Path
) -> None:
    found, mine = theirs("trl", made.folder / "arrow", tmp_path, batch=4), ours(made)
    assert set(found["columns"]) == {"input_ids", "labels", "seq_lengths"}
    trained = 0
    for at, batch in enumerate(found["batches"]):
        rows = mine[4 * at : 4 * at + 4]
        assert batch["input_ids"] == [token for row in rows for token in row["input_ids"]]
        assert batch["labels"] == [label for row in rows for label in row["labels"]]
        lengths = [length for row in rows for length in row["seq_lengths"]]
        assert batch["position_ids"] == [place for length in lengths for place in range(length)]
        assert batch["cu_seq_lens_q"] == np.cumsum([0, *lengths]).tolist()
        trained += sum(label != NO for label in batch["labels"])
    manifest = json.loads((made.folder / "arrow" / "manifest.json").read_text())
    assert 0 < trained == manifest["trained"] < manifest["tokens"]
    assert len(found["batches"]) == -(-len(mine) // 4)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_load_dataset_reads_the_folder_for_the_hub(made: Done, tmp_path: Path) -> None:
    found = theirs("hub", made.folder / "hub", tmp_path)
    known = corpus(made, "main") | corpus(made, "texts")
    assert {row["id"]: row["text"] for row in found["rows"]} == {key: row["text"] for key, row in known.items()}
    assert len(found["rows"]) == len(known) > 1000
    assert [name for name, _ in found["features"]] == ["id", "text", "source"]


# ---------------------------------------------------------------------------------------------- packing


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_trl_packs_the_same_lengths_into_as_many_sequences(made: Done, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    known = corpus(made, "tokens").values()
    lengths = {
        "texts": [len(row["tokens"]) for row in known if row["source"] != "chats"],
        "chats": [len(row["tokens"]) for row in known if row["source"] == "chats"],
        "lognormal": (1 + np.exp(rng.normal(6.0, 1.0, 20_000)).astype(int)).tolist(),
    }
    (tmp_path / "lengths.json").write_text(json.dumps(lengths))
    sizes = (2048, 4096)
    found = theirs("trl_packs", tmp_path, tmp_path, sizes=sizes, strategy="bfd_split")
    for name, values in lengths.items():
        for size in sizes:
            pieces = cut_long(np.array(values), size)
            mine = int(best_fit(pieces.lengths, size).max()) + 1
            print(f"{name} {size}: {len(values)} documents, {mine} sequences, TRL {found[f'{name} {size}']}")
            assert abs(mine - found[f"{name} {size}"]) <= 0.005 * found[f"{name} {size}"]


@pytest.mark.full
@pytest.mark.timeout(600)
def test_trl_gives_the_known_answer(tmp_path: Path) -> None:
    rows = [[1, 2, 3], [4, 5, 6, 7], [8]]
    assert theirs("trl_packs_tokens", tmp_path, tmp_path, rows=rows, size=4) == [[4, 5, 6, 7], [1, 2, 3, 8]]
