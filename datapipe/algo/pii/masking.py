"""Personal data taken out of arrays of texts and of JSON values, with a record of where it stood.

What stood there is in no record. JSON is taken apart only where something is found in it: strings, numbers and names
of its leaves are masked each by itself, so that it stays JSON; what is none is masked as text.
Costs what finding costs, and one copy of the texts that change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.pii.detector import Wanted, detect
from datapipe.algo.pii.finder import valid_texts
from datapipe.algo.pii.found import Found
from datapipe.algo.pii.replacing import Action, merged, replaced

__all__ = ["Place", "Rules", "mask_json", "mask_texts"]


NO_LANGUAGE = ""


class Rules(NamedTuple):
    """What is looked for, what is done with it by entity, and the secret of surrogates and hashes (empty: none)."""

    wanted: Wanted
    actions: dict[str, Action]
    secret: bytes


class Place(NamedTuple):
    """Where something was found: row, leaf of JSON (-1: none), UTF-8 bytes from start to end, and by whom."""

    row: int
    leaf: int
    start: int
    end: int
    entity: str
    score: float
    recogniser: str


def _masked(text: str, found: list[Found], rules: Rules) -> str:
    gone = [each for each in found if rules.actions.get(each.entity) != "keep"]
    return replaced(text, merged(gone), rules.actions, rules.secret)


def _places(row: int, leaf: int, text: str, found: list[Found]) -> Iterator[Place]:
    ends = {at for each in found for at in (each.start, each.end)}
    bytes_at, last, size = {}, 0, 0
    for at in sorted(ends):
        size += len(text[last:at].encode())
        bytes_at[at] = size
        last = at
    for each in found:
        yield Place(row, leaf, bytes_at[each.start], bytes_at[each.end], each.entity, each.score, each.recogniser)


def _with(texts: Any, changed: dict[int, str]) -> Any:
    """The texts with some of them replaced."""
    if not changed:
        return texts
    mask = np.zeros(len(texts), np.bool_)
    mask[list(changed)] = True
    new = pa.array([changed[row] for row in sorted(changed)], texts.type)
    return pc.replace_with_mask(texts, pa.array(mask), new)


def mask_texts(texts: Any, rules: Rules, languages: Sequence[str | None] | None = None) -> tuple[Any, list[Place]]:
    """The texts (large strings) without personal data, and where it stood, by row and start.

    `languages`: of each text, where names are looked for.
    """
    valid = valid_texts(texts)
    changed, places = dict[int, str](), list[Place]()
    for row, found in sorted(detect(valid, rules.wanted, languages).items()):
        text = valid[row].as_py()
        places += _places(row, -1, text, found)
        changed[row] = _masked(text, found, rules)
    return _with(valid, changed), places


# ---------------------------------------------------------------------------------------------- JSON


def _leaves(value: Any) -> Iterator[tuple[str, bool]]:
    """Names, strings and numbers, in order, and which are names; as deep as Python's reader goes."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name, True
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, str):
        yield value, False
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield repr(value), False


def _rebuilt(value: Any, leaves: Iterator[tuple[str, str]]) -> Any:
    """The value with (before, after) of its leaves in their places; numbers that stay as they are stay numbers."""
    if isinstance(value, dict):
        made: dict[str, Any] = {}
        for inner in value.values():
            _, name = next(leaves)
            while name in made:  # two names can become one placeholder
                name += "_"
            made[name] = _rebuilt(inner, leaves)
        return made
    if isinstance(value, list):
        return [_rebuilt(inner, leaves) for inner in value]
    if isinstance(value, str):
        return next(leaves)[1]
    if isinstance(value, int | float) and not isinstance(value, bool):
        before, after = next(leaves)
        return value if before == after else after
    return value


def _parsed(text: str) -> Any:
    """A JSON object or array that can be written again; None of anything else."""
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def mask_json(texts: Any, rules: Rules, languages: Sequence[str | None] | None = None) -> tuple[Any, list[Place]]:
    """As `mask_texts`, of JSON documents; a place's bytes are those of the leaf named, in order of reading."""
    valid = valid_texts(texts)
    found = detect(valid, rules.wanted)
    match: Any = pc.match_substring(valid, "\\u")
    escaped: Any = pc.fill_null(match, False)
    inside: Any = escaped if languages is None else pc.is_valid(valid)  # names are told leaf by leaf
    rows = sorted({*found, *pc.indices_nonzero(inside).to_pylist()})
    changed, places = dict[int, str](), list[Place]()
    for row in rows:
        text = valid[row].as_py()
        value = _parsed(text)
        if value is None:
            places += _places(row, -1, text, found.get(row, []))
            changed[row] = _masked(text, found.get(row, []), rules)
            continue
        leaves = list(_leaves(value))
        # Leaves of an escaped lone surrogate are no UTF-8.
        array = pa.array([leaf.encode(errors="replace").decode() for leaf, _ in leaves], pa.large_string())
        # The names of leaves say what stands there, not who: of no language, no engine looks at them.
        inner = languages and [NO_LANGUAGE if is_name else languages[row] for _, is_name in leaves]
        masked, mine = mask_texts(array, rules, inner)
        if mine:
            places += [each._replace(row=row, leaf=each.row) for each in mine]
            pairs = zip((leaf for leaf, _ in leaves), masked.to_pylist(), strict=True)
            changed[row] = json.dumps(_rebuilt(value, pairs), ensure_ascii=False)
    return _with(valid, changed), places
