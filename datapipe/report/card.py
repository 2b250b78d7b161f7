"""A data card in the form of the Hugging Face hub: a README with a head that the hub reads, then what was found.

What only a person can know (the licence, what the data may be used for) is left open in words, not guessed.
Costs nothing worth naming.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from datapipe.report.markdown import amount, cell, gate_rows, percent, table
from datapipe.report.model import Report

__all__ = ["card"]

SIZES = (10**3, 10**4, 10**5, 10**6, 10**7, 10**8, 10**9, 10**10, 10**11, 10**12)
_CODE = re.compile(r"[a-z]{2,3}")


def card(report: Report) -> str:
    """The whole card."""
    parts = [_front(report), f"# {cell(report.run.name)}", *_about(report), *_made(report), *_known(report)]
    return "\n\n".join(parts) + "\n"


def _front(report: Report) -> str:
    """What the hub reads: languages, size, task and tags."""
    languages = report.corpus.categories.get("language")
    codes = (
        sorted({v.value for v in languages.values if v.value and v.kept and _CODE.fullmatch(v.value)})
        if languages
        else []
    )
    tags = ["datapipe", *(["conversational"] if report.conversations and report.conversations.documents else [])]
    head = {
        "pretty_name": report.run.name,
        **({"language": codes} if codes else {}),
        "license": "unknown",
        "task_categories": ["text-generation"],
        "size_categories": [_size(report.corpus.amount.documents)],
        "tags": tags,
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---"


def _size(documents: int) -> str:
    """As the hub writes sizes."""
    names = ["1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T"]
    place = next((at for at, most in enumerate(SIZES) if documents < most), len(SIZES))
    if place == 0:
        return "n<1K"
    return "n>1T" if place == len(SIZES) else f"{names[place - 1]}<n<{names[place]}"


def _about(report: Report) -> Iterator[str]:
    if report.run.description:
        yield cell(report.run.description)
    yield f"Holds {amount(report.corpus.amount)}. The licence of the texts is that of their sources: fill it in."
    if not report.run.complete:
        yield "**This run is not finished.**"
    forced = [gate for gate in report.gates if gate.forced]
    if forced:
        failed = "; ".join(cell(gate.gate) for gate in forced)
        yield f"**Let out although it fails {len(forced)} of its gates** ({failed}). Reason: {cell(forced[0].forced)}"
    if report.gates:
        yield "## Gates\n\n" + table(*gate_rows(report.gates))


def _made(report: Report) -> Iterator[str]:
    yield "## Where it comes from"
    rows = [
        (cell(name), f"{each.documents:,}", f"{each.kept:,}", percent(each.share))
        for name, each in report.sources.items()
    ]
    yield table(("source", "records read", "documents at the end", "share"), *rows)
    yield "## How it was made"
    versions = ", ".join(f"{cell(name)} {cell(version)}" for name, version in report.run.versions.items())
    yield f"By datapipe, recipe `{report.run.recipe}`, seed {report.run.seed}. Versions: {versions}."
    steps = [
        (name, f"`{each.use}`", f"{each.came.documents:,}", percent(each.kept), _why(each.dropped, each.meanings))
        for name, each in report.stages.items()
    ]
    yield table(("stage", "use", "documents in", "kept", "what left, and why"), *steps)


def _why(dropped: dict[str, int], meanings: dict[str, str]) -> str:
    return "; ".join(f"{count:,}: {cell(meanings[reason])}" for reason, count in dropped.items())


def _known(report: Report) -> Iterator[str]:
    yield "## What is known of it"
    told = [*_benchmarks(report), *_personal(report), *_groups(report), *_planted(report), *_packed(report)]
    yield "\n".join(f"- {line}" for line in told) or "Nothing was looked for."
    yield "## Limits\n\nFigures are of what automatic rules and models found; what they miss is not in them."


def _benchmarks(report: Report) -> Iterator[str]:
    if report.contamination is None:
        yield "Benchmarks: no stage looked for their items."
        return
    for name, each in report.contamination.benchmarks.items():
        yield (
            f"Benchmark {cell(name)}: {each.dirty:,} of {each.items:,} items stood in the documents, "
            f"{each.left:,} still do."
        )
    yield f"Documents that still hold an item of a benchmark: {report.contamination.total:,}."


def _personal(report: Report) -> Iterator[str]:
    if not report.personal:
        yield "Personal data: no stage looked for any."
    for stage, found in report.personal.items():
        kinds = ", ".join(f"{cell(name)} {each.found:,}" for name, each in found.entities.items()) or "none"
        yield f"Personal data found by `{stage}` in {found.holding:,} of {found.documents:,} documents: {kinds}."


def _groups(report: Report) -> Iterator[str]:
    if report.groups is None or not report.groups.judged:
        return
    for each in report.groups.mentions[1:]:
        lost = {stage: fate for stage, fate in each.stages.items() if fate.share is not None and fate.share < 1}
        left = ", ".join(f"{stage} keeps {percent(fate.share)}" for stage, fate in lost.items())
        score = "" if each.mean is None else f", mean score {each.mean:.3f}"
        yield f"Documents that mention {cell(each.group)}: {each.documents:,}{score}{'; ' if left else ''}{left}."


def _planted(report: Report) -> Iterator[str]:
    for stage, found in report.audit.items():
        if found.recall is not None:
            interval = f"{percent(found.recall_low)} to {percent(found.recall_high)}"
            yield f"Of {found.judged:,} planted cases `{stage}` found {percent(found.recall)} (95%: {interval})."


def _packed(report: Report) -> Iterator[str]:
    for stage, each in report.packing.items():
        yield (
            f"Packed by `{stage}`: {each.sequences:,} sequences of {each.length:,}, {each.tokens:,} tokens, "
            f"{each.trained:,} of them carry loss, {each.cut:,} cut; {percent(each.fill)} filled."
        )
