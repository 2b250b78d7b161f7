"""filter.toxicity on real data; `python -m tests.real.toxicity.measure` prints all figures."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from datapipe.fit.scores import auc
from datapipe.text import normalised_hash
from tests.real.toxicity.build import MODELS, build
from tests.real.toxicity.measure import DECLARED, FALSE_POSITIVES, HateCheck, cold, davidson, dropped, hatecheck
from tests.real.toxicity.texts import rows, sentences

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def cases(real_data: Path) -> HateCheck:
    return hatecheck(real_data)


def test_tweets_held_out_are_told_apart(real_data: Path) -> None:
    """0.975 of 1,978 tweets; hateful from all others 0.829."""
    found = davidson(real_data)
    assert len(found.labels) == 1978
    assert (auc(found.toxicity, found.labels != "neither") or 0) >= 0.93
    assert (auc(found.hate, found.labels == "hate") or 0) >= 0.8


def test_the_declared_threshold_is_what_held_out_tweets_ask_for(real_data: Path) -> None:
    """HateCheck has no part in it."""
    found = davidson(real_data)
    assert found.threshold() == DECLARED
    assert found.called_hateful(DECLARED, "neither") <= FALSE_POSITIVES
    assert found.called_hateful(DECLARED - 0.01, "neither") > FALSE_POSITIVES


def test_comments_of_cold_are_told_apart(real_data: Path) -> None:
    """0.955 of 6,431 comments."""
    assert (cold(real_data) or 0) >= 0.85


def test_hatecheck_at_the_declared_threshold(cases: HateCheck) -> None:
    """Recall 0.769, specificity 0.546: little better than the aim, and far from good."""
    recall, specificity = cases.rates(DECLARED)
    assert recall >= 0.70
    assert specificity >= 0.50
    assert 0.70 <= (auc(cases.hate, cases.hateful) or 0) <= 0.75  # what the documentation says


def test_no_sentence_of_hatecheck_was_trained_on(real_data: Path) -> None:
    cases = [row["test_case"] for row in rows(real_data / "tox-hatecheck/hatecheck_en.jsonl.gz")]
    authored = [row["text"] for row in sentences()]
    hashes = [set(normalised_hash(pa.array(texts, pa.large_string()))[0].tolist()) for texts in (cases, authored)]
    assert not hashes[0] & hashes[1]


def test_ordinary_texts_stay(real_data: Path) -> None:
    """No page leaves, but of sentences by themselves 4.0% in English and 4.5% in Chinese do."""
    for kind, (count, gone) in dropped(real_data).items():
        assert gone <= (0.06 if "sentences" in kind else 0.002) * count, kind


def test_the_same_data_give_the_models_that_are_shipped(real_data: Path, tmp_path: Path) -> None:
    build(real_data, tmp_path)
    for name in ("en.npz", "zh.npz", "en.md", "zh.md"):
        assert (tmp_path / name).read_bytes() == (MODELS / name).read_bytes(), name
