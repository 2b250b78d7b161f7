"""Charts of a report as SVG, drawn once in Vega-Lite when the page is made: none of it runs in the browser.

Chosen before the others because the page then carries no library (Plotly's bundle is 4.5 MB, Bokeh's 1.2, Vega's 0.8),
needs no `eval` and no styles of the library, opens and prints as text does, and takes its colours from the page's own
variables, so that one drawing serves both themes. What moves, the threshold under a slider, is one line that the page
moves itself: where it stands for each value is worked out here.
Vega-Lite (BSD-3-Clause) by way of vl-convert (BSD-3-Clause), in the extra `report`: it brings its own engine, 80 MB on
disk, and draws without network. Costs half a second for the first chart, 20 ms for each more, some 120 MB of memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any

from markupsafe import Markup

from datapipe.errors import RunError
from datapipe.report.model import MeasureFacts, ThresholdFacts

__all__ = ["Axis", "area_chart", "histogram", "horizontal", "place_of"]

VEGA_LITE = "5.21"
WIDTH, HEIGHT = 320, 132  # of a chart, pixels: it fits a telephone without being made smaller
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 8, 22
MOST_SERIES = 8  # that a reader tells apart
FAR = 3  # times the width of a bin: a last bin that is wider is drawn as the others
LEAST_BELOW = 0.01  # of the greatest count: room below the line where nothing was dropped
BEYOND = 1.5  # pixels beside the frame where a value beyond it is drawn

# Of a value on an axis: thousands and more with their letter, others as they are.
_SHORT = "abs(datum.value) >= 1000 ? format(datum.value, '~s') : format(datum.value, '~g')"
_OPENING = re.compile(r"<svg [^>]*?>")
_CONFIG = {
    "background": None,
    "padding": {"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
    "autosize": {"type": "none"},
    "font": "sans-serif",
    "view": {"stroke": None},
    "aria": False,
    "axis": {
        "aria": False,
        "domainColor": "var(--rule)",
        "gridColor": "var(--faint)",
        "tickColor": "var(--rule)",
        "labelColor": "var(--muted)",
        "labelFontSize": 11,
        "labelPadding": 4,
        "tickSize": 4,
        "title": None,
    },
    "axisY": {"domain": False, "ticks": False, "tickCount": 3},
    "axisX": {"grid": False, "labelFlush": True, "labelOverlap": "parity", "tickCount": 5},
}


@dataclass(frozen=True)
class Axis:
    """How values become places from left to right.

    `root` is what a logarithmic axis that starts at 0 or below counts from; null: the axis is `kind` as it is.
    """

    low: float
    high: float
    kind: str  # linear, log or symlog
    root: float = 1.0

    def place(self, value: float) -> float:
        """Pixels from the chart's left side; of a value beyond the axis a little beyond its frame."""
        span = self._along(self.high) - self._along(self.low)
        share = (self._along(value) - self._along(self.low)) / span if span else 0.5
        beyond = BEYOND / WIDTH
        return round(LEFT + (WIDTH - LEFT - RIGHT) * min(max(share, -beyond), 1 + beyond), 1)

    def _along(self, value: float) -> float:
        if self.kind == "log":
            return math.log(max(value, self.low))
        if self.kind == "symlog":
            return math.copysign(math.log1p(abs(value / self.root)), value)
        return value

    def scale(self) -> dict[str, Any]:
        """As Vega-Lite wants it."""
        made: dict[str, Any] = {"type": self.kind, "domain": [self.low, self.high], "nice": False, "zero": False}
        return made | ({"constant": self.root} if self.kind == "symlog" else {})


def horizontal(measure: MeasureFacts) -> Axis:
    """The axis of a measure's values. A last bin that reaches far, for a few values, is drawn as wide as the others."""
    low, high = measure.edges[0], _last_drawn(measure)
    if measure.scale == "linear":
        return Axis(low, high, "linear")
    if low > 0:
        return Axis(low, high, "log")
    return Axis(low, high, "symlog", min((edge for edge in measure.edges if edge > 0), default=1.0))


def _last_drawn(measure: MeasureFacts) -> float:
    """The right edge of the last bin as it is drawn."""
    edges = measure.edges
    if measure.scale == "log" or len(edges) < 4:
        return edges[-1]
    usual = edges[-2] - edges[-3]
    return edges[-2] + usual if edges[-1] - edges[-2] > FAR * usual else edges[-1]


def whole(measure: MeasureFacts) -> bool:
    """Whether all edges are whole numbers, and so the values."""
    return all(edge == int(edge) for edge in measure.edges)


def place_of(measure: MeasureFacts, threshold: ThresholdFacts, value: float) -> float:
    """Pixels from the chart's left side to where documents begin to leave.

    Of whole numbers those that are above a limit begin with the next one.
    """
    above = threshold.side == "above" and whole(measure)
    return horizontal(measure).place(math.floor(value) + 1 if above else value)


def histogram(measure: MeasureFacts, label: str) -> Markup:
    """Documents by value: kept above the line, dropped below it, heights by the square root.

    Its thresholds are drawn as lines that a page can move; of one that is off the line is there and not shown.
    """
    axis = horizontal(measure)
    bins = [*zip(measure.edges, measure.kept, measure.dropped, strict=False)]
    bins.append((axis.high, measure.kept[-1], measure.dropped[-1]))
    rows = [{"x": edge, "up": kept, "down": -dropped} for edge, kept, dropped in bins]
    most = max(1, *measure.kept, *measure.dropped)
    up, down = max(1, *measure.kept), max(measure.dropped, default=0)
    x_axis: dict[str, Any] = {"labelExpr": _SHORT}
    x_axis |= {"tickMinStep": 1 if whole(measure) else 0} if axis.kind == "linear" else {"values": _powers(axis)}
    x = {"field": "x", "type": "quantitative", "scale": axis.scale(), "axis": x_axis}
    y_axis = {"values": _ticks(up, down), "labelExpr": "format(abs(datum.value), '~s')"}
    y_scale = {"type": "sqrt", "domain": [-max(down, most * LEAST_BELOW), up], "nice": False}
    layers = [
        {
            "mark": {"type": "area", "interpolate": "step-after", "color": color, "aria": False},
            "encoding": {
                "x": x,
                "y": {"field": field, "type": "quantitative", "axis": y_axis, "scale": y_scale},
                "y2": {"datum": 0},
            },
        }
        for field, color in (("up", "var(--kept)"), ("down", "var(--dropped)"))
    ]
    lines = "".join(_line(measure, each, number) for number, each in enumerate(measure.thresholds))
    return _drawn({"data": {"values": rows}, "layer": layers}, label, lines)


def _powers(axis: Axis) -> list[float]:
    """Powers of ten on a logarithmic axis, and its start at 0; not more than have room."""
    first = axis.low if axis.low > 0 else axis.root
    found = [10.0**power for power in range(math.ceil(math.log10(first)), math.floor(math.log10(axis.high)) + 1)]
    step = -(-len(found) // 5)
    return ([] if axis.low > 0 else [axis.low]) + found[step - 1 :: step]


def _ticks(up: int, down: int) -> list[int]:
    """Some round counts above the line and below it."""
    found = [0]
    for most, sign in ((up, 1), (down, -1)):
        if most > 1:
            digit = 10 ** int(math.log10(most))
            found.append(sign * (most // digit) * digit)
    least = max(up, down) * 0.04  # nearer to the line than that, labels would touch
    return [tick for tick in found if not tick or abs(tick) >= least]


def _line(measure: MeasureFacts, threshold: ThresholdFacts, number: int) -> str:
    value = threshold.value
    at = LEFT if value is None else place_of(measure, threshold, value)
    hidden = ' display="none"' if value is None else ""
    return (
        f'<line class="threshold" data-number="{number}" x1="{at}" x2="{at}" y1="{TOP}" '
        f'y2="{HEIGHT - BOTTOM}"{hidden}/>'
    )


def area_chart(series: Mapping[str, Sequence[float]], label: str) -> tuple[Markup, tuple[str, ...]]:
    """Shares along a way, stacked to the whole; and the names in the order of their colours, `--s0` first.

    Beyond the largest ones all are one series, the last. No name enters the drawing.
    """
    ordered = sorted(series, key=lambda name: (-sum(series[name]), name))
    shown, rest = ordered[:MOST_SERIES], ordered[MOST_SERIES:]
    values = [list(series[name]) for name in shown]
    if rest:
        values.append([sum(each) for each in zip(*(series[name] for name in rest), strict=True)])
    rows = [
        {"x": (place + 0.5) / len(shares), "y": share, "s": f"s{number}"}
        for number, shares in enumerate(values)
        for place, share in enumerate(shares)
    ]
    colors = [f"var(--s{number})" for number in range(len(values))]
    spec = {
        "data": {"values": rows},
        "mark": {"type": "area", "interpolate": "step", "aria": False},
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "axis": {"format": "%"}, "scale": {"domain": [0, 1]}},
            "y": {"field": "y", "type": "quantitative", "stack": "normalize", "axis": {"format": "%"}},
            "color": {"field": "s", "type": "nominal", "legend": None, "scale": {"range": colors}},
            "order": {"field": "s", "type": "nominal"},
        },
    }
    names = (*shown, f"{len(rest)} others") if rest else tuple(shown)
    return _drawn(spec, label), names


def _drawn(spec: dict[str, Any], label: str, more: str = "") -> Markup:
    """The chart with what stands on top of it; `label` is what a reader hears who does not see it."""
    size = {"width": WIDTH - LEFT - RIGHT, "height": HEIGHT - TOP - BOTTOM}
    svg = _library().vegalite_to_svg(spec | size | {"config": _CONFIG}, vl_version=VEGA_LITE)
    head = f'<svg class="chart" role="img" aria-label="{escape(label)}" viewBox="0 0 {WIDTH} {HEIGHT}">'
    body = _OPENING.sub("", svg, count=1).rsplit("</svg>", 1)[0]
    return Markup(head + body + more + "</svg>")  # noqa: S704 - numbers, and a label that is escaped


@cache
def _library() -> Any:
    try:
        import vl_convert  # noqa: PLC0415 - in the extra `report`
    except ImportError as error:
        raise RunError(
            "vl_convert draws the charts and is not installed", remedy="pip install 'datapipe[report]'"
        ) from error
    return vl_convert
