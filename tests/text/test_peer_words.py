"""Words as datatrove cuts English: worked out by hand from spaCy's rules, and the kernel against plain Python."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.text import peer_gopher_measures, peer_line_measures, reference_peer, reference_peer_measures
from datapipe.text.peer_words import peer_words
from datapipe.text.quality import GOPHER_STOP_WORDS

# Characters that the rules ask for, often side by side.
TOKENS = st.sampled_from([*"ab.AN-—–~,:/'’\"(1 5%+$*!…世ñ©\u0301\n@#?°µ", "n't", "'ll", "km", "Mr.", "://", "..", "--"])


def cut(text: str) -> list[str]:
    data, words = text.encode(), peer_words(pa.array([text], pa.large_string()))
    return [data[start:end].decode() for start, end in zip(words.start, words.end, strict=True)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It cost $1,400.50, or 5.5%!", "It cost $ 1,400.50 , or 5.5 % !"),
        ("well-known covid-19 1990-95 2010–11", "well - known covid-19 1990 - 95 2010–11"),
        ("yes -- no, a--b", "yes -- no , a -- b"),
        ("Wait...what?!! No....", "Wait ... what ? ! ! No ...."),
        ("see www.example.org/a-b_c?d=e, (mail me@some-host.co.uk).",
         "see www.example.org/a-b_c?d=e , ( mail me@some-host.co.uk ) ."),
        ("http://a.bc:8080/x-y but not a.b:8/x-y", "http://a.bc:8080/x-y but not a.b:8 / x - y"),
        ("I don't; they'll, we’ve, Anna's dogs'.", "I do n't ; they 'll , we ’ve , Anna 's dogs ' ."),
        ("Mr. Hill of the U.S. said so. e.g. A.B.", "Mr. Hill of the U.S. said so . e.g. A.B."),
        ("END. End.Next end.next", "END . End . Next end.next"),
        ("a,b 1,b a:b 10:30 he/she 1/2 3*4 a*b 2+-1", "a , b 1,b a : b 10:30 he / she 1/2 3 * 4 a*b 2 + -1"),
        ("5km 10am 3C 20% 7€ C++ +7 +x", "5 km 10 am 3C 20 % 7 € C++ +7 + x"),
        ("ok© a😀b", "ok © a 😀 b"),
        ("他说abc，好。", "他 说 abc ， 好 。"),
        ("か\u3099x", "か\u3099 x"),
        ("-x /y -", "-x /y -"),
        (" \n\u3000", ""),
    ],
)  # fmt: skip
def test_words_worked_out_by_hand(text: str, words: str) -> None:
    assert cut(text) == words.split()


def assert_equal(texts: list[str]) -> None:
    array = pa.array(texts, pa.large_string())
    words = peer_words(array)
    for x, text in enumerate(texts):
        chosen = slice(words.first[x], words.last[x])
        expected = [text[start:end] for start, end in reference_peer.peer_words(text)]
        data = text.encode()
        assert [data[a:b].decode() for a, b in zip(words.start[chosen], words.end[chosen], strict=True)] == expected
        assert words.length[chosen].tolist() == list(map(len, expected))
        assert (words.kinds[chosen] > 0).tolist() == [any(map(str.isalpha, word)) for word in expected]


@given(st.lists(TOKENS, max_size=40).map("".join))
def test_kernel_equals_plain_python(text: str) -> None:
    assert_equal([text])


@pytest.fixture(scope="session", params=["mixed", "repetitive", "real"])
def texts(request: pytest.FixtureRequest) -> list[str]:
    chosen: list[str] = request.getfixturevalue(f"{request.param}_texts")
    return [text[:1500] for text in chosen]  # counting is slow


def test_kernel_equals_plain_python_on_texts(texts: list[str]) -> None:
    assert_equal(texts)


def test_measures_equal_counting(texts: list[str]) -> None:
    array = pa.array(texts, pa.large_string())
    found = peer_gopher_measures(array, stop_words=GOPHER_STOP_WORDS) | {
        f"line {name}": values for name, values in peer_line_measures(array, short=30).items()
    }
    for x, text in enumerate(texts):
        expected = reference_peer_measures.quality_measures(text, stop_words=GOPHER_STOP_WORDS)
        expected |= reference_peer_measures.repetition_measures(text)
        expected |= {f"line {k}": v for k, v in reference_peer_measures.line_measures(text, short=30).items()}
        assert {name: float(values[x]) for name, values in found.items()} == pytest.approx(expected, rel=1e-12)


def test_words_of_nulls_and_of_nothing() -> None:
    words = peer_words(pa.array(["a b", None, "c"], pa.large_string()))
    assert (words.last - words.first).tolist() == [2, 0, 1]
    assert len(peer_words(pa.array([], pa.large_string())).first) == 0


@pytest.mark.parametrize("piece", ["a", ".", "-", "a-", "'", "1,", "!", "://", "a.", "@", "\u0301", "—", "n't", "km1"])
def test_a_megabyte_without_spaces_takes_linear_time(piece: str) -> None:
    def seconds(size: int) -> float:
        text = pa.array(["x" + piece * (size // len(piece.encode()))], pa.large_string())
        began = time.process_time()
        words = peer_words(text)
        assert np.all(words.end > words.start)
        return time.process_time() - began

    seconds(1000)
    assert seconds(1_000_000) < 1  # quadratic would be minutes
