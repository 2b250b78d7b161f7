"""How documents are told on a terminal: stages, measures beside their thresholds, texts; masked and escaped.

Costs importing `datapipe.lineage`, and with it Arrow; import it inside a command.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datapipe.lineage import OTHERS, SURVIVOR, Chapter, Measure, excerpt, mask_url, safe

__all__ = ["headline", "measure_lines", "open_run", "say_value", "tell"]

EXCERPT = 240  # characters
VALUE = 80
LEAD = 40  # characters shown before the first change of a text
OUTCOMES = {
    "read": "read it",
    "made": "made it",
    "kept": "kept it",
    "left": "dropped it",
    "passed": "did not apply to it",
    "expanded": "made new documents of it",
    "wrote": "wrote it",
    "not done": "has not seen it: the stage is not done",
    "stale": "has not seen it: the stage is not up to date",
}


def open_run(url: str, local: Path | None) -> Any:
    """The run in a folder, for reading."""
    from datapipe.registry import Registry
    from datapipe.run.reopen import reopen

    return reopen(url, Registry(local), str(local.resolve()) if local else None)


def headline(url: str | None, name: str) -> str:
    """What a document is called: its URL, or its id."""
    return mask_url(url or name)


def tell(number: int, chapter: Chapter) -> Iterator[str]:
    """One stage in a sentence, with what it measured and changed below it."""
    why = f": {chapter.reason}" if chapter.reason else ""
    meaning = f" ({mask_url(chapter.meaning)})" if chapter.meaning else ""
    uses = f" ({chapter.use})" if chapter.use != chapter.stage else ""
    named = SURVIVOR if chapter.survivor is not None else None
    yield f"{number}. {chapter.stage}{uses} {OUTCOMES[chapter.outcome]}{why}{meaning}."
    yield from measure_lines(tuple(each for each in chapter.measures if each.name != named))
    if chapter.survivor is not None:
        place = chapter.survivor
        where = f" of the earlier run {mask_url(chapter.survivor_run)}" if chapter.survivor_run else ""
        yield f"     in its place stays  {headline(place.url, place.id)}  (id {mask_url(place.id)}){where}"
    if chapter.text is not None:
        yield from _text_lines(*chapter.text)


def measure_lines(measures: tuple[Measure, ...]) -> Iterator[str]:
    """A line for each measure that has a value, beside its thresholds; then the options that bound no single one."""
    shown = [measure for measure in measures if measure.value is not None]
    others = [safe(said) for measure in measures if measure.name == OTHERS for said in measure.thresholds]
    width = max(
        (len(name) for name in [*(measure.name for measure in shown), *([OTHERS] if others else [])]), default=0
    )
    for measure in shown:
        bounds = f"   ({', '.join(measure.thresholds)})" if measure.thresholds else ""
        yield f"     {measure.name:<{width}}  {say_value(measure.value)}{bounds}"
    if others:
        yield f"     {OTHERS:<{width}}  {', '.join(others)}"


def say_value(value: Any) -> str:
    """A stored value on one line: safe, and not too long."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return excerpt(safe(value), VALUE)
    if isinstance(value, list) and len(value) > 3:
        return f"{len(value)} entries: {say_value(json.dumps(_short(value[:3]), default=str)[1:-1])}"
    return excerpt(safe(json.dumps(_short(value), default=str, ensure_ascii=False)), VALUE)


def _short(value: Any) -> Any:
    """Numbers inside lists and mappings as short as alone: else their digits would be masked as a telephone number."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, list):
        return [_short(each) for each in value]
    return {name: _short(each) for name, each in value.items()} if isinstance(value, dict) else value


def _text_lines(before: str | None, after: str | None) -> Iterator[str]:
    """Excerpts around the first change; masked first, so that what is masked is no change."""
    first, second = (safe(text) if text is not None else "" for text in (before, after))
    start = max(0, _shared(first, second) - LEAD) if before is not None and after is not None else 0
    when = ("text before, ", "text after,  ") if before is not None else ("", "text, ")
    for name, raw, shown in zip(when, (before, after), (first, second), strict=True):
        if raw is not None:
            lines = textwrap.wrap(excerpt(shown, EXCERPT, start), 96) or ["(empty)"]
            yield f"     {name}{len(raw):,} characters:"
            yield from (f"       {line}" for line in lines)


def _shared(first: str, second: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(first), len(second)))
