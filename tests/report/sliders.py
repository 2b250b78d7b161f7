"""What a page's sliders say at each of their places."""

from __future__ import annotations

from typing import Any

from tests.report.browser import Page

MOVES = """
[...document.querySelectorAll('input[data-slider]')].map(input => {
  const found = [];
  for (let place = 0; place <= Number(input.max); place += 1) {
    input.value = place;
    input.dispatchEvent(new Event('input'));
    const effect = document.getElementById('e' + input.dataset.slider);
    found.push([effect.title.split('=')[1] ?? null, Number(effect.dataset.kept)]);
  }
  return [input.dataset.stage, input.dataset.option, found];
})
"""


def moves_of(page: Page) -> list[Any]:
    """By slider: stage, option, and at each place the value for `what-if` (null: as now) and the documents kept."""
    return page.run(MOVES)
