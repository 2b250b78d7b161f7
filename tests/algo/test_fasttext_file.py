"""fastText models: labels read from the file itself, and files that are not whole refused before fastText sees them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from datapipe.algo.fasttext_file import labels_of
from datapipe.algo.models import load_fasttext
from datapipe.errors import InputError
from tests.stages.filter import models

DIM, BUCKET = 2, 3
WORDS = [("</s>", 0), ("quiet", 0), ("casino", 0), ("__label__good", 1), ("__label__spam", 1)]


def a_model(*, dim: int = DIM, kind: int = 3, ngrams: int = 1, weight: float = 1.0) -> bytes:
    """A model that was not quantised: words at (0, 0), (1, 0), (0, 1), labels at (1, 0) and (0, 1)."""
    head = struct.pack("<2i", 793712314, 12)
    args = struct.pack("<12id", dim, 5, 5, 1, 5, ngrams, 3, kind, BUCKET, 0, 0, 100, 1e-4)
    entries = b"".join(word.encode() + b"\0" + struct.pack("<qb", 9, of) for word, of in WORDS)
    dictionary = struct.pack("<3i2q", len(WORDS), 3, 2, 100, -1) + entries
    rows = [0, 0, weight, 0, 0, 1] + [0] * (DIM * BUCKET)
    inputs = b"\0" + struct.pack("<2q", 3 + BUCKET, DIM) + struct.pack(f"<{len(rows)}f", *rows)
    outputs = b"\0" + struct.pack("<2q4f", 2, DIM, 1, 0, 0, 1)
    return head + args + dictionary + inputs + outputs


def stored(folder: Path, data: bytes) -> Path:
    path = folder / "model.bin"
    path.write_bytes(data)
    return path


def test_what_is_whole_here_is_what_fasttext_reads(tmp_path: Path) -> None:
    path = stored(tmp_path, a_model())
    assert labels_of(path) == ("__label__good", "__label__spam")
    model = load_fasttext(path, "a.stage")
    assert [label for _, label in model.predict("quiet\n", 1, 0.0, "strict")] == ["__label__good"]
    assert [label for _, label in model.predict("casino\n", 1, 0.0, "strict")] == ["__label__spam"]


def test_a_quantised_and_pruned_model_is_whole_and_less_or_more_of_it_is_not(tmp_path: Path) -> None:
    path = models.fasttext(tmp_path)
    labels = labels_of(path)
    assert labels is not None
    assert (len(labels), len(set(labels))) == (176, 176)
    assert {"__label__en", "__label__zh"} <= set(labels)
    data = path.read_bytes()
    for size in (0, 8, 60, 1000, len(data) // 2, len(data) - 4, len(data) - 1):
        assert labels_of(stored(tmp_path, data[:size])) is None, size
    assert labels_of(stored(tmp_path, data + b"\0")) is None


def test_no_part_of_a_model_is_taken_for_one(tmp_path: Path) -> None:
    data = a_model()
    for size in range(len(data)):
        path = stored(tmp_path, data[:size])
        assert labels_of(path) is None, size
    with pytest.raises(InputError, match="or is damaged; fetch it anew"):
        load_fasttext(path, "a.stage")  # fastText itself would take this one


@pytest.mark.parametrize(
    "data",
    [
        a_model(dim=0),
        a_model(dim=-1),
        a_model(dim=3),  # the matrices say 2
        a_model(kind=1),  # a model of words, without labels
        a_model(ngrams=-1),
        a_model().replace(b"__label__good\0", b"__label__g\xff\xffd\0"),  # no UTF-8
        a_model().replace(struct.pack("<3i", 5, 3, 2), struct.pack("<3i", 5, 2, 3)),
        a_model().replace(struct.pack("<3i", 5, 3, 2), struct.pack("<3i", 2**31 - 1, 3, 2)),
        a_model().replace(struct.pack("<2q", 6, 2), struct.pack("<2q", 2**40, 2)),
        a_model().replace(struct.pack("<2q", 6, 2), struct.pack("<2q", -6, -2)),
    ],
)
def test_what_contradicts_itself_is_none(tmp_path: Path, data: bytes) -> None:
    assert labels_of(stored(tmp_path, data)) is None
