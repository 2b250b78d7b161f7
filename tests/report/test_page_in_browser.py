"""The page in Chromium: silent, inert, whole on a telephone, and right when a slider moves."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path

import pytest

from datapipe.engine.local import LocalEngine
from datapipe.lineage import escape
from datapipe.recipe import load_recipe
from datapipe.registry import Registry
from datapipe.report.facts import gather
from datapipe.report.page import SECTIONS, render
from datapipe.run.context import Context
from datapipe.run.driver import open_run, run_recipe
from datapipe.run.reopen import reopen
from datapipe.run.what_if import what_if
from tests.report.browser import Browser, Page
from tests.report.made import made
from tests.report.sliders import moves_of

ALL = ["summary", *(section.id for section in SECTIONS)]
RECIPE = """
run: {folder}/run
seed: 7
stages:
  docs: {{use: read.jsonl, paths: ["{folder}/docs.jsonl"], source: notes}}
  length: {{use: filter.length, min_words: 12, max_words: 90}}
  quality: {{use: filter.gopher, min_words: 20, min_stop_words: 1, max_duplicate_lines: 0.3}}
"""
WORDS = [
    "the",
    "kiln",
    "of",
    "a",
    "potter",
    "and",
    "that",
    "fire",
    "to",
    "be",
    "with",
    "have",
    "clay",
    "glaze",
    "wheel",
    "ash",
    "ember",
    "spout",
    "handle",
    "lid",
    "shard",
]


def address(folder: Path, page: str) -> str:
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with something in every section."""
    return address(tmp_path_factory.mktemp("page"), render(made()))


def quiet(page: Page, url: str) -> None:
    """Nothing was said, and nothing was asked for but the page."""
    assert page.console == []
    assert page.dialogs == 0
    assert page.requests == [url]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_is_silent_whole_and_within_its_width(browser: Browser, full: str, width: int, dark: bool) -> None:  # noqa: FBT001 - a table of cases
    with browser.page(full, width=width, dark=dark) as page:
        assert page.run("[...document.querySelectorAll('main > section')].map(each => each.id)") == ALL
        page.run("document.querySelectorAll('details').forEach(each => { each.open = true })")
        assert page.run("document.documentElement.scrollWidth") <= width
        assert page.run("document.body.scrollWidth") <= width
        paper = page.run("getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(20, 24, 28)" if dark else "rgb(252, 252, 250)")
        quiet(page, full)


def test_the_switch_turns_colours_and_says_so(browser: Browser, full: str) -> None:
    with browser.page(full) as page:
        shades = []
        for _ in range(3):
            state = "[getComputedStyle(document.body).backgroundColor, document.getElementById('theme').ariaPressed]"
            shades.append(page.run(state))
            page.run("document.getElementById('theme').click()")
        assert shades == [["rgb(252, 252, 250)", "false"], ["rgb(20, 24, 28)", "true"], ["rgb(252, 252, 250)", "false"]]


CONTRAST = """
(() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[0-9.]+/g).slice(0, 3).map(each => each / 255)
      .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (part) => {
    for (; part; part = part.parentElement) {
      const color = getComputedStyle(part).backgroundColor;
      if (!/, 0\\)$/.test(color) && !/^rgba/.test(color)) return color;
    }
  };
  const found = [];
  for (const part of document.querySelectorAll('main *, header *, nav *, footer *')) {
    if (!part.textContent.trim() || part.closest('svg') || !part.offsetParent || part.matches('.cell')) continue;
    const [one, two] = [light(getComputedStyle(part).color), light(behind(part))].sort((a, b) => b - a);
    if ((one + 0.05) / (two + 0.05) < 4.5) found.push(part.outerHTML.slice(0, 80));
  }
  return found;
})()
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(browser: Browser, full: str, dark: bool) -> None:  # noqa: FBT001 - a table of cases
    with browser.page(full, dark=dark) as page:
        assert page.run(CONTRAST) == []  # 4.5 to 1: WCAG 2.2, success criterion 1.4.3


def test_every_chart_has_words_and_a_table(browser: Browser, full: str) -> None:
    with browser.page(full) as page:
        charts = "[...document.querySelectorAll('svg.chart')]"
        assert page.run(f"{charts}.length") == 8  # four measures, three of them once more, one mixture
        assert page.run(f"{charts}.every(each => each.getAttribute('role') === 'img' && each.ariaLabel.length > 20)")
        assert page.run(f"{charts}.every(each => each.closest('figure, .card').querySelector('table, a'))")
        landmarks = ["header", "nav[aria-label]", "main", "footer", "h1", "a.skip[href='#main']"]
        assert [page.run(f"document.querySelectorAll({json.dumps(each)}).length") for each in landmarks] == [1] * 6
        named = (
            "[...document.querySelectorAll('input, button, [role=region]')].every(e => e.ariaLabel || e.labels?.length)"
        )
        assert page.run(named)
        levels = page.run("[...document.querySelectorAll('h1,h2,h3,h4')].map(each => Number(each.tagName[1]))")
        assert all(after <= before + 1 or (before, after) == (2, 4) for before, after in pairwise(levels))


def press(page: Page, key: str, code: int) -> None:
    for kind in ("rawKeyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)
    page.run("new Promise(done => requestAnimationFrame(() => done()))")


def test_keys_lead_past_the_contents_and_move_a_slider(browser: Browser, full: str) -> None:
    with browser.page(full) as page:
        press(page, "Tab", 9)
        assert page.run("document.activeElement.className") == "skip"
        page.run("document.querySelector('[data-slider=\"0\"]').focus()")
        assert page.run("document.getElementById('o0').textContent") == "50 (now)"
        press(page, "ArrowRight", 39)
        assert page.run("document.getElementById('o0').textContent") == "100"
        assert page.run("document.getElementById('e0').textContent") == "keeps 700 of 1,000, 70.0% (\N{MINUS SIGN}200)"
        assert page.run("document.activeElement.getAttribute('aria-valuetext')") == "100"
        assert page.run("document.getElementById('e0').title") == "datapipe what-if RUN quality min_words=100"
        line = "document.querySelector('#m-quality-words line.threshold')"
        assert page.run(f"Number({line}.getAttribute('x1'))") == pytest.approx(40 + 268 * 100 / 120, abs=0.1)


def test_a_link_into_a_closed_part_opens_it(browser: Browser, full: str) -> None:
    with browser.page(full) as page:
        page.run("document.querySelectorAll('details').forEach(each => { each.open = false })")
        page.run(
            "new Promise(done => { addEventListener('hashchange', () => setTimeout(done)); "
            "location.hash = '#m-spam-density' })"
        )
        assert page.run("document.getElementById('m-spam-density').closest('details').open")


def test_on_paper_the_page_is_light_and_without_controls(browser: Browser, full: str) -> None:
    with browser.page(full, dark=True) as page:
        page.call("Emulation.setEmulatedMedia", media="print")
        shown = "[...document.querySelectorAll('nav, #theme, input')].filter(each => each.offsetParent).length"
        assert page.run(shown) == 0
        assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.run("getComputedStyle(document.querySelector('main')).color") == "rgb(17, 17, 17)"


HOSTILE = (
    "<script>window.broken=1;alert(1)</script></script><script>window.broken=1</script>"
    "\" onfocus='window.broken=1' autofocus x='<img src=//x.example/a onerror=window.broken=1>"
    "</style><style>body{display:none}@import '//x.example/b'</style><link rel=stylesheet href=//x.example/c>"
    "<iframe src=//x.example/d></iframe><svg onload=window.broken=1><base href=//x.example/><meta http-equiv=refresh "
    "content='0;url=//x.example/e'>x;}body{background:url(//x.example/f)}\u202e\u2066\u2028 ]]>--><!--"
)
UNTOUCHED = """
[window.broken === undefined, document.scripts.length, document.querySelectorAll('img, iframe, base').length,
 document.styleSheets.length, getComputedStyle(document.body).display,
 document.querySelectorAll('[onfocus], [onload]').length]
"""


@pytest.mark.parametrize("text", [HOSTILE, HOSTILE[::-1], "<title>" * 700_000], ids=["markup", "backwards", "5 MB"])
def test_hostile_words_stay_words(browser: Browser, tmp_path: Path, text: str) -> None:
    made_page = render(made(text))
    assert len(made_page) < 1_000_000
    url = address(tmp_path, made_page)
    with browser.page(url) as page:
        page.run("document.querySelectorAll('details').forEach(each => { each.open = true })")
        assert page.run(UNTOUCHED) == [True, 2, 0, 1, "block", 0]
        assert page.run("document.querySelector('.sample h4').textContent").startswith(escape(text)[:20])
        assert page.run("document.documentElement.scrollWidth") <= 1280
        quiet(page, url)


def test_markup_that_got_through_all_the_same_could_do_nothing(browser: Browser, tmp_path: Path) -> None:
    evil = "<script>window.broken=1</script><b onclick='window.broken=1' id=evil>x</b><img src='http://127.0.0.1:9/a'>"
    url = address(tmp_path, render(made()).replace("</main>", f"{evil}</main>"))
    with browser.page(url) as page:
        page.run("document.getElementById('evil').click()")
        assert page.run("window.broken === undefined")
        assert any("Content Security Policy" in line for line in page.console)


# ---------------------------------------------------------------------------------------------- sliders


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A run over notes of many lengths, some of which repeat themselves."""
    folder = tmp_path_factory.mktemp("notes")
    chance = random.Random(5)
    lines = []
    for place in range(160):
        words = chance.choices(WORDS[: 3 + place % 20], k=chance.randint(4, 120))
        breaks = [word + ("\n" if chance.random() < 0.1 else " ") for word in words]
        lines.append(json.dumps({"text": "".join(breaks).strip()}))
    (folder / "docs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE.format(folder=folder), encoding="utf-8")
    recipe = load_recipe(folder / "recipe.yaml", Registry())
    run_recipe(open_run(recipe, LocalEngine()))
    return reopen(recipe.run, Registry())


def test_sliders_say_what_what_if_says(browser: Browser, tmp_path: Path, context: Context) -> None:
    url = address(tmp_path, render(gather(context)))
    with browser.page(url) as page:
        moves = moves_of(page)
        quiet(page, url)
    assert len(moves) >= 10
    changed = 0
    for stage, option, places in moves:
        given = [(value, kept) for value, kept in places if value is not None]
        assert len(given) == len(places) - 1  # all but the place that holds now
        for value, kept in given[len(given) // 2 :: len(given)] + given[-1:]:
            effect = what_if(context, stage, [f"{option}={value}"], Registry())
            assert (stage, option, value, effect.kept[1]) == (stage, option, value, kept)
            changed += effect.kept[0] != effect.kept[1]
    assert changed >= 5
