"""A packed folder by number: what was written comes out, from any place, in any process; damage is one line."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from torch.utils.data import DataLoader

from datapipe.errors import CorruptData, DatapipeError, InputError
from datapipe.train.packed import FILLER, PackedDataset
from tests.train.packed_folder import Document, drawn, manifest, write_packed

SEQUENCES = drawn(600)  # more than two batches of the writer
WEIGHED = [[Document("a", "chats", [5, 6, 7, 8], [0.0, 0.5, 1.0, 2.0]), Document("b", "web", [9, 10])]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_packed(tmp_path_factory.mktemp("packed") / "out", SEQUENCES, files=2, length=12)


def as_written(number: int) -> dict[str, list[int]]:
    documents = SEQUENCES[number]
    return {
        "input_ids": [token for each in documents for token in each.tokens],
        "labels": [label for each in documents for label in [-100, *each.tokens[1:]]],
        "seq_lengths": [len(each.tokens) for each in documents],
    }


def read(item: dict[str, Any]) -> dict[str, list[int]]:
    return {name: item[name].tolist() for name in ("input_ids", "labels", "seq_lengths")}


def one_line(error: DatapipeError) -> str:
    said = str(error)
    assert "\n" not in said
    assert error.remedy
    return said


def test_every_sequence_is_what_was_written_from_whichever_end_it_is_read(folder: Path) -> None:
    for order in (range(len(SEQUENCES)), reversed(range(len(SEQUENCES)))):
        dataset = PackedDataset(folder)
        assert len(dataset) == len(SEQUENCES)
        for number in order:
            item = dataset[number]
            assert read(item) == as_written(number)
            assert (item["index"], item["loss_weights"]) == (number, None)
            assert item["input_ids"].dtype == item["labels"].dtype == np.int64


def test_documents_and_sources_of_a_sequence_are_those_that_it_was_made_of(folder: Path) -> None:
    dataset = PackedDataset(folder)
    assert dataset.sources == ["chats", "web"]
    for number in (0, 255, 256, 299, 300, 301, 599):
        documents = SEQUENCES[number]
        ends = np.cumsum([len(each.tokens) for each in documents]).tolist()
        spans = list(zip([0, *ends[:-1]], ends, strict=True))
        told = dataset.documents_of(number)
        assert [(each.id, each.source) for each in told] == [(each.id, each.source) for each in documents]
        assert [(each.offset, each.offset + each.end - each.start) for each in told] == spans
        assert dataset.sources_of(number) == [(each.source, *span) for each, span in zip(documents, spans, strict=True)]
        assert [dataset.sources[each] for each in dataset.source_numbers(number)] == [each.source for each in documents]


@pytest.mark.parametrize("used", [False, True], ids=["before use", "after use"])
def test_a_copy_in_another_process_reads_the_same(folder: Path, *, used: bool) -> None:
    dataset = PackedDataset(folder)
    if used:
        dataset[0], dataset[599], dataset.source_numbers(0)
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.digest == dataset.digest
    assert [read(copy[number]) for number in (0, 300, 599)] == [as_written(number) for number in (0, 300, 599)]
    assert copy.source_numbers(7).tolist() == dataset.source_numbers(7).tolist()
    assert len(pickle.dumps(dataset)) < 20_000  # it carries places, not tokens


def test_workers_that_are_spawned_read_the_same(folder: Path) -> None:
    loader: DataLoader[Any] = DataLoader(
        PackedDataset(folder),  # type: ignore[arg-type] # any map will do
        batch_size=None,
        sampler=[599, 3, 300, 0],
        num_workers=1,
        multiprocessing_context="spawn",
    )
    assert [read(item) for item in loader] == [as_written(number) for number in (599, 3, 300, 0)]


def test_weights_come_as_written_and_a_first_token_has_none(tmp_path: Path) -> None:
    dataset = PackedDataset(write_packed(tmp_path / "out", WEIGHED, loss_weights=True))
    dataset.require_weights()
    item = dataset[0]
    assert item["loss_weights"].dtype == np.float32
    assert item["loss_weights"].tolist() == [0.0, 0.5, 1.0, 2.0, 0.0, 1.0]
    assert item["labels"].tolist() == [-100, 6, 7, 8, -100, 10]


def test_weights_that_are_asked_for_and_missing_are_one_line(folder: Path) -> None:
    with pytest.raises(InputError) as raised:
        PackedDataset(folder).require_weights()
    assert "`loss_weights: true`" in one_line(raised.value)


def test_the_filler_is_a_sequence_of_nothing(folder: Path) -> None:
    dataset = PackedDataset(folder)
    assert [len(dataset[FILLER][name]) for name in ("input_ids", "labels", "seq_lengths")] == [0, 0, 0]
    assert len(dataset.source_numbers(FILLER)) == 0
    with pytest.raises(IndexError, match="has no sequence 600"):
        dataset[600]


def test_the_digest_tells_folders_apart_that_differ_in_order_alone(tmp_path: Path, folder: Path) -> None:
    again = write_packed(tmp_path / "again", SEQUENCES, files=2, length=12)
    assert PackedDataset(again).digest == PackedDataset(folder).digest
    same_length = [SEQUENCES[0], [Document("z", "web", [1, 2])], [Document("y", "web", [3, 4])], *SEQUENCES[1:]]
    other = [same_length[0], same_length[2], same_length[1], *same_length[3:]]
    one, two = (write_packed(tmp_path / name, some, length=12) for name, some in (("a", same_length), ("b", other)))
    assert manifest(one) == manifest(two)
    assert PackedDataset(one).digest != PackedDataset(two).digest


def test_the_digest_is_of_the_end_of_a_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datapipe.train.packed.ENDS", 2000)  # of some 20,000 bytes
    last = [[Document("y", "web", [1, 2])], [Document("z", "web", [3, 4])]]
    one = write_packed(tmp_path / "one", [*SEQUENCES, *last], length=12)
    two = write_packed(tmp_path / "two", [*SEQUENCES, *reversed(last)], length=12)
    assert manifest(one) == manifest(two)
    assert PackedDataset(one).digest != PackedDataset(two).digest


# ---------------------------------------------------------------------------------------------- damage


def truncate(folder: Path) -> None:
    path = folder / "data-00000-of-00001.arrow"
    path.write_bytes(path.read_bytes()[:-700])


def garble(folder: Path) -> None:
    (folder / "data-00000-of-00001.arrow").write_bytes(b"<html>" * 400)


def empty(folder: Path) -> None:
    (folder / "data-00000-of-00001.arrow").write_bytes(b"")


def forget(folder: Path) -> None:
    (folder / "data-00000-of-00001.arrow").unlink()


def miscount(folder: Path) -> None:
    told = manifest(folder)
    told["files"][0]["sequences"] += 1
    (folder / "manifest.json").write_text(json.dumps(told), encoding="utf-8")


def rewrite(folder: Path, change: Callable[[Any], Any], **options: Any) -> None:
    path = folder / "data-00000-of-00001.arrow"
    table = change(pa.ipc.open_stream(path.read_bytes()).read_all())
    with pa.ipc.new_stream(str(path), table.schema, options=pa.ipc.IpcWriteOptions(**options)) as file:
        file.write_table(table)


def compress(folder: Path) -> None:
    rewrite(folder, lambda table: table, compression="zstd")


def drop_labels(folder: Path) -> None:
    rewrite(folder, lambda table: table.drop_columns(["labels"]))


def widen(folder: Path) -> None:
    rewrite(folder, lambda table: table.set_column(0, "input_ids", table["input_ids"].cast(pa.list_(pa.int64()))))


def shorten_labels(folder: Path) -> None:
    rewrite(
        folder,
        lambda table: table.set_column(
            1, "labels", pa.array([each[:-1] for each in table["labels"].to_pylist()], pa.list_(pa.int32()))
        ),
    )


def cut_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8")[:50], encoding="utf-8")


@pytest.mark.parametrize(
    ("harm", "kind", "says"),
    [
        (truncate, CorruptData, "is damaged"),
        (garble, CorruptData, "is damaged"),
        (empty, CorruptData, "is damaged"),
        (forget, InputError, "is missing"),
        (miscount, CorruptData, "holds 40 sequences, and the manifest says 41"),
        (compress, InputError, "is compressed or holds nulls"),
        (drop_labels, InputError, "has no column `labels`"),
        (widen, InputError, "has no column `input_ids` of lists of int32"),
        (shorten_labels, CorruptData, "are not of one length"),
        (cut_manifest, CorruptData, "manifest.json is damaged"),
        (lambda folder: (folder / "manifest.json").unlink(), InputError, "holds no packed sequences"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(
    tmp_path: Path, harm: Callable[[Path], None], kind: type[DatapipeError], says: str
) -> None:
    folder = write_packed(tmp_path / "out", SEQUENCES[:40])
    harm(folder)
    with pytest.raises(kind) as raised:
        PackedDataset(folder)[0]
    assert says in one_line(raised.value)
    assert str(folder) in str(raised.value)


def test_an_index_that_is_missing_or_damaged_is_told_in_one_line(tmp_path: Path) -> None:
    dataset = PackedDataset(write_packed(tmp_path / "out", SEQUENCES[:40]))
    index = tmp_path / "out/index/data-00000-of-00001.parquet"
    index.write_bytes(b"PAR1 no")
    for ask in (dataset.documents_of, dataset.source_numbers):
        with pytest.raises(CorruptData) as raised:
            ask(0)
        assert str(index) in one_line(raised.value)
    index.unlink()
    with pytest.raises(InputError) as missing:
        dataset.documents_of(0)
    assert "is missing" in one_line(missing.value)
