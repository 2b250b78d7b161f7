"""ARPA models: probabilities worked out on paper, kenlm's where it is installed, and files that are no models."""

from __future__ import annotations

import gzip
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo.arpa import ArpaModel, load_arpa
from datapipe.errors import InputError
from tests.stages.filter.arpas import ENGLISH

# Of ENGLISH: what the probability is made of, and the words with ends of sentences.
CASES: dict[str, tuple[float, int]] = {
    "boats came": (-0.25 - 0.1 - 0.2, 3),  # <s> boats; <s> boats came; boats came </s>
    "boats": (-0.25 + (-0.9 - 0.2 - 0.15), 2),  # then </s> with the back-offs of boats and of <s> boats
    "came": ((-0.7 - 0.3) - 0.45, 2),  # came with the back-off of <s>; came </s>
    "tide": ((-1.5 - 0.3) - 0.9, 2),  # <unk>, which has no back-off
    "boats boats came": (-0.25 + (-0.6 - 0.15) - 0.35 - 0.2, 4),  # a 2-gram without back-off between
    "boats in": (-0.25 + (-1.1 - 0.2 - 0.15) - 0.9, 3),
    "boats came\nboats": (-0.55 - 1.5, 5),  # two sentences
    "boats came\n": (-0.55 + (-0.9 - 0.3), 4),  # the second has no words
    "\n": (2 * (-0.9 - 0.3), 2),
    " \t boats \r\x0b\x0c came  ": (-0.55, 3),
    "": (0, 0),
}


def load(folder: Path, text: str) -> ArpaModel:
    path = folder / "model.arpa"
    path.write_text(text, encoding="utf-8")
    return load_arpa(path, "a stage")


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> ArpaModel:
    return load(tmp_path_factory.mktemp("arpa"), ENGLISH)


@pytest.mark.parametrize("text", CASES)
def test_probabilities_are_those_worked_out_on_paper(english: ArpaModel, text: str) -> None:
    scores, lengths = english.scores(pa.array([text], pa.large_string()))
    assert (scores[0], lengths[0]) == (pytest.approx(CASES[text][0], abs=1e-6), CASES[text][1])


def test_null_has_no_lines(english: ArpaModel) -> None:
    scores, lengths = english.scores(pa.array(["boats", None], pa.large_string()).slice(1))
    assert (scores.tolist(), lengths.tolist()) == ([0.0], [0])


def test_a_model_of_words_alone_knows_no_context(tmp_path: Path) -> None:
    model = load(tmp_path, "\\data\\\nngram 1=4\n\n\\1-grams:\n-1 <unk>\n-9 <s>\n-0.5 </s>\n-0.25 a\n\n\\end\\\n")
    scores, _ = model.scores(pa.array(["a a b"]))
    assert scores[0] == -0.25 - 0.25 - 1 - 0.5


def test_without_unk_an_unknown_word_has_next_to_no_probability(tmp_path: Path) -> None:
    model = load(tmp_path, "\\data\\\nngram 1=3\n\n\\1-grams:\n-9 <s>\n-0.5 </s>\n-0.25 a\n\n\\end\\\n")
    assert model.scores(pa.array(["b"]))[0][0] == -100.5


def test_gzipped_and_plain_files_are_the_same_model(english: ArpaModel, tmp_path: Path) -> None:
    (tmp_path / "model.gz").write_bytes(gzip.compress(ENGLISH.encode()))
    again = load_arpa(tmp_path / "model.gz", "a stage")
    texts = pa.array(list(CASES))
    assert again.scores(texts)[0].tolist() == english.scores(texts)[0].tolist()


WRONG = {
    "empty": ("", "no line"),
    "no model": ("one\ntwo\n", "no line"),
    "no counts": ("\\data\\\n\n\\1-grams:\n", "counts no n-grams"),
    "counts in disorder": (ENGLISH.replace("ngram 2=4\n", ""), "counts are not in order"),
    "a count that is none": (ENGLISH.replace("2=4", "2=-4"), "counts are not in order"),
    "a blank line": (ENGLISH.replace("-1.5	<unk>", ""), "a line that is no n-gram"),
    "cut short": (ENGLISH[: ENGLISH.index("came </s>")], "another number of words"),
    "cut between lines": (ENGLISH[: ENGLISH.index("-0.45")], "ends before its 2-grams do"),
    "a line too many": (ENGLISH.replace("-1.1	in\n", "-1.1	in\n-2	tide\n"), "2-grams are not where"),
    "without its end": (ENGLISH.replace("\\end\\", ""), "does not stop"),
    "above certainty": (ENGLISH.replace("-0.25	<s> boats", "0.25	<s> boats"), "above 0"),
    "no number": (ENGLISH.replace("-0.25	<s>", "nan	<s>"), "above 0 or no number"),
    "a word for a number": (
        ENGLISH.replace("-0.25	<s> boats	-0.15", "x	<s> boats	-0.15"),
        "a line that is no",
    ),
    "unknown word": (ENGLISH.replace("-0.6	boats boats", "-0.6	boats tide"), "a line that is no n-gram"),
    "twice": (ENGLISH.replace("-0.6	boats boats", "-0.6	boats came"), "stands twice"),
    "no start": (ENGLISH.replace("<s>", "<x>"), "lacks <s>"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_model_is_one_clear_line(tmp_path: Path, what: str) -> None:
    text, told = WRONG[what]
    with pytest.raises(InputError, match=told) as error:
        load(tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_gzipped_file_that_was_cut_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "model.gz").write_bytes(gzip.compress(ENGLISH.encode())[:-20])
    with pytest.raises(InputError, match="is no ARPA model"):
        load_arpa(tmp_path / "model.gz", "a stage")


@given(st.lists(st.text("abc \n\t", max_size=20), max_size=6))
def test_a_text_has_its_score_whatever_stands_beside_it(english: ArpaModel, texts: list[str]) -> None:
    words = [text.replace("c", "tide").replace("b", " in ").replace("a", "boats") for text in texts]
    together = english.scores(pa.array(words, pa.large_string()))
    alone = [english.scores(pa.array([text], pa.large_string())) for text in words]
    assert together[0].tolist() == [float(scores[0]) for scores, _ in alone]
    assert together[1].tolist() == [int(lengths[0]) for _, lengths in alone]


# ---------------------------------------------------------------------------------------------- against kenlm


def arpa_of(lines: list[str], *, seed: int = 3) -> str:
    """A model of the 1- to 3-grams in lines, with any numbers: kenlm asks only for the form."""
    chance = random.Random(seed)
    orders: list[dict[tuple[str, ...], None]] = [{("<unk>",): None, ("<s>",): None, ("</s>",): None}, {}, {}]
    for line in lines:
        words = ["<s>", *line.split(), "</s>"]
        orders[0] |= dict.fromkeys((word,) for word in words)
        orders[1] |= dict.fromkeys(pairwise(words))
        orders[2] |= dict.fromkeys(zip(words, words[1:], words[2:], strict=False))
    # Some of the longest are left out, so that there is something to back off to.
    orders[2] = {words: None for words in orders[2] if chance.random() < 0.6}
    head = "".join(f"ngram {n}={len(ngrams)}\n" for n, ngrams in enumerate(orders, 1))
    parts = [f"\\data\\\n{head}"]
    for n, ngrams in enumerate(orders, 1):
        rows = [
            f"{-chance.uniform(0.01, 5):.6f}\t{' '.join(words)}" + (f"\t{chance.uniform(-2, 0.3):.6f}" if n < 3 else "")
            for words in ngrams
        ]
        parts.append("\n".join([f"\\{n}-grams:", *rows, ""]))
    return "\n".join([*parts, "\\end\\\n"])


def kenlm_scores(path: Path, texts: list[str]) -> list[float]:
    kenlm: Any = pytest.importorskip("kenlm")
    model = kenlm.Model(str(path))
    return [sum(map(model.score, text.split("\n"))) for text in texts]


def test_scores_are_those_of_kenlm_to_the_last_bit(real_data: Path, tmp_path: Path) -> None:
    articles = gzip.decompress((real_data / "dedup-articles/articles_1000.jsonl.gz").read_bytes()).decode()
    lines = [line for line in articles.replace("\\n", "\n").split("\n") if line]
    assert len(lines) > 500
    path = tmp_path / "model.arpa"
    path.write_text(arpa_of(lines[:300]), encoding="utf-8")
    texts = ["\n".join(lines[n : n + 3]) for n in range(0, 600, 3)]
    expected = kenlm_scores(path, texts)
    scores, _ = load_arpa(path, "a stage").scores(pa.array(texts, pa.large_string()))
    assert scores.tolist() == expected
    assert len(np.unique(scores)) > 150
