"""The measures of a report as cards of a page: a chart, a slider for each threshold, and the same in a table.

Costs a chart a measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from datapipe.report.charts import histogram, place_of
from datapipe.report.model import MeasureFacts, Report, StageFacts, ThresholdFacts
from datapipe.report.numbers import number

__all__ = ["Bin", "Card", "Drawn", "Slider", "StageCards", "cards_of"]

MOST_CHARTS = 400  # of a page; more measures have their table alone
ROWS = 12  # of the table beside a chart


@dataclass(frozen=True)
class Slider:
    """One threshold: `number` counts all sliders of the page, `at` is where it stands, `last` its last place."""

    number: int
    threshold: ThresholdFacts
    at: int
    last: int
    line: int  # which line of the chart it moves


@dataclass(frozen=True)
class Bin:
    """A row of the table: documents with a value in [low, high)."""

    low: float
    high: float
    kept: int
    dropped: int


@dataclass(frozen=True)
class Card:
    """One measure."""

    name: str
    measure: MeasureFacts
    chart: Markup | None  # null where no two values differ
    sliders: tuple[Slider, ...]
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class StageCards:
    """The measures of one stage, those with thresholds first."""

    name: str
    facts: StageFacts
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Drawn:
    """All cards, and what the page's script moves sliders by, in the order of `Slider.number`."""

    stages: tuple[StageCards, ...]
    sliders: list[dict[str, Any]]


def cards_of(report: Report) -> Drawn:
    """Cards of all stages that measure something."""
    sliders: list[dict[str, Any]] = []
    charts = 0
    made = []
    for name, facts in report.stages.items():
        cards = []
        ordered = sorted(facts.measures.items(), key=lambda each: not each[1].thresholds)
        for short, measure in ordered:
            card = _card(short, measure, facts, sliders, with_chart=charts < MOST_CHARTS)
            charts += card.chart is not None
            cards.append(card)
        if cards:
            made.append(StageCards(name, facts, tuple(cards)))
    return Drawn(tuple(made), sliders)


def _card(
    name: str, measure: MeasureFacts, facts: StageFacts, sliders: list[dict[str, Any]], *, with_chart: bool
) -> Card:
    drawable = with_chart and measure.least != measure.greatest
    mine = []
    for line, threshold in enumerate(measure.thresholds):
        if threshold.steps:
            places = _places(threshold, facts.stayed.documents)
            at = next(place for place, each in enumerate(places) if each.now)
            mine.append(Slider(len(sliders), threshold, at, len(places) - 1, line))
            at_pixels = [None if each.value is None else place_of(measure, threshold, each.value) for each in places]
            sliders.append(_moves(places, facts) | {"x": at_pixels})
    label = _label(name, measure)
    chart = histogram(measure, label) if drawable else None
    return Card(name, measure, chart, tuple(mine), _bins(measure))


@dataclass(frozen=True)
class _Place:
    """A place of a slider: a value for all languages (null: off, or as now by language), and what the stage keeps."""

    value: float | None
    kept: int
    says: str
    now: bool = False


def _places(threshold: ThresholdFacts, kept_now: int) -> list[_Place]:
    """All places from the lowest value to the highest; off stands where fewest leave."""
    single = not threshold.by_language
    steps = [
        _Place(value, kept, number(value), now=single and value == threshold.value)
        for value, kept in zip(threshold.steps, threshold.kept, strict=True)
    ]
    below = [each for each in steps if threshold.value is not None and (each.value or 0.0) < threshold.value]
    if not single:
        usual = "off" if threshold.value is None else number(threshold.value)
        steps.insert(len(below), _Place(None, kept_now, f"by language, else {usual}", now=True))
    elif threshold.value is not None and not any(each.now for each in steps):
        steps.insert(len(below), _Place(threshold.value, kept_now, number(threshold.value), now=True))
    is_off = single and threshold.value is None
    if is_off or threshold.kept_off is not None:
        kept_off = kept_now if threshold.kept_off is None else threshold.kept_off
        off = _Place(None, kept_off, "off", now=is_off)
        steps = [off, *steps] if threshold.side == "below" else [*steps, off]
    return steps


def _moves(places: Sequence[_Place], facts: StageFacts) -> dict[str, Any]:
    """By place of a slider: the value in words and as `what-if` takes it, and documents kept."""
    return {
        "came": facts.came.documents,
        "now": next(each.kept for each in places if each.now),
        "kept": [each.kept for each in places],
        "says": [each.says for each in places],
        "values": [_given(each) for each in places],
    }


def _given(place: _Place) -> str | None:
    """The value on a command line; None where none says it."""
    if place.value is None:
        return "null" if place.says == "off" else None
    return repr(place.value).removesuffix(".0")


def _label(name: str, measure: MeasureFacts) -> str:
    kept, dropped = sum(measure.kept), sum(measure.dropped)
    middle = measure.quantiles.get("p50")
    told = f"{name}: {kept:,} documents kept and {dropped:,} dropped"
    return f"{told}, half of them below {number(middle)}" if middle is not None else told


def _bins(measure: MeasureFacts) -> tuple[Bin, ...]:
    """The histogram in few rows, as even as its bins allow."""
    count = len(measure.kept)
    width = max(1, -(-count // ROWS))
    return tuple(
        Bin(
            measure.edges[start],
            measure.edges[min(start + width, count)],
            sum(measure.kept[start : start + width]),
            sum(measure.dropped[start : start + width]),
        )
        for start in range(0, count, width)
    )
