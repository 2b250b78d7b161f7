"""`dedup.host_lines` against a plain dictionary, over a stream sorted and cut as the framework does."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.text.reference import normal_words
from stages.dedup.host_lines import STAGE, Config
from tests.stages.grouped import Page, judged_pages


def run(pages: Sequence[Page], config: Config) -> list[dict[str, Any]]:
    """What the stage says of each page, with its reason."""
    return judged_pages(STAGE, config, pages)


def site(
    count: int, host: str = "a.example", text: str = "Home\nAbout us\n\nStory {n} of the {word} day\n\nGood bye"
) -> list[Page]:
    """Pages of a host that differ in one line, in a word without digits."""
    return [(f"https://{host}/{n}", text.format(n=n, word="x" * (n + 1))) for n in range(count)]


ALL = Config(min_pages=3, min_share=0.5)


def test_lines_on_enough_pages_are_cut_with_the_breaks_behind_them() -> None:
    found = run(site(3), ALL)
    assert [row["text"] for row in found] == [f"Story {n} of the {'x' * (n + 1)} day" for n in range(3)]
    assert {row["lines"] for row in found} == {3}
    text = b"Home\nAbout us\n\nStory 0 of the x day\n\nGood bye"
    gone = [text[span["start"] : span["end"]] for span in found[0]["spans"]]
    assert gone == [b"Home\n", b"About us\n\n", b"\n\nGood bye"]
    assert found[0]["words"] == 6


@pytest.mark.parametrize(
    ("pages", "min_pages", "min_share", "cut"),
    [
        (3, 3, 0.0, True),
        (2, 3, 0.0, False),
        (10, 2, 0.3, True),  # the line stands on 3 of 10: at the share
        (11, 2, 0.3, False),  # 3 of 11 is less
    ],
)
def test_at_above_and_below_the_thresholds(pages: int, min_pages: int, min_share: float, *, cut: bool) -> None:
    banner = "The same banner\n"
    texts = [(banner if n < 3 else "") + "y" * (n + 1) for n in range(pages)]
    found = run([("http://h.example/", text) for text in texts], Config(min_pages=min_pages, min_share=min_share))
    assert [row["lines"] for row in found] == [int(cut and n < 3) for n in range(pages)]


CASES = [
    ("3 comments", "7 Comments!", True),
    ("Über uns", "uber  uns", True),
    ("首页　｜　关于我们", "首页 关于我们", True),
    ("首页", "首頁", False),
    ("}", "}", False),  # no word in it
    ("go on", "go home", False),
]


@pytest.mark.parametrize(("one", "other", "same"), CASES)
def test_what_counts_as_the_same_line(one: str, other: str, *, same: bool) -> None:
    found = run([("h.example/a", f"{one}\nfirst"), ("h.example/b", f"{other}\nsecond")], Config(min_pages=2))
    assert [row["lines"] for row in found] == [int(same)] * 2


def test_chinese_pages_lose_their_navigation() -> None:
    text = "网站首页\n登录 注册\n\n{word}今天下了一场大雨。\n\n版权所有　不得转载"
    pages = [(f"https://zh.example/{n}", text.format(word="我" * (n + 1))) for n in range(4)]
    assert [row["text"] for row in run(pages, ALL)] == ["我" * (n + 1) + "今天下了一场大雨。" for n in range(4)]


def test_each_host_is_by_itself_and_documents_without_one_are_not_judged() -> None:
    pages = [*site(2, "a.example"), *site(2, "b.example"), (None, "Home\nmy text"), ("data:,x", "Home\nmine"), *site(1)]
    found = run(pages, ALL)
    assert [row["lines"] for row in found] == [3, 3, 0, 0, 0, 0, 3]
    assert [row["judged"] for row in found] == [True] * 4 + [False] * 2 + [True]
    assert found[4]["text"] == "Home\nmy text"
    assert found[4]["words"] is None


def test_the_first_page_keeps_its_lines_where_asked() -> None:
    found = run(site(4), Config(min_pages=3, keep="first"))
    assert [row["lines"] for row in found] == [0, 3, 3, 3]


def test_a_line_twice_on_a_page_counts_once_and_is_cut_twice() -> None:
    pages = [("http://h.example/", f"menu\nmenu\n{'z' * (n + 1)}") for n in range(2)]
    assert [row["lines"] for row in run(pages, Config(min_pages=3))] == [0, 0]
    assert [row["text"] for row in run(pages, Config(min_pages=2))] == ["z", "zz"]


@pytest.mark.parametrize(("min_words", "reason"), [(6, None), (7, "too_little_left"), (None, None)])
def test_a_document_leaves_if_too_little_is_left(min_words: int | None, reason: str | None) -> None:
    found = run(site(3), Config(min_pages=3, min_words=min_words))
    assert {row["reason"] for row in found} == {reason}


def test_a_short_document_of_which_nothing_was_cut_stays() -> None:
    assert run([("h.example/", "short")], Config())[0]["reason"] is None


def test_nothing_is_left_of_a_page_that_is_all_boilerplate() -> None:
    pages = [("http://h.example/", "  menu\n\n  foot \n")] * 3
    assert [(row["text"], row["words"], row["reason"]) for row in run(pages, ALL)] == [("", 0, "too_little_left")] * 3


def test_other_line_breaks_and_indentation() -> None:
    pages = [
        ("http://h.example/", f"menu\r\n  {'k' * (n + 1)}\r  menu\u2028tail {'q' * (n + 1)}\r\n") for n in range(3)
    ]
    assert run(pages, ALL)[1]["text"] == "  kk\rtail qq\r\n"


LINE = st.sampled_from(["menu", "Menu!", "foot 1", "foot 2", "---", "", "  ", "a b", "登录", "x"])
PAGES = st.lists(st.tuples(st.sampled_from(["a.example", "b.example", None]), st.lists(LINE, max_size=5)), max_size=12)


@given(PAGES, st.integers(2, 4), st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.sampled_from(["none", "first"]))
@settings(max_examples=80)
def test_as_a_dictionary_counts_them(
    pages: list[tuple[str | None, list[str]]], least: int, share: float, keep: Any
) -> None:
    config = Config(min_pages=least, min_share=share, keep=keep)
    where: dict[tuple[str, str], list[int]] = defaultdict(list)
    sizes = Counter(host for host, _ in pages)
    for number, (host, lines) in enumerate(pages):
        for form in {" ".join(normal_words(line)) for line in lines} - {""}:
            if host:
                where[host, form].append(number)
    wanted = []
    for number, (host, lines) in enumerate(pages):
        kept = []
        for line in lines:
            stands = where.get((host or "", " ".join(normal_words(line))), [])
            cut = len(stands) >= max(least, math.ceil(sizes[host] * share))
            if line.strip() and not (cut and not (keep == "first" and stands[0] == number)):
                kept.append(line.strip())
        wanted.append(kept)
    given_pages: list[Page] = [(host and f"https://{host}/x", "\n".join(lines)) for host, lines in pages]
    found = run(given_pages, config) if pages else []
    for (_, text), row, kept in zip(given_pages, found, wanted, strict=True):
        assert [line.strip() for line in row["text"].splitlines() if line.strip()] == kept
        data = (text or "").encode()
        rest = data
        for span in reversed(row["spans"]):
            rest = rest[: span["start"]] + rest[span["end"] :]
        assert rest.decode() == row["text"]


@pytest.mark.parametrize("mark", ["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x1e", "\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize("behind", ["\n", "\r\n", "\r", "\x85", "\u2029"])
def test_lines_that_stay_are_not_joined_whatever_breaks_stand_around_a_cut(mark: str, behind: str) -> None:
    own = ["x" * (n + 1) for n in range(3)]
    pages = [("http://h.example/", f"{one} first{mark}The banner  {behind} {one} last") for one in own]
    assert [row["text"] for row in run(pages, ALL)] == [f"{one} first{mark} {one} last" for one in own]


PARTS = st.lists(
    st.tuples(
        st.sampled_from(["", "  ", "\t", "\u3000"]),
        st.sampled_from(["The banner", "Menu", "…", "own a", "own b", "漢字の行", "e\u0301t\u00e9", "\u0585 \u20ac"]),
        st.sampled_from(["\n", "\r\n", "\r", "\x0b", "\x85", "\u2028", " \n \n", "  \r\r\n"]),
    ),
    max_size=6,
).map(lambda parts: "".join(map("".join, parts)))


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(PARTS, min_size=3, max_size=6))
def test_what_stays_is_the_text_without_whole_lines(texts: list[str]) -> None:
    found = run([("http://h.example/", text) for text in texts], Config(min_pages=2, min_share=0, min_words=None))
    for text, row in zip(texts, found, strict=True):
        lines, stays = ([line.strip() for line in one.splitlines() if line.strip()] for one in (text, row["text"]))
        assert len(lines) - len(stays) == row["lines"]
        left = iter(lines)
        assert all(line in left for line in stays)  # in their order
        data = bytearray(text.encode())
        for span in reversed(row["spans"]):
            del data[span["start"] : span["end"]]
        assert data.decode() == row["text"]
