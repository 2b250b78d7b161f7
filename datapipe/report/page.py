"""One self-contained page of a report, to open from disk: no request, no library, one script that is named by its hash.

Text reaches the page escaped by Jinja, after `numbers.shown` has bounded it and written out unseen marks; what the
script needs are numbers in one block of JSON. The policy in the page's head lets the browser run and style with nothing
but what is here, so that a document that got through all the same could neither run, style nor fetch.
Charts: see `datapipe.report.charts`. Costs some 20 ms a measure, 5 KB of page each.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from datapipe.errors import RunError
from datapipe.report.cards import Drawn, cards_of
from datapipe.report.charts import area_chart
from datapipe.report.lanes import rows_of
from datapipe.report.model import Report
from datapipe.report.numbers import count, number, percent, shown, signed
from datapipe.units import say_bytes, say_seconds

__all__ = ["render"]

PARTS = Path(__file__).parent / "page_parts"
FILTERS = {
    "bytes": say_bytes,
    "count": count,
    "number": number,
    "percent": percent,
    "seconds": say_seconds,
    "signed": signed,
}
TELLING = frozenset({"filter.length", "filter.language", "filter.classifier", "filter.perplexity", "tokenize"})
MARKS = "mark."  # kinds of work that mark documents and drop none by default


@dataclass(frozen=True)
class Section:
    """A part of the page; `has` tells whether a run has anything of it, `what` names it where it has nothing."""

    id: str
    title: str
    what: str
    has: Callable[[Report], object]


def _measured(report: Report) -> list[str]:
    return [name for name, stage in report.stages.items() if stage.measures]


def _marking(report: Report) -> dict[str, Any]:
    """Stages that mark machine-made and templated text, and have something to tell of it."""
    found = {name: stage for name, stage in report.stages.items() if stage.use.startswith(MARKS)}
    groups = report.groups.stage if report.groups else None
    return {name: stage for name, stage in found.items() if name != groups and (stage.measures or stage.categories)}


SECTIONS = (
    Section("gates", "Gates", "gates", lambda report: report.gates),
    Section("funnel", "What came and what stayed", "stages", lambda report: report.stages),
    Section("sources", "Sources through the stages", "sources", lambda report: report.sources),
    Section("corpus", "What stands at the end", "documents at the end", lambda report: report.corpus.categories),
    Section("measures", "Measures and thresholds", "measures", _measured),
    Section("marks", "Marks of machines and templates", "marks", _marking),
    Section("groups", "Groups of people", "groups of people", lambda report: report.groups),
    Section("duplicates", "Duplicates", "duplicates", lambda report: report.duplicates),
    Section("contamination", "Benchmarks in the corpus", "benchmarks", lambda report: report.contamination),
    Section("personal", "Personal data", "personal data", lambda report: report.personal),
    Section("conversations", "Conversations", "conversations", lambda report: report.conversations),
    Section("mixture", "Mixture", "a mixture", lambda report: report.mixture),
    Section("packing", "Packed sequences", "packed sequences", lambda report: report.packing),
    Section("audit", "Planted cases", "planted cases", lambda report: report.audit),
    Section("samples", "Documents to read", "documents to read", lambda report: report.samples),
    Section("work", "Time and disk", "time and disk", lambda report: report.work),
    Section("recipe", "Recipe and lineage", "a recipe", lambda report: report.stages),
)


def render(report: Report) -> str:
    """The page, as HTML. Raises RunError where the extra `report` is not installed."""
    drawn = cards_of(report)
    style, script = (_part(name) for name in ("page.css", "page.js"))
    return str(
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            sections=[section for section in SECTIONS if section.has(report)],
            lacking=[section.what for section in SECTIONS if not section.has(report)],
            style=Markup(style),  # noqa: S704 - a file of ours
            script=Markup(script),  # noqa: S704 - a file of ours
            policy=_policy(style, script),
            data=_in_script(drawn),
            cards=drawn.stages,
            marking=_marking(report),
            met=_met(report),
            full=_full(report),
            graph=rows_of({name: stage.parents for name, stage in report.stages.items()}),
            along=_along(report),
            glances=[each for each in drawn.stages if each.facts.use in TELLING],
            readings=_readings(report),
        )
    )


def _met(report: Report) -> list[str]:
    """Stages that took something of some source."""
    fates = {
        name: [each.stages[name] for each in report.sources.values() if name in each.stages] for name in report.stages
    }
    return [name for name, each in fates.items() if any(fate.kept < fate.documents for fate in each)]


def _full(report: Report) -> dict[str, int]:
    """By stage, how many documents are a full bar of the funnel: all that were read, or that an Expand made."""
    read = max((stage.came.documents for stage in report.stages.values() if stage.kind == "Source"), default=0)
    found: dict[str, int] = {}
    for name in (row.stage for row in rows_of({name: stage.parents for name, stage in report.stages.items()})):
        parents = [(found[parent], report.stages[parent].made) for parent in report.stages[name].parents]
        most = max((made.documents if made else full for full, made in parents), default=read)
        found[name] = max(most, report.stages[name].came.documents, 1)
    return found


def _along(report: Report) -> dict[str, tuple[Markup, tuple[str, ...]]]:
    """By stage that mixes sources, the chart of their shares and the names in it."""
    label = "Share of each source in the training order, from its beginning to its end"
    return {name: area_chart(each.along, label) for name, each in report.mixture.items() if any(each.along.values())}


def _readings(report: Report) -> dict[str, dict[str | None, list[Any]]]:
    """Samples by stage and reason, those that stayed last."""
    found: dict[str, dict[str | None, list[Any]]] = {}
    for sample in sorted(report.samples, key=lambda each: each.reason is None):
        found.setdefault(sample.stage, {}).setdefault(sample.reason, []).append(sample)
    return {name: found[name] for name in report.stages if name in found}


def _policy(style: str, script: str) -> str:
    """What the browser may do with the page, by the hashes of its only style sheet and script."""
    style_hash, script_hash = (_hash(text) for text in (style, script))
    return (
        f"default-src 'none'; style-src '{style_hash}'; script-src '{script_hash}'; "
        "base-uri 'none'; form-action 'none'; img-src data:"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _in_script(drawn: Drawn) -> Markup:
    """JSON that ends no script and opens no tag."""
    text = json.dumps(drawn.sliders, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 - escaped here


def _part(name: str) -> str:
    return (PARTS / name).read_text(encoding="utf-8")


@cache
def _environment() -> Any:
    try:
        import jinja2  # noqa: PLC0415 - in the extra `report`
    except ImportError as error:
        raise RunError(
            "jinja2 writes the page and is not installed", remedy="pip install 'datapipe[report]'"
        ) from error
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PARTS),
        autoescape=True,
        finalize=shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS)
    return made
