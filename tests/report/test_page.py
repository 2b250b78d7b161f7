"""The page as a text: what stands in it, what is escaped, where sliders and lines stand."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from html.parser import HTMLParser
from typing import Any

import pytest
from markupsafe import Markup

from datapipe.errors import RunError
from datapipe.report import charts
from datapipe.report import page as pages
from datapipe.report.cards import cards_of
from datapipe.report.charts import Axis, area_chart, histogram, horizontal, place_of
from datapipe.report.lanes import Row, rows_of
from datapipe.report.model import MeasureFacts, Report
from datapipe.report.numbers import count, number, percent, shown, signed
from datapipe.report.page import SECTIONS, render
from tests.report.made import BY_LANGUAGE, REACH, WORDS, made, threshold

NOTHING: dict[str, Any] = {
    "sources": {},
    "alarms": [],
    "groups": None,
    "duplicates": {},
    "contamination": None,
    "personal": {},
    "conversations": None,
    "mixture": {},
    "packing": {},
    "audit": {},
    "samples": [],
    "gates": [],
}


class Tags(HTMLParser):
    """Every tag with its attributes, and the text inside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in {"script", "style"} and data.strip():
            self.inside.append((self.tags[-1][0], data))


def sections_of(page: str) -> list[str]:
    return [attributes["id"] or "" for tag, attributes in Tags(page).tags if tag == "section"]


# ---------------------------------------------------------------------------------------------- sections


def test_a_full_report_has_every_section_in_the_contents_too() -> None:
    page = render(made())
    wanted = ["summary", *(section.id for section in SECTIONS)]
    assert sections_of(page) == wanted
    assert re.findall(r'<li><a href="#([a-z]+)">', page) == wanted
    assert "This run has nothing of" not in page


def test_empty_sections_are_left_out_and_named_at_the_end() -> None:
    page = render(made(**NOTHING))
    assert sections_of(page) == ["summary", "funnel", "corpus", "measures", "marks", "work", "recipe"]
    lacking = "gates, sources, groups of people, duplicates, benchmarks, personal data, conversations, a mixture"
    rest = "packed sequences, planted cases, documents to read"
    assert f"This run has nothing of: {lacking}, {rest}." in page


def test_a_run_that_has_not_begun_has_a_page() -> None:
    nothing = NOTHING | {"stages": {}, "work": {}}
    empty = {"stages": [], "amount": {"documents": 0, "bytes": 0, "tokens": None}, "categories": {}}
    assert sections_of(render(made(**nothing, corpus=empty))) == ["summary"]


def test_every_reason_and_meaning_of_the_funnel_stands_there() -> None:
    page = render(made())
    for reason in ("damaged_input", "too_few_words", "too_many_words", "no_answer"):
        assert f"<code>{reason}</code>" in page
        assert f"the document has {reason}" in page


def test_the_same_report_gives_the_same_bytes() -> None:
    assert render(made()) == render(Report.model_validate_json(made().model_dump_json()))


# ---------------------------------------------------------------------------------------------- nothing gets out or in


def test_the_policy_names_the_hashes_of_the_only_script_and_style() -> None:
    page = render(made())
    policy = next(attributes["content"] for tag, attributes in Tags(page).tags if "http-equiv" in attributes)
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    for tag, kind in (("script", "script-src"), ("style", "style-src")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy


def test_nothing_in_the_page_points_outside_it() -> None:
    tags = Tags(render(made("https://example.org/a"))).tags
    links = [each.get(name) for _, each in tags for name in ("href", "src", "action", "data", "poster") if name in each]
    assert [link for link in links if not (link or "").startswith(("#", "data:,"))] == []
    assert [attributes for _, attributes in tags if "style" in attributes] == []


HOSTILE = {
    "script": "<script>window.broken=1</script>",
    "end of script": "</script><script>window.broken=1</script>",
    "attribute": "\" onfocus=window.broken=1 autofocus x='",
    "image": "<img src=x onerror=window.broken=1>",
    "style": "</style><style>body{display:none}</style>",
    "css": "x;}body{background:red}",
    "template": "{{ 7 * 7 }}{% include 'page.html' %}",
    "comment": "<!-- <script>",
    "svg": "<svg><script>window.broken=1</script></svg>",
    "direction": "\u202eevil\u2066\u200b",
    "separators": "a\u2028b\u2029c\x00d",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_words_of_documents_become_no_markup(text: str) -> None:
    tame, page = (Tags(render(made(each))) for each in ("tame", text))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in tame.tags]
    assert [sorted(attributes) for _, attributes in page.tags] == [sorted(each) for _, each in tame.tags]
    assert page.inside == tame.inside  # scripts, styles and the block of data


def test_unseen_marks_are_written_out() -> None:
    page = render(made("\u202eevil\u2066\x1b[2J"))
    assert not set(page) & set("\u202e\u2066\x1b")
    assert "\\u202eevil\\u2066\\x1b[2J" in page


def test_data_ends_no_script() -> None:
    page = render(made("</script>"))
    (block,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert not set(block) & set("<>&\u2028\u2029")
    assert len(json.loads(block)) == 3


def test_long_texts_are_cut() -> None:
    assert len(render(made("y" * 5_000_000))) - len(render(made("y" * 1_000))) < 100_000


# ---------------------------------------------------------------------------------------------- sliders


def measured(given: dict[str, Any]) -> Report:
    stages = made().model_dump()["stages"]
    stages["quality"]["measures"] = {"words": given}
    return made(stages=stages)


@pytest.mark.parametrize(
    ("measure", "says", "kept", "now"),
    [
        (WORDS, ["off", "20", "50", "100"], [960, 950, 900, 700], 2),
        (REACH, ["10", "4,000", "off"], [500, 890, 900], 2),
        (BY_LANGUAGE, ["off", "1", "by language, else 2", "2", "3"], [960, 940, 900, 890, 800], 2),
        (WORDS | {"thresholds": [threshold("max_x", "above", 7.5, {7.0: 1}, None)]}, ["7", "7.5"], [1, 900], 1),
        (
            WORDS | {"thresholds": [threshold("min_x", "below", 7.5, {8.0: 1}, 1000)]},
            ["off", "7.5", "8"],
            [1000, 900, 1],
            1,
        ),
    ],
)
def test_places_of_a_slider_go_up_with_off_where_fewest_leave(
    measure: dict[str, Any], says: list[str], kept: list[int], now: int
) -> None:
    drawn = cards_of(measured(measure))
    (moves, *_) = drawn.sliders
    assert (moves["says"], moves["kept"]) == (says, kept)
    assert (moves["came"], moves["now"]) == (1000, 900)
    (slider,) = drawn.stages[0].cards[0].sliders
    assert (slider.at, slider.last) == (now, len(says) - 1)


def test_values_are_given_as_what_if_takes_them() -> None:
    given = threshold("min_x", "below", 0.5, {0.00001: 990, 0.5: 900, 2.0: 1}, 1000)
    (moves, *_) = cards_of(measured(WORDS | {"thresholds": [given]})).sliders
    assert moves["values"] == ["null", "1e-05", "0.5", "2"]
    (moves, *_) = cards_of(measured(BY_LANGUAGE)).sliders
    assert moves["values"] == ["null", "1", None, "2", "3"]


def test_an_option_that_acts_on_more_than_its_measure_has_no_slider() -> None:
    given = threshold("min_words", "below", 50.0, {}, None)
    drawn = cards_of(measured(WORDS | {"thresholds": [given]}))
    assert drawn.stages[0].cards[0].sliders == ()
    assert drawn.sliders == []
    assert "less leaves" in render(measured(WORDS | {"thresholds": [given]}))


def test_the_table_beside_a_chart_counts_every_document_once() -> None:
    edges = [float(edge) for edge in range(61)]
    many = WORDS | {"edges": edges, "kept": list(range(60)), "dropped": [1] * 60}
    bins = cards_of(measured(many)).stages[0].cards[0].bins
    assert len(bins) == 12
    assert [each.low for each in bins] == [each.high - 5 for each in bins]
    assert (bins[0].kept, bins[-1].kept) == (0 + 1 + 2 + 3 + 4, 55 + 56 + 57 + 58 + 59)
    assert sum(each.dropped for each in bins) == 60


# ---------------------------------------------------------------------------------------------- charts


@pytest.mark.parametrize(
    ("axis", "value", "pixels"),
    [
        (Axis(0, 100, "linear"), 0, 40),
        (Axis(0, 100, "linear"), 25, 107),  # a quarter of 320 - 40 - 12
        (Axis(0, 100, "linear"), 100, 308),
        (Axis(0, 100, "linear"), 1e9, 309.3),  # beyond the frame
        (Axis(1, 10_000, "log"), 100, 174),
        (Axis(0, 99, "symlog", 1), 9, 174),  # log(1 + 9) is half of log(1 + 99)
        (Axis(5, 5, "linear"), 5, 174),
    ],
)
def test_values_stand_where_the_drawing_has_them(axis: Axis, value: float, pixels: float) -> None:
    assert axis.place(value) == pixels


def facts(**changes: Any) -> MeasureFacts:
    return MeasureFacts.model_validate(WORDS | changes)


def test_a_far_last_bin_does_not_flatten_the_others() -> None:
    assert horizontal(facts(edges=[0.0, 1.0, 2.0, 3.0, 900.0])).high == 4
    assert horizontal(facts(edges=[0.0, 1.0, 2.0, 3.0, 5.0])).high == 5
    assert horizontal(facts(edges=[0.0, 1.0, 10.0, 9000.0], scale="log")).high == 9000


def test_of_whole_numbers_those_above_a_limit_begin_with_the_next() -> None:
    above = facts(edges=[0.0, 1.0, 2.0, 3.0, 4.0], thresholds=[threshold("max_x", "above", 1.0, {}, None)])
    below = facts(edges=[0.0, 1.0, 2.0, 3.0, 4.0], thresholds=[threshold("min_x", "below", 1.0, {}, None)])
    assert place_of(above, above.thresholds[0], 1.0) == 174
    assert place_of(below, below.thresholds[0], 1.0) == 107


def test_a_drawing_holds_marks_thresholds_and_its_label() -> None:
    svg = histogram(facts(), 'words: "many" <few>')
    assert svg.startswith('<svg class="chart" role="img" aria-label="words: &quot;many&quot; &lt;few&gt;"')
    assert svg.count('class="threshold"') == 1
    assert "var(--kept)" in svg
    assert "var(--dropped)" in svg
    assert "style=" not in svg
    assert len(svg) < 8_000


def test_an_option_that_is_off_has_a_line_that_is_not_shown() -> None:
    assert 'display="none"/></svg>' in histogram(MeasureFacts.model_validate(REACH), "reach")


def test_beyond_eight_sources_the_rest_is_one_and_no_name_is_drawn() -> None:
    shares = {f"<source {place}>": [0.1 - place / 1000] * 50 for place in range(10)}
    svg, names = area_chart(shares, "shares")
    assert names == (*(f"<source {place}>" for place in range(8)), "2 others")
    assert "source" not in svg
    assert all(f"var(--s{place})" in svg for place in range(9))


@pytest.mark.parametrize("name", ["vl_convert", "jinja2"])
def test_without_the_extra_one_line_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for loader in (charts._library, pages._environment):
        loader.cache_clear()
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RunError, match=rf"{name} .* is not installed; pip install 'datapipe\[report\]'"):
        render(made())
    for loader in (charts._library, pages._environment):
        loader.cache_clear()


# ---------------------------------------------------------------------------------------------- words and lanes


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (count, 1_234_567, "1,234,567"),
        (count, -5, "\N{MINUS SIGN}5"),
        (count, None, "–"),
        (signed, 5, "+5"),
        (signed, -1_000, "\N{MINUS SIGN}1,000"),
        (percent, 0.0, "0%"),
        (percent, 0.0001, "<0.1%"),
        (percent, 0.123, "12.3%"),
        (percent, 0.99999, ">99.9%"),
        (percent, 1.0, "100%"),
        (percent, None, "–"),
        (number, 3.0, "3"),
        (number, 0.012341, "0.01234"),
        (number, 54_321.9, "54,322"),
        (number, -0.5, "\N{MINUS SIGN}0.5"),
        (number, 6.2e17, "6.2e+17"),
        (number, None, "–"),
        (shown, None, "–"),
        (shown, "a\x1bb", "a\\x1bb"),
        (shown, "y" * 3_000, "y" * 2_000 + " …"),
        (shown, 7, 7),
        (shown, Markup("<b>"), Markup("<b>")),
    ],
)
def test_numbers_and_texts_are_written_for_people(function: Any, value: Any, text: Any) -> None:
    assert function(value) == text


def test_lanes_of_a_line_stay_in_one() -> None:
    assert rows_of({"a": (), "b": ("a",), "c": ("b",)}) == (
        Row("a", 0, (), (), onward=True),
        Row("b", 0, (0,), (), onward=True),
        Row("c", 0, (0,), (), onward=False),
    )


def test_lanes_part_and_meet() -> None:
    parents = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ()}
    assert rows_of(parents) == (
        Row("a", 0, (), (), onward=True),
        Row("b", 1, (0,), (0,), onward=True),  # the lane of a goes on to c
        Row("c", 0, (0,), (1,), onward=True),
        Row("d", 0, (0, 1), (), onward=False),
        Row("e", 0, (), (), onward=False),
    )


def test_parents_come_first_wherever_the_recipe_has_them() -> None:
    assert [row.stage for row in rows_of({"late": ("early",), "early": ()})] == ["early", "late"]
