"""write.packed, write.megatron and write.mds: every token, label and bound at its place, in layouts read by hand."""

from __future__ import annotations

import json
import struct
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.chance import chances
from datapipe.errors import InputError
from datapipe.stage import USAGE, Above
from stages.write import mds, megatron, packed
from tests.stages.write.token_exports import (
    beside,
    document,
    file_of,
    read_mds,
    read_megatron,
    tokenizer,
)

NO = -100


def piece(sequence: int, offset: int, start: int, end: int) -> dict[str, int]:
    return {"sequence": sequence, "offset": offset, "start": start, "end": end}


def span(start: int, end: int, weight: float = 1.0) -> dict[str, float]:
    return {"start": start, "end": end, "weight": weight}


# Sequence 3 holds all of b and the first half of a, sequence 7 the rest of a; of c, cut to 2 tokens, comes half.
PACKED = [
    document("a", [1, 2, 3, 4, 5], segments=[piece(3, 2, 0, 3), piece(7, 0, 3, 5)]),
    document("b", [6, 7], segments=[piece(3, 0, 0, 2)], loss=[span(1, 2)]),
    document("c", [8, 9, 10], segments=[piece(7, 2, 0, 2)], loss=[span(0, 3)]),
]
ALONE = [
    document("x", [1, 2, 3], positions=[{"part": 0, "position": 50}, {"part": 1, "position": 90}]),
    document("y", [4], positions=[{"part": 0, "position": 70}]),
    document("z", [], positions=[{"part": 0, "position": 10}]),
    document("w", [5, 6], positions=[]),
]


def test_pieces_of_packed_documents_are_sequences_of_megatron_and_packed_ones_its_documents() -> None:
    made = file_of(megatron.STAGE, megatron.Config(), PACKED)
    assert read_megatron(made.data, made.beside[".idx"]) == [[[6, 7], [1, 2, 3]], [[4, 5], [8, 9]]]
    manifest = json.loads(beside(megatron.STAGE, megatron.Config(), {"data.bin": made})["manifest.json"])
    # Labels: 7; 2, 3; 5; 9. Of 9 tokens 4 begin a piece, so no token loses that it carries no loss.
    assert (manifest["tokens"], manifest["pieces"], manifest["trained"], manifest["cut"]) == (9, 4, 5, 1)
    assert manifest["not_held"] == {"loss": 0, "loss_weights": 0}


def test_megatron_says_of_how_many_tokens_the_loss_is_lost() -> None:
    rows = [document("a", [1, 2, 3, 4, 5, 6], loss=[span(2, 4), span(5, 6, 0.5)])]
    made = file_of(megatron.STAGE, megatron.Config(), rows)
    small = beside(megatron.STAGE, megatron.Config(), {"data.bin": made})
    assert json.loads(small["manifest.json"])["not_held"] == {"loss": 2, "loss_weights": 1}  # 2 and 5; 6
    assert "2 tokens that carry no loss" in small[USAGE].decode()
    assert "--data-path 6 FOLDER/data " in small[USAGE].decode()


@pytest.mark.parametrize("stage", [megatron, mds])
def test_documents_that_no_packing_placed_stand_by_themselves_in_the_order_of_the_mixture(stage: Any) -> None:
    made = file_of(stage.STAGE, stage.Config(), ALONE)
    if stage is megatron:
        found = [tokens for (tokens,) in read_megatron(made.data, made.beside[".idx"])]
    else:
        found = [sample["input_ids"] for sample in read_mds(made.data)]
    assert found == [[1, 2, 3], [4], [1, 2, 3]]
    assert [(row["id"], row["sequence"]) for row in made.index] == [("x", 0), ("y", 1), ("x", 2)]


def test_without_a_mixture_documents_stand_where_their_ids_put_them() -> None:
    rows = [document(f"{at}", [at]) for at in range(20)]
    made = file_of(megatron.STAGE, megatron.Config(), rows)
    order = np.argsort(chances(pa.array([row["id"] for row in rows]), 0, "sequence")).tolist()
    assert [tokens for (tokens,) in read_megatron(made.data, made.beside[".idx"])] == [[at] for at in order]
    assert order != sorted(order)


def test_a_sample_of_mds_holds_tokens_labels_and_bounds() -> None:
    made = file_of(mds.STAGE, mds.Config(), PACKED)
    assert list(read_mds(made.data)) == [
        {"input_ids": [6, 7, 1, 2, 3], "labels": [NO, 7, NO, 2, 3], "seq_lengths": [2, 3]},
        {"input_ids": [4, 5, 8, 9], "labels": [NO, 5, NO, 9], "seq_lengths": [2, 2]},
    ]


def test_weights_of_loss_are_a_column_of_mds_or_refused() -> None:
    rows = [document("a", [1, 2, 3], loss=[span(0, 2, 0.5)])]
    with pytest.raises(InputError, match="loss weight other than 0 and 1; set `loss_weights: true`"):
        file_of(mds.STAGE, mds.Config(), rows)
    (sample,) = read_mds(file_of(mds.STAGE, mds.Config(loss_weights=True), rows).data)
    assert (sample["labels"], sample["loss_weights"]) == ([NO, 2, NO], [0, 0.5, 0])


def test_lengths_of_arrays_take_as_many_bytes_as_they_need() -> None:
    rows = [document("a", list(range(count))) for count in (255, 256, 65_535, 65_536)]
    for row in rows:
        (sample,) = read_mds(file_of(mds.STAGE, mds.Config(), [row]).data)
        assert sample["input_ids"] == row["tokens"]


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_the_index_of_mds_names_each_shard_that_has_samples_with_its_sizes(compression: Any) -> None:
    config = mds.Config(compression=compression)
    name = f"data-00000-of-00002{mds.suffix(config)}"
    files = {name: file_of(mds.STAGE, config, PACKED), f"data-00001-of-00002{mds.suffix(config)}": _empty(config)}
    index = json.loads(beside(mds.STAGE, config, files)["index.json"])
    (shard,) = index["shards"]
    assert (index["version"], shard["samples"], shard["format"]) == (2, 2, "mds")
    assert shard["raw_data"]["basename"] == "data-00000-of-00002.mds"
    data = files[name].data
    if compression == "zstd":
        assert shard["zip_data"] == {"basename": name, "bytes": len(data), "hashes": {}}
        assert zstandard.frame_content_size(data) == shard["raw_data"]["bytes"]
        data = zstandard.ZstdDecompressor().decompress(data)
    assert len(data) == shard["raw_data"]["bytes"]
    assert len(list(read_mds(data))) == 2


def _empty(config: Any) -> Any:
    return file_of(mds.STAGE, config, [document("none", [])])


def test_a_shard_over_4_gib_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mds, "MOST_BYTES", 200)
    with pytest.raises(InputError, match="bytes is more than the format holds; set a smaller `file_tokens`"):
        file_of(mds.STAGE, mds.Config(), PACKED)


# ---------------------------------------------------------------------------------------------- types


@pytest.mark.parametrize(
    ("vocabulary", "asked", "settled"),
    [
        (65_499, "auto", "uint16"),
        (65_500, "auto", "int32"),
        (None, "auto", "int32"),
        (65_499, "uint16", "uint16"),
        (None, "uint16", "uint16"),
        (300, "int32", "int32"),
    ],
)
def test_tokens_take_two_bytes_where_the_vocabulary_allows(
    tmp_path: Path, vocabulary: int | None, asked: Any, settled: str
) -> None:
    resources = {} if vocabulary is None else {"tokens": tokenizer(tmp_path / "t", vocabulary)}
    config = megatron.settle(megatron.Config(dtype=asked), resources)
    assert config.dtype == settled
    made = file_of(megatron.STAGE, config, PACKED)
    (code,) = struct.unpack_from("<B", made.beside[".idx"], 17)
    assert (code, len(made.data)) == ({"uint16": 8, "int32": 4}[settled], 9 * {"uint16": 2, "int32": 4}[settled])


def test_a_vocabulary_that_does_not_fit_two_bytes_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    resources = {"tokens": tokenizer(tmp_path / "t", 65_536)}
    with pytest.raises(InputError, match=r"65,536 tokens does not fit uint16, .*; set `dtype: int32`, or leave it out"):
        megatron.settle(megatron.Config(dtype="uint16"), resources)


def test_a_unigram_vocabulary_is_a_list(tmp_path: Path) -> None:
    folder = tokenizer(tmp_path / "t", 2)
    told = {"model": {"type": "Unigram", "vocab": [["a", 0.0]] * 70_000}, "added_tokens": []}
    (folder / "tokenizer.json").write_text(json.dumps(told))
    assert megatron.settle(megatron.Config(), {"tokens": folder}).dtype == "int32"


@pytest.mark.parametrize(
    ("token", "dtype", "said"),
    [
        (65_500, "uint16", "token 65,500 does not fit uint16; set `dtype: int32`"),
        (-1, "int32", "there is a token -1"),
        (-1, "auto", "there is a token -1"),
    ],
)
def test_a_token_that_does_not_fit_is_refused_and_never_wrapped(token: int, dtype: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        file_of(megatron.STAGE, megatron.Config(dtype=dtype), [document("a", [1, token])])
    fits = file_of(megatron.STAGE, megatron.Config(dtype="uint16"), [document("a", [1, 65_499])])
    assert read_megatron(fits.data, fits.beside[".idx"]) == [[[1, 65_499]]]


def test_the_tokenizer_stands_beside_the_files(tmp_path: Path) -> None:
    above = Above({"tokens": tokenizer(tmp_path / "t", 300)})
    for module in (megatron, mds, packed):
        made = file_of(module.STAGE, module.Config(), PACKED)
        small = beside(module.STAGE, module.Config(), {f"data{module.suffix(module.Config())}": made}, above)
        assert small["tokenizer/tokenizer.json"] == (tmp_path / "t" / "tokenizer.json").read_bytes()
        assert list(json.loads(small["manifest.json"])["tokenizer"]) == ["tokenizer.json"]


# ---------------------------------------------------------------------------------------------- any documents

TOKENS = st.lists(st.integers(0, 65_499), max_size=12)


@st.composite
def documents(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Documents, some of which are cut into pieces that stand in sequences, one after the other."""
    rows, places = [], list[tuple[str, int, int]]()
    for at, tokens in enumerate(draw(st.lists(TOKENS, min_size=1, max_size=8))):
        weight = draw(st.sampled_from([None, [], [span(0, len(tokens))], [span(1, 2)] if len(tokens) > 1 else None]))
        rows.append(document(f"d{at}", tokens, loss=weight, segments=None))
        if draw(st.booleans()) and tokens:
            inner = draw(st.lists(st.integers(1, len(tokens)), unique=True, max_size=3))
            bounds = sorted({0, len(tokens), *inner})
            places += [(f"d{at}", a, b) for a, b in pairwise(bounds)]
            rows[-1]["segments"] = []
    known = {row["id"]: row for row in rows}
    sequence, offset = 1, 0
    for name, start, end in draw(st.permutations(places)):
        if draw(st.booleans()):
            sequence, offset = sequence + 1, 0
        known[name]["segments"].append(piece(sequence, offset, start, end))
        offset += end - start
    return rows


@given(documents(), st.lists(st.integers(0, 30), max_size=4))
@settings(max_examples=50)
def test_no_token_is_lost_doubled_or_moved_and_batches_leave_no_trace(rows: list[Any], cuts: list[int]) -> None:
    known = {row["id"]: row["tokens"] for row in rows}
    for module in (megatron, mds, packed):
        made, again = (file_of(module.STAGE, module.Config(), rows, *each) for each in ((), cuts))
        assert (made.data, made.beside, made.facts) == (again.data, again.beside, again.facts)
        found: dict[str, dict[int, int]] = {name: {} for name, tokens in known.items() if tokens}
        sequences = _sequences(module, made)
        for row in made.index:
            for at in range(row["start"], row["end"]):
                assert at not in found[row["id"]]
                found[row["id"]][at] = sequences[row["sequence"]][row["offset"] + at - row["start"]]
        assert {name: [each[at] for at in sorted(each)] for name, each in found.items()} == {
            name: tokens for name, tokens in known.items() if tokens
        }
        assert sum(map(len, sequences)) == sum(map(len, known.values()))


def _sequences(module: Any, made: Any) -> list[list[int]]:
    if module is megatron:
        return [list(chain.from_iterable(each)) for each in read_megatron(made.data, made.beside[".idx"])]
    if module is mds:
        return [sample["input_ids"] for sample in read_mds(made.data)]
    return [row["input_ids"] for row in pa.ipc.open_stream(made.data).read_all().to_pylist()]
