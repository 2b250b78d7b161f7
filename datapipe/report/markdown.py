"""A summary of a report in Markdown, to read in a terminal or a merge request.

Costs nothing worth naming.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from datapipe.report.findings import PlantedKind
from datapipe.report.model import Amount, GateFacts, Report, StageFacts

__all__ = ["amount", "cell", "gate_rows", "percent", "summary", "table"]

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~&!])")


def summary(report: Report) -> str:
    """The whole report on a page or two."""
    parts = [f"# Report of {cell(report.run.name)}", *_head(report), "## Stages", table(*_funnel(report))]
    for heading, rows in _sections(report):
        if len(rows) > 1:
            parts += [f"## {heading}", table(*rows)]
    return "\n\n".join(parts) + "\n"


def cell(text: object) -> str:
    """A text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def table(*rows: Sequence[object]) -> str:
    """A table; the first row is its head. Texts in it are taken as they are."""
    lines = ["| " + " | ".join(str(each) for each in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def percent(share: float | None) -> str:
    """A share of 0 to 1 for people."""
    return "–" if share is None else f"{share:.1%}"


def amount(much: Amount) -> str:
    """How much of a corpus, in words."""
    tokens = "" if much.tokens is None else f", {much.tokens:,} tokens"
    return f"{much.documents:,} documents, {much.bytes:,} bytes{tokens}"


def _head(report: Report) -> Iterator[str]:
    run = report.run
    if run.description:
        yield cell(run.description)
    yield f"Recipe `{run.recipe}`, seed {run.seed}, datapipe {cell(run.versions['datapipe'])}."
    if not run.complete:
        states = "; ".join(f"{name}: {cell(state)}" for name, state in run.unfinished.items())
        yield f"**The run is not finished; the figures are of what stands.** {states}"
    yield f"At the end: {amount(report.corpus.amount)}."


def _funnel(report: Report) -> Iterator[tuple[object, ...]]:
    yield ("stage", "use", "documents in", "kept", "share", "bytes kept", "why documents left")
    for name, stage in report.stages.items():
        kept = f"{stage.stayed.documents:,}" + (f" → {stage.made.documents:,}" if stage.made else "")
        came, stayed = f"{stage.came.documents:,}", f"{stage.stayed.bytes:,}"
        yield (name, f"`{stage.use}`", came, kept, percent(stage.kept), stayed, _reasons(stage))


def _reasons(stage: StageFacts) -> str:
    told = [f"{reason} {count:,}" for reason, count in stage.dropped.items()]
    told += [
        f"({word} {n:,})" for word, n in (("not applied", stage.not_applied), ("not judged", stage.not_judged)) if n
    ]
    return ", ".join(cell(each) for each in told)


def _sections(report: Report) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
    yield "Gates", gate_rows(report.gates)
    alarms = [(a.stage, cell(a.source), f"{a.dropped:,} of {a.documents:,}", percent(a.limit)) for a in report.alarms]
    yield "Alarms", [("stage", "source", "dropped", "alarm"), *alarms]
    sources = [
        (cell(name), f"{each.documents:,}", f"{each.kept:,}", percent(each.share))
        for name, each in report.sources.items()
    ]
    yield "Sources", [("source", "records", "at the end", "share"), *sources]
    yield "Benchmarks", list(_benchmarks(report))
    yield "Personal data", list(_personal(report))
    yield "Duplicates", list(_duplicates(report))
    yield "Mixture", list(_mixture(report))
    yield "Packed sequences", list(_packing(report))
    yield "Planted cases", list(_planted(report))
    yield "Work", list(_work(report))


def gate_rows(gates: Sequence[GateFacts]) -> list[tuple[object, ...]]:
    """Rows for a table of gates."""
    rows: list[tuple[object, ...]] = [("gate", "", "found")]
    for gate in gates:
        word = "passed" if gate.passed else "let out all the same" if gate.forced else "**failed**"
        rows.append(
            (cell(gate.gate), word, cell(gate.told) + (f"; reason: {cell(gate.forced)}" if gate.forced else ""))
        )
    return rows


def _benchmarks(report: Report) -> Iterator[tuple[object, ...]]:
    yield ("benchmark", "items", "dirty", "clean", "left after the stage")
    for name, each in report.contamination.benchmarks.items() if report.contamination else ():
        yield (cell(name), f"{each.items:,}", f"{each.dirty:,}", f"{each.clean:,}", f"{each.left:,}")


def _personal(report: Report) -> Iterator[tuple[object, ...]]:
    yield ("stage", "type", "found", "documents", "severity", "category")
    for stage, found in report.personal.items():
        for name, each in found.entities.items():
            yield (stage, cell(name), f"{each.found:,}", f"{each.documents:,}", each.severity, cell(each.category))


def _duplicates(report: Report) -> Iterator[tuple[object, ...]]:
    yield ("stage", "compared", "alike", "clusters", "dropped", "largest cluster")
    for stage, each in report.duplicates.items():
        largest = f"{each.largest[0].size:,}" if each.largest else "–"
        counts = (f"{number:,}" for number in (each.documents, each.in_clusters, each.clusters, each.dropped))
        yield (stage, *counts, largest)


def _mixture(report: Report) -> Iterator[tuple[object, ...]]:
    yield ("stage", "part", "source", "planned", "taken", "share planned", "share taken")
    for stage, mixture in report.mixture.items():
        for number, part in enumerate(mixture.parts, 1):
            for name, each in part.sources.items():
                shares = (percent(each.planned_share), percent(each.taken_share))
                yield (stage, number, cell(name), f"{each.planned:,.0f}", f"{each.taken:,}", *shares)


def _packing(report: Report) -> Iterator[tuple[object, ...]]:
    yield ("stage", "sequences", "length", "tokens", "carry loss", "cut", "fill")
    for stage, each in report.packing.items():
        counts = (f"{number:,}" for number in (each.sequences, each.length, each.tokens, each.trained, each.cut))
        yield (stage, *counts, percent(each.fill))


def _planted(report: Report) -> Iterator[tuple[object, ...]]:
    yield ("stage", "kind of case", "found", "recall", "95% interval")
    for stage, found in report.audit.items():
        yield (stage, "all", *_recall(found))
        for kind, each in found.kinds.items():
            yield (stage, cell(kind), *_recall(each))


def _recall(found: PlantedKind) -> tuple[str, str, str]:
    interval = f"{percent(found.recall_low)} to {percent(found.recall_high)}"
    return (f"{found.found:,} of {found.judged:,}", percent(found.recall), interval)


def _work(report: Report) -> Iterator[tuple[object, ...]]:
    yield ("stage", "seconds", "documents/s", "bytes on disk")
    for stage, each in report.work.items():
        speed = "–" if each.documents_per_second is None else f"{each.documents_per_second:,.0f}"
        yield (stage, f"{each.seconds:,.1f}", speed, f"{each.disk_bytes:,}")
