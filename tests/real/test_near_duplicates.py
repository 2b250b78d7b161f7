"""dedup.minhash on real revisions of documents, and on articles with planted copies.

The expectation of a decile is the mean of the S-curve over its pairs. One seed is one draw of 112 permutations for all
pairs, whose revisions share most of their shingles, so that its share of a decile varies by .05 to .08; the mean of
many seeds is what is held against the curve.
"""

from __future__ import annotations

import gzip
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from datapipe.algo.minhash import band_keys, jaccard_of_pairs, shingle_sets, signatures
from datapipe.text import Shingles, shingles
from stages.dedup.minhash import STAGE, Config
from tests.stages.dedup.exchange import judged

SEEDS = 40
LEAST_PAIRS = 50
TOLERANCE = 0.03


def lines_of(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def shards_of(texts: list[str], ids: list[str]) -> list[pa.RecordBatch]:
    """Two of them, so that the rounds have something to exchange."""
    whole = pa.record_batch({"text": pa.array(texts, pa.large_string()), "id": pa.array(ids, pa.string())})
    return [whole.slice(0, len(texts) // 2), whole.slice(len(texts) // 2)]


def judged_rows(texts: list[str], ids: list[str], config: Config) -> list[dict[str, Any]]:
    return [row for columns in judged(STAGE, config, shards_of(texts, ids)) for row in columns.to_pylist()]


def all_pairs(found: Shingles) -> tuple[Any, Any]:
    """Pairs of documents, int64 (2, pairs), and their exact Jaccard over our shingles."""
    sets = shingle_sets(found)
    pairs = np.stack(np.triu_indices(len(found), 1))
    return pairs, np.asarray(jaccard_of_pairs(sets, sets, (pairs[0], pairs[1])))


@pytest.fixture(scope="module")
def peps(real_data: Path) -> list[str]:
    return [row["text"] for row in lines_of(real_data / "dedup-peps" / "docs.jsonl.gz")]


def test_links_between_revisions_are_exact_and_none_is_below_the_threshold(peps: list[str]) -> None:
    found = shingles(pa.array(peps, pa.large_string()), 5)
    sets = [set(found.hashes[a:b].tolist()) for a, b in zip(found.bounds, found.bounds[1:], strict=False)]
    ids = [str(number) for number in range(len(peps))]
    linked = 0
    for number, row in enumerate(judged_rows(peps, ids, Config(max_words=None))):
        for name, similarity in (("linked_to", "link_similarity"), ("survivor", "similarity")):
            if row[name] is not None:
                one, other = sets[number], sets[int(row[name])]
                assert row[similarity] == pytest.approx(len(one & other) / len(one | other))
        if row["linked_to"] is not None:
            linked += 1
            assert row["link_similarity"] >= 0.75
    print(f"{linked} documents are linked")
    assert linked > 300


def test_recall_of_candidates_follows_the_s_curve(peps: list[str]) -> None:
    found = shingles(pa.array(peps, pa.large_string()), 5)
    pairs, exact = all_pairs(found)
    some = exact >= 0.05
    (one, other), exact = pairs[:, some], exact[some]
    hits = []
    for seed in range(1, SEEDS + 1):
        keys = band_keys(signatures(found, 112, seed), 14, 8)
        hits.append((keys[one] == keys[other]).any(axis=1))
    share = np.mean(hits, axis=0)
    expected = 1 - (1 - exact**8) ** 14
    decile = np.minimum((exact * 10).astype(int), 9)
    judged_deciles = [number for number in range(10) if (decile == number).sum() >= LEAST_PAIRS]
    for number in judged_deciles:
        mine = decile == number
        spread = np.std([each[mine].mean() for each in hits])
        print(
            f"decile .{number}: {mine.sum()} pairs, recall {share[mine].mean():.3f}, expected "
            f"{expected[mine].mean():.3f}, seed 1 {hits[0][mine].mean():.3f}, deviation of a seed {spread:.3f}"
        )
        assert abs(share[mine].mean() - expected[mine].mean()) <= TOLERANCE
    assert {7, 8, 9} <= set(judged_deciles)


@pytest.mark.parametrize("size", [100, 1000])
def test_every_planted_pair_is_found_and_no_other(real_data: Path, size: int) -> None:
    folder = real_data / "dedup-articles"
    rows = lines_of(folder / f"articles_{size}.jsonl.gz")
    ids = [row["id"] for row in rows]
    planted = {frozenset((row["a"], row["b"])) for row in lines_of(folder / f"articles_{size}.truth.jsonl.gz")}
    clusters: dict[str, list[str]] = {}
    for key, row in zip(ids, judged_rows([row["text"] for row in rows], ids, Config()), strict=True):
        if row["cluster"] is not None:
            clusters.setdefault(row["cluster"], []).append(key)
    assert {frozenset(pair) for each in clusters.values() for pair in combinations(each, 2)} == planted
