"""The linear model: kernels against plain Python, and files that are not what they should be."""

from __future__ import annotations

import io
import json
import math
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo.linear import LinearModel, load_model, softmax
from datapipe.algo.ngrams import CHARACTERS, END, GROUP, NEAR, START, WIDEST, Shape
from datapipe.errors import InputError
from datapipe.text import IS_WORD, word_hash
from datapipe.text.characters import HASH_MULTIPLIER, HASH_START
from datapipe.text.reference import tokens

MASK = (1 << 64) - 1
MULTIPLIER = int(HASH_MULTIPLIER)
SHAPES = [Shape(10, 2, 2, 4, 8), Shape(8, 3, 1, 0, 16), Shape(12, 1, 3, 5, 9)]
TERMS = ("alpha", "beta", "港")


def mixed(state: int) -> int:
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        state = ((state ^ (state >> 33)) * multiplier) & MASK
    return state ^ (state >> 33)


def of_characters(word: str, shape: Shape) -> Iterator[int]:
    folded = [ord(character.casefold()[0]) for character in word[:WIDEST]]
    points = [START, *folded, END]
    for start in range(len(points)):
        state = int(HASH_START) ^ int(CHARACTERS)
        for size in range(1, min(shape.longest, len(points) - start) + 1):
            state = ((state ^ points[start + size - 1]) * MULTIPLIER) & MASK
            state ^= state >> 29
            if shape.shortest <= size < len(points):
                yield ((((state ^ (state >> 32)) * MULTIPLIER) & MASK) >> 20) % (1 << shape.bits)


def of_window(words: list[tuple[str, bool]], shape: Shape, terms: set[int]) -> list[int]:
    """Plain Python of `collect`."""
    size = 1 << shape.bits
    hashes = [word_hash(word) for word, _ in words]
    blind = [int(GROUP) if one in terms else one for one in hashes]
    found = []
    for at, (word, is_word) in enumerate(words):
        found.append(hashes[at] % size)
        state = 0
        for back in range(min(shape.words, at + 1)):
            state = mixed((state * MULTIPLIER + blind[at - back] + back) & MASK)
            if back:
                found.append(state % size)
        if is_word and shape.longest and len(word) > 1:
            found += of_characters(word, shape)
    if set(hashes) & terms:
        found += [mixed(one ^ int(NEAR)) % size for one in hashes]
    return found


def by_reference(model: LinearModel, text: str) -> list[list[float]]:
    """Mean, highest and lowest probability of each label, by loops."""
    cut = [(text[token.start : token.end], bool(token.kind & IS_WORD)) for token in tokens(text)]
    windows = max(1, (len(cut) + model.shape.window // 2) // model.shape.window)
    rows = []
    for number in range(windows):
        some = cut[len(cut) * number // windows : len(cut) * (number + 1) // windows]
        ngrams = of_window(some, model.shape, set(model.terms.tolist()))
        sums = model.weights[ngrams].astype(float).sum(axis=0)
        rows.append(softmax((model.bias + model.scale * sums / math.sqrt(max(len(ngrams), 1)))[None])[0])
    every = np.array(rows)
    return [every.mean(axis=0).tolist(), every.max(axis=0).tolist(), every.min(axis=0).tolist()]


def a_model(shape: Shape, labels: tuple[str, ...] = ("a", "b", "c")) -> LinearModel:
    chosen = np.random.default_rng(shape.bits)
    weights = chosen.integers(-127, 128, (1 << shape.bits, len(labels))).astype(np.int8)
    terms = np.unique(np.array([word_hash(term) for term in TERMS], np.uint64))
    return LinearModel(labels, shape, weights, np.full(len(labels), 0.01), chosen.normal(size=len(labels)), terms, {})


@pytest.mark.parametrize("shape", SHAPES)
@given(
    text=st.text(alphabet="aBé ,.!1港ト\u0e01\u00ad\n\U0001f600", max_size=120) | st.just("alpha is no beta here " * 6)
)
def test_the_kernel_gives_what_plain_python_gives(shape: Shape, text: str) -> None:
    model = a_model(shape)
    found = model.probabilities(pa.array([text], pa.large_string()))
    expected = by_reference(model, text)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine[0].tolist() == pytest.approx(theirs, abs=1e-9)


def test_a_group_is_any_group_to_its_neighbours() -> None:
    """With weights on pairs of words alone, exchanging one term for another changes nothing."""
    model = a_model(Shape(16, 2, 1, 0, 64))
    alone = [word_hash(word) % (1 << 16) for word in (*TERMS, "gamma")]
    near = [mixed(word_hash(word) ^ int(NEAR)) % (1 << 16) for word in (*TERMS, "gamma")]
    model.weights[alone + near] = 0
    one, two, other = model.probabilities(pa.array(["all alpha sing", "all beta sing", "all gamma sing"])).mean
    assert one.tolist() == two.tolist()
    assert one.tolist() != other.tolist()


def test_a_long_word_and_a_long_text_are_read_to_the_end() -> None:
    model = a_model(SHAPES[0])
    text = "x" * 100_000 + " end" * 5_000
    assert model.probabilities(pa.array([text])).mean[0].tolist() == pytest.approx(by_reference(model, text)[0])


def test_a_model_is_the_same_after_it_was_stored(tmp_path: Path) -> None:
    model = a_model(SHAPES[0])
    model.save(tmp_path / "m.npz")
    model.save(tmp_path / "again.npz")
    assert (tmp_path / "m.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    stored = load_model(tmp_path / "m.npz")
    assert (stored.labels, stored.shape, stored.record) == (model.labels, model.shape, model.record)
    for name in ("weights", "scale", "bias", "terms"):
        assert np.array_equal(getattr(stored, name), getattr(model, name))


def stored(path: Path, **changed: Any) -> Path:
    """A model's file with some arrays replaced."""
    a_model(SHAPES[0]).save(path)
    with np.load(path) as file:
        arrays = {**dict(file), **changed}
    with zipfile.ZipFile(path, "w") as file:
        for name, array in arrays.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, array, allow_pickle=True)
            file.writestr(f"{name}.npy", data.getvalue())
    return path


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"weights": np.zeros((3, 7), np.int8)}, r"is damaged: weights of shape \(7, 3\), not \(1024, 3\)"),
        ({"bias": np.zeros(2)}, "is damaged: bias of shape"),
        ({"scale": np.zeros(3, np.float32)}, "is damaged: arrays of other types"),
        ({"bias": np.array([0, math.nan, 0])}, "is damaged: weights that are no numbers"),
        ({"scale": np.array([1, math.inf, 1])}, "is damaged: weights that are no numbers"),
        ({"terms": np.zeros((2, 2), np.uint64)}, "is damaged: arrays of other types"),
        ({"terms": np.array([2, 1], np.uint64)}, "is damaged: terms that are not sorted"),
        ({"head": np.frombuffer(b"{}", np.uint8)}, "is no model of datapipe's; make one by datapipe fit classifier"),
        ({"head": np.array([{"format": 1}], object)}, "is no model of datapipe's"),  # a pickle is not opened
    ],
)
def test_a_file_that_does_not_fit_together_is_refused(tmp_path: Path, changed: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        load_model(stored(tmp_path / "m.npz", **changed))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"shape": {"bits": "10"}}, "its shape"),
        ({"shape": {"bits": 10.0}}, "its shape"),
        ({"shape": {"bits": 63}}, "its shape"),
        ({"shape": {"window": 64.5}}, "its shape"),
        ({"shape": {"shortest": 2**62}}, "its shape"),
        ({"labels": ["a", "a", "b"]}, "labels that are fewer than two, or not all different"),
        ({"labels": []}, "labels that are fewer than two"),
    ],
)
def test_a_head_of_other_values_is_refused(tmp_path: Path, changed: dict[str, Any], says: str) -> None:
    a_model(SHAPES[0]).save(tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz") as file:
        head = json.loads(file["head"].tobytes())
    head |= {**changed, "shape": head["shape"] | changed.get("shape", {})}
    path = stored(tmp_path / "m.npz", head=np.frombuffer(json.dumps(head).encode(), np.uint8))
    with pytest.raises(InputError, match=f"is damaged: {says}"):
        load_model(path)


def test_a_file_with_damaged_bytes_is_a_model_or_refused(tmp_path: Path) -> None:
    """zlib, zipfile and NumPy each raise what they like."""
    a_model(SHAPES[0]).save(tmp_path / "m.npz")
    whole = (tmp_path / "m.npz").read_bytes()
    texts, refused = pa.array(["alpha beta"], pa.large_string()), 0
    for seed in range(150):
        chosen = random.Random(seed)
        data = bytearray(whole[: chosen.choice([len(whole), chosen.randrange(len(whole))])])
        for _ in range(chosen.choice([1, 2, 5])):
            data[chosen.randrange(len(data))] = chosen.randrange(256)
        path = tmp_path / f"{seed}.npz"
        path.write_bytes(data)
        try:
            assert load_model(path).probabilities(texts)[0].shape == (1, 3)
        except InputError:
            refused += 1
    assert refused > 75


@pytest.mark.parametrize("promised", [(3, 1 << 45), (3, 1 << 62)])
def test_a_file_that_promises_more_than_there_is_memory_is_refused(tmp_path: Path, promised: tuple[int, int]) -> None:
    a_model(SHAPES[0]).save(tmp_path / "m.npz")
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|i1", "fortran_order": False, "shape": promised})
    with zipfile.ZipFile(tmp_path / "m.npz") as whole, zipfile.ZipFile(tmp_path / "huge.npz", "w") as file:
        for name in whole.namelist():
            file.writestr(name, head.getvalue() if name == "weights.npy" else whole.read(name))
    with pytest.raises(InputError, match="is no model of datapipe's"):
        load_model(tmp_path / "huge.npz")


def test_a_file_that_unpacks_to_more_than_a_model_is_refused(tmp_path: Path) -> None:
    """300 KB that would become 300 MB."""
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as file, file.open("head.npy", "w") as part:
        for _ in range(300):
            part.write(bytes(1 << 20))
    with pytest.raises(InputError, match="is no model of datapipe's"):
        load_model(tmp_path / "bomb.npz")


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no archive", encoding="utf-8")
    with pytest.raises(InputError, match=r"text\.npz is no model of datapipe's"):
        load_model(tmp_path / "text.npz")
    with pytest.raises(InputError, match=r"nowhere\.npz is no file; name a model"):
        load_model(tmp_path / "nowhere.npz")
