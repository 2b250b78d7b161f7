"""`like: datatrove` decides as datatrove does."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.peers.comparing import FILTERS, all_texts, english_web, ours, theirs

# Agreement with its own tokenizer on English web text: what is asked for.
LEAST = {"quality": 0.97, "repetition": 0.99, "c4": 0.99, "fineweb": 1.0}


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_fed_our_words_it_gives_the_same_decision_and_reason(real_data: Path, tmp_path: Path) -> None:
    texts = all_texts(real_data)
    assert len(texts) > 5000
    found = theirs(tmp_path, texts, "ours")
    for name in FILTERS:
        pairs = list(zip(found[name]["reasons"], ours(texts, name), strict=True))
        wrong = Counter(pair for pair in pairs if pair[0] != pair[1])
        print(f"{name}: {len(pairs)} documents, {sum(wrong.values())} otherwise; left {Counter(a for a, _ in pairs)}")
        assert not wrong, name


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_with_its_own_words_it_decides_nearly_the_same(real_data: Path, tmp_path: Path) -> None:
    texts = english_web(real_data)
    found = theirs(tmp_path, texts, "own")
    shares = {}
    for name in FILTERS:
        pairs = list(zip(found[name]["reasons"], ours(texts, name), strict=True))
        shares[name] = sum((a is None) == (b is None) for a, b in pairs) / len(pairs)
        print(f"{name}: {len(pairs)} documents, same decision {shares[name]:.4f}")
    assert all(shares[name] >= least for name, least in LEAST.items()), shares
