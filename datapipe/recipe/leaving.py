"""Follows text of documents through a recipe to the files that leave.

Behind a stage that covers columns, such as one that masks personal data, a Sink writes no text as it came.

A column holds text as it came from its source on, until a stage with a `cover` names it. What a stage makes of such a
column is such text again; what it makes of covered ones alone is not. Ids, codes and labels are neither: a Sink looks
at them as it writes.
Costs nothing: some sets of names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from datapipe.recipe.draft import Draft
from datapipe.recipe.model import Columns
from datapipe.schema import CODES, COLUMNS, CONTENT, PLACE, qualified
from datapipe.stage import Expand, Map, Source

__all__ = ["holds_text", "leaving_after", "leaving_joined", "leaving_problems"]

AS_IT_CAME = ""
_LEAVES = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)


def holds_text(column: str, kind: Any) -> bool:
    """Whether a column has strings or bytes anywhere in it, or tokens of a text."""
    if column in CONTENT or any(is_leaf(kind) for is_leaf in _LEAVES):
        return True
    if pa.types.is_dictionary(kind):
        return holds_text("", kind.value_type)
    return any(holds_text("", kind.field(at).type) for at in range(kind.num_fields))


def leaving_joined(joined: Columns, parents: Mapping[str, Columns]) -> Columns:
    """Columns of several branches put together, with what must not leave of any of them."""
    covers = tuple(dict.fromkeys(cover for parent in parents.values() for cover in parent.covers))
    raw: dict[str, str] = {}
    for name, parent in parents.items():
        around = f"documents from '{name}' do not come through '{covers[-1]}'" if covers and not parent.covers else ""
        raw |= {column: around or why for column, why in parent.raw.items()}
    coded = frozenset().union(*(parent.coded for parent in parents.values())) - raw.keys()
    return replace(joined, raw=raw, coded=coded, covers=covers)


def leaving_after(draft: Draft, after: Columns, before: Columns, reads: Iterable[str]) -> Columns:
    """Columns after a stage whose options are right, with what must not leave."""
    stage, config, name = draft.stage, draft.config, draft.name
    assert stage is not None
    assert config is not None
    adds = {qualified(field.name, name): field for field in stage.adds_for(config)}
    new = {column for column, field in adds.items() if holds_text(column, field.type)}
    if isinstance(stage, Source):
        new |= {column for column, kind in PLACE.items() if holds_text(column, kind)}
    coded = {column for column in new if column in CODES or column.removeprefix(f"{name}.") in stage.coded}
    cover = stage.cover if isinstance(stage, Map) else None
    covered = set(cover.columns(config)) if cover is not None else set()
    why = _why(draft, before, reads)
    raw = dict.fromkeys(sorted(new - coded - covered), why) if why is not None else {}
    if draft.where is None:
        kept = {column: why for column, why in before.raw.items() if column not in new}
        codes = before.coded - new
    else:  # documents that it passes by keep what they have
        says = f"'{name}' passes documents by, as its `where` says"
        around = dict.fromkeys(sorted(covered & before.raw.keys()), says)
        kept, codes = before.raw | around, before.coded
    if isinstance(stage, Expand):
        coded.add("id")
    raw = {**kept, **raw}
    covers = (*before.covers, name) if cover is not None else before.covers
    return replace(after, raw=raw, coded=(codes | coded) - raw.keys(), covers=covers)


def _why(draft: Draft, before: Columns, reads: Iterable[str]) -> str | None:
    """Why the new columns of a stage hold text as it came; None if they do not."""
    if isinstance(draft.stage, Source):
        return AS_IT_CAME
    source = next((column for column in reads if column in before.raw), None)
    if source is None:
        return None
    return f"'{draft.name}' makes it of `{source}`" if before.covers else AS_IT_CAME


def leaving_problems(written: Sequence[str], before: Columns, option: str) -> Iterator[tuple[str, str]]:
    """What is wrong with the columns that a Sink writes, and what mends it; `option` names columns to cover."""
    last = before.covers[-1]
    found: dict[tuple[str, bool], list[str]] = {}
    for column in dict.fromkeys(written):
        if column in before.raw:
            found.setdefault((before.raw[column], _can_be_covered(column)), []).append(f"`{column}`")
    for (why, coverable), columns in found.items():
        names = ", ".join(columns)
        it, they = ("it", "it") if len(columns) == 1 else ("them", "they")
        leave = f"leave {names} out of what is written"
        message = f"would write {names} as {they} came: {why or f'{last!r} does not cover {it}'}"
        if why != AS_IT_CAME:
            yield message, f"see that all pass {last!r}, or {leave}"
        elif coverable:
            yield message, f"add {names} to `{option}` of {last!r}, or {leave}"
        else:
            yield message, f"make {names} below {last!r}, or {leave}"


def _can_be_covered(column: str) -> bool:
    return column in COLUMNS and column != "html"
