"""Signatures, candidate pairs and Jaccard are datasketch's, and those of the plain reference."""

import gzip
import json
import random
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo import reference_minhash as reference
from datapipe.algo.banding import probability
from datapipe.algo.minhash import EMPTY, band_keys, jaccard, jaccard_of_pairs, shingle_sets, signatures
from datapipe.text import shingles

Pairs = set[tuple[int, int]]
VOCABULARIES = {
    "en": ["the", "a", "of", "to", "model", "data", "Café", "naïve", "it's", "42", "and-or", "U.S.", "state_of"],
    "zh": list("的一是不了人我在有他这为之大来以个中上们"),
    "mixed": ["word", "数据", "カタカナ", "ไทย", "한국어", "данные", "१२", "مرحبا", ",", "\n"],
    "emoji": ["😀", "👩\u200d💻", "a", "🎉", "b", "..."],
}
SETS = st.lists(
    st.none() | st.sets(st.integers(0, 40) | st.integers(0, 2**32 - 1), max_size=40).map(sorted), max_size=6
)


@pytest.fixture(scope="module")
def thousand_texts() -> list[str]:
    """English, Chinese, mixed scripts, emoji; many of them short, some empty."""
    rng = random.Random(7)
    texts = ["", " ", "...", "😀😀"]
    while len(texts) < 1000:
        words = VOCABULARIES[rng.choice(sorted(VOCABULARIES))]
        size = rng.choice([1, 2, 4, 5, 6, 9, 60, 300])
        texts.append(" ".join(rng.choices(words, k=size)))
    return texts


def oracle(texts: list[str], permutations: int, seed: int = 1, n: int = 5) -> list[Any]:
    """What datasketch makes of the same shingles."""
    return MinHash.bulk(
        [reference.shingles(text, n) for text in texts],
        num_perm=permutations, seed=seed, scheme="affine32", hashfunc=reference.shingle_hash,
    )  # fmt: skip


@pytest.mark.parametrize(("permutations", "seed", "n"), [(112, 1, 5), (128, 7, 3), (1, 0, 1)])
def test_signatures_of_a_thousand_documents_equal_datasketch(
    permutations: int, seed: int, n: int, thousand_texts: list[str]
) -> None:
    found = shingles(pa.array(thousand_texts, pa.large_string()), n)
    expected = np.stack([sketch.hashvalues for sketch in oracle(thousand_texts, permutations, seed, n)])
    values = signatures(found, permutations, seed)
    assert values.dtype == expected.dtype == np.uint32
    np.testing.assert_array_equal(values, expected)


@given(st.lists(st.text(max_size=40), max_size=5), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_signatures_of_any_texts_equal_datasketch_and_the_reference(texts: list[str], count: int, seed: int) -> None:
    found = shingles(pa.array(texts, pa.string()), 2)
    values = signatures(found, count, seed).tolist()
    assert values == [sketch.hashvalues.tolist() for sketch in oracle(texts, count, seed, 2)]
    pairs = list(zip(*MinHash(count, seed, scheme="affine32").permutations.tolist(), strict=True))
    hashes = [[*map(reference.shingle_hash, reference.shingles(text, 2))] for text in texts]
    assert values == [reference.signature(row, pairs) for row in hashes]


def test_without_shingles_a_signature_is_empty() -> None:
    found = shingles(pa.array([None, "", "!", "word"]))
    assert found.per_document().tolist() == [0, 0, 0, 1]
    assert (signatures(found) == EMPTY).all(axis=1).tolist() == [True, True, True, False]
    assert signatures(shingles(pa.array([], pa.string()))).shape == (0, 112)


def test_case_accents_digits_and_punctuation_do_not_change_a_signature() -> None:
    texts = [
        "Été 2024: the café's open, at last!",
        "ete 1999 THE CAFES OPEN AT LAST",
        "ete 1999 the bar is open at last",
    ]
    first, same, other = signatures(shingles(pa.array(texts))).tolist()
    assert first == same != other


@given(st.lists(st.lists(st.integers(0, 2**32 - 1), min_size=12, max_size=12), max_size=4), st.integers(1, 4),
       st.integers(1, 3))  # fmt: skip
def test_keys_of_bands_are_those_of_the_reference(values: list[list[int]], bands: int, rows: int) -> None:
    array = np.array(values, np.uint32).reshape(-1, 12)
    assert band_keys(array, bands, rows).tolist() == [reference.band_keys(row, bands, rows) for row in values]
    assert band_keys(array[::-1], bands, rows).tolist() == [*reversed(band_keys(array, bands, rows).tolist())]


def test_equal_bands_in_different_places_have_different_keys() -> None:
    keys = band_keys(np.full((1, 112), 5, np.uint32), 14, 8)
    assert len(set(keys[0].tolist())) == 14


@pytest.mark.parametrize(("bands", "rows"), [(15, 8), (0, 8), (14, 0), (14, -1)])
def test_bands_that_a_signature_does_not_have_are_refused(bands: int, rows: int) -> None:
    with pytest.raises(ValueError, match="signature has 112"):
        band_keys(np.zeros((1, 112), np.uint32), bands, rows)


def pairs_by_keys(keys: np.ndarray[Any, Any], rows: list[int]) -> Pairs:
    """Documents that share a key, as a sort would bring them together."""
    buckets = defaultdict(list)
    for row in rows:
        for key in keys[row].tolist():
            buckets[key].append(row)
    return {pair for bucket in buckets.values() for pair in combinations(bucket, 2)}


def pairs_by_datasketch(sketches: list[Any], rows: list[int], shape: tuple[int, int]) -> Pairs:
    index = MinHashLSH(num_perm=len(sketches[0]), params=shape)
    found: Pairs = set()
    for row in rows:
        found |= {(other, row) for other in index.query(sketches[row])}
        index.insert(row, sketches[row])
    return found


def read(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("shape", [(14, 8), (20, 5), (9, 12)])
def test_candidate_pairs_of_random_documents_equal_datasketch(shape: tuple[int, int]) -> None:
    rng = random.Random(8)
    stories = [rng.choices([f"w{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(600)], k=80) for _ in range(20)]
    texts = []
    for _ in range(200):
        words = list(rng.choice(stories))
        for _ in range(rng.randrange(4)):
            words[rng.randrange(80)] = "changed"
        texts.append(" ".join(words))
    keys = band_keys(signatures(shingles(pa.array(texts))), *shape)
    rows = list(range(200))
    expected = pairs_by_datasketch(oracle(texts, 112), rows, shape)
    assert len(expected) > 100
    assert pairs_by_keys(keys, rows) == expected


@pytest.mark.parametrize("name", ["dedup-peps/docs", "dedup-articles/articles_1000"])
def test_candidate_pairs_of_real_documents_equal_datasketch(name: str, real_data: Path) -> None:
    texts = [document["text"] for document in read(real_data / f"{name}.jsonl.gz")]
    found = shingles(pa.array(texts, pa.large_string()))
    values = signatures(found)
    sketches = [MinHash(hashvalues=row, scheme="affine32") for row in values]
    sample = list(range(0, len(texts), 25))
    for row, sketch in zip(sample, oracle([texts[row] for row in sample], 112), strict=True):
        assert values[row].tolist() == sketch.hashvalues.tolist()
    rows = np.flatnonzero(found.per_document()).tolist()
    expected = pairs_by_datasketch(sketches, rows, (14, 8))
    assert len(expected) >= 10
    assert pairs_by_keys(band_keys(values, 14, 8), rows) == expected


def test_sets_are_sorted_and_hold_each_shingle_once(mixed_lists: list[str]) -> None:
    found = shingles(pa.array(mixed_lists), 2)
    expected = [sorted({reference.shingle_hash(s) for s in reference.shingles(text, 2)}) for text in mixed_lists]
    sets: Any = shingle_sets(found)
    assert sets.type == pa.large_list(pa.uint32())
    assert sets.to_pylist() == expected
    nothing: Any = shingle_sets(shingles(pa.array([], pa.string())))
    assert nothing.to_pylist() == []


@pytest.fixture
def mixed_lists(thousand_texts: list[str]) -> list[str]:
    return thousand_texts[:200]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ([1, 2, 3], [2, 3, 4], 0.5),
        ([1, 2], [1, 2], 1.0),
        ([1, 2], [3], 0.0),
        ([1], [], 0.0),
        ([], [], None),
        (None, [1], None),
        ([0, 2**32 - 1], [2**32 - 1], 0.5),
    ],
)
def test_jaccard_worked_by_hand(left: list[int] | None, right: list[int] | None, expected: float | None) -> None:
    kind = pa.list_(pa.uint32())
    assert jaccard(pa.array([left], kind), pa.array([right], kind)).to_pylist() == [expected]
    assert jaccard(pa.array([right], kind), pa.array([left], kind)).to_pylist() == [expected]


@given(SETS, st.data())
def test_jaccard_of_any_pairs_equals_that_of_python_sets(sets: list[list[int] | None], data: st.DataObject) -> None:
    array = pa.array([[9], *sets], pa.large_list(pa.uint32())).slice(1)
    index = st.integers(0, len(sets) - 1)
    pairs = data.draw(st.lists(st.tuples(index, index), max_size=9)) if sets else []
    found = jaccard_of_pairs(array, array, ([x for x, _ in pairs], [y for _, y in pairs])).to_pylist()
    for (x, y), value in zip(pairs, found, strict=True):
        a, b = sets[x], sets[y]
        assert value == (None if a is None or b is None else reference.jaccard(set(a), set(b)))


@pytest.mark.parametrize("rows", [([0], [2]), ([-1], [0])])
def test_pairs_of_rows_that_there_are_not_are_refused(rows: tuple[list[int], list[int]]) -> None:
    sets = pa.array([[1], [2]], pa.large_list(pa.uint32()))
    with pytest.raises(IndexError, match="of 2 sets"):
        jaccard_of_pairs(sets, sets, rows)


def test_share_of_pairs_found_is_that_of_the_s_curve(real_data: Path) -> None:
    """In each tenth of the Jaccard scale, over 40 seeds: of one seed, a tenth's share varies by as much as 0.08."""
    documents = read(real_data / "dedup-peps" / "docs.jsonl.gz")
    place = {document["id"]: row for row, document in enumerate(documents)}
    pairs = read(real_data / "dedup-peps" / "exact_jaccard.jsonl.gz")
    left, right = ([place[pair[side]] for pair in pairs] for side in "ab")
    found = shingles(pa.array([document["text"] for document in documents], pa.large_string()))
    sets = shingle_sets(found)
    similar = jaccard_of_pairs(sets, sets, (left, right)).to_numpy()
    keys = [band_keys(signatures(found, seed=seed), 14, 8) for seed in range(1, 41)]
    shares = np.mean([(of_seed[left] == of_seed[right]).any(axis=1) for of_seed in keys], axis=0)
    tenths = np.minimum((similar * 10).astype(int), 9)
    judged = [tenth for tenth in range(10) if (tenths == tenth).sum() >= 50]
    assert len(judged) >= 7
    for tenth in judged:
        chosen = tenths == tenth
        assert shares[chosen].mean() == pytest.approx(probability(similar[chosen], 14, 8).mean(), abs=0.03), tenth


def test_jaccard_of_32_bit_hashes_is_that_of_the_shingles(real_data: Path) -> None:
    """Of the 614 PEPs, of pairs in the file of similar ones."""
    documents = read(real_data / "dedup-peps" / "docs.jsonl.gz")
    place = {document["id"]: row for row, document in enumerate(documents)}
    pairs = [(place[p["a"]], place[p["b"]]) for p in read(real_data / "dedup-peps" / "exact_jaccard.jsonl.gz")][::40]
    texts = [document["text"] for document in documents]
    sets = shingle_sets(shingles(pa.array(texts, pa.large_string())))
    whole = {row: set(reference.shingles(texts[row], 5)) for row in {row for pair in pairs for row in pair}}
    exact = [len(whole[x] & whole[y]) / len(whole[x] | whole[y]) for x, y in pairs]
    found = jaccard_of_pairs(sets, sets, list(zip(*pairs, strict=True)))
    np.testing.assert_allclose(found.to_numpy(), exact, rtol=0, atol=1e-5)
