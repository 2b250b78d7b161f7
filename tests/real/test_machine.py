"""What the stages of `mark` find on real texts; each test prints its table (`pytest -s -m full`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.mark.machine_text import _noise as noise
from tests.real.machine import STRAY, human
from tests.real.noise_lexicon import RATES, features, noisy, quarter


@pytest.mark.full
@pytest.mark.parametrize("code", ["en", "zh"])
def test_simulated_recognition_errors_are_found(real_data: Path, code: str) -> None:
    """On the quarter of the texts that neither the lexicon nor the threshold was made on."""
    model = noise.lexicon()
    sets = {name: [t for t in some if quarter(t) == 3] for name, some in human(real_data, chinese=code == "zh").items()}
    people = [text for some in sets.values() for text in some]

    def marked(texts: list[str]) -> tuple[int, int]:
        found = noise.scores(features(texts, code, model), model.weights[code]) > 0.5
        return int(found.sum()), len(found)

    for name, some in sets.items():
        print(f"{code} {name}: %d of %d judged texts by people marked" % marked(some))
    wrong, judged = marked(people)
    shares = []
    for rate in RATES:
        hit, size = marked(noisy(people, code, rate, 11))
        shares.append(hit / size)
        print(f"{code} {rate:.0%} of characters wrong: {hit} of {size} marked, {hit / size:.3f}")
    print(f"{code}: recall over all rates {np.mean(shares):.3f}, false positives {wrong} of {judged}")
    assert np.mean(shares) >= 0.8
    assert wrong <= max(1, 0.01 * judged)


@pytest.mark.full
def test_characters_taken_for_others_alone_are_harder_to_find_in_chinese(real_data: Path) -> None:
    """Without stray signs between characters: what the lexicon of pairs can do by itself; a figure, not an aim."""
    texts = [t for some in human(real_data, chinese=True).values() for t in some if quarter(t) == 3]
    model = noise.lexicon()
    for rate in RATES:
        bad = ["".join(one for one in text if one not in STRAY) for text in noisy(texts, "zh", rate, 11)]
        found = noise.scores(features(bad, "zh", model), model.weights["zh"]) > 0.5
        print(f"zh {rate:.0%} without signs: {found.sum()} of {len(found)} marked, {found.mean():.3f}")
    assert found.mean() > 0
