"""Personal data taken out of arrays of texts and of JSON values, with a record of where it stood.

What stood there is in no record. JSON is taken apart only where something is found in it: strings, numbers and names
of its leaves are masked each by itself, so that it stays JSON; what is none is masked as text.
Costs what finding costs, and one copy of the texts that change.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.pii.detector import Wanted, detect
from datapipe.algo.pii.escapes import behind_escape, find_escaped
from datapipe.algo.pii.finder import valid_texts
from datapipe.algo.pii.found import Found, Taken
from datapipe.algo.pii.replacing import Action, merged, replaced

__all__ = ["Place", "Rules", "found_in", "mask_json", "mask_talks", "mask_texts"]


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


def _detected(
    valid: pa.LargeStringArray, rules: Rules, languages: Sequence[str | None] | None = None
) -> dict[int, list[Found]]:
    """What is found in texts, behind escapes too (which presidio does not know), by row."""
    found = detect(valid, rules.wanted, languages)
    if rules.wanted.faithful:
        return found
    for row, plain in found.items():
        text = valid[row].as_py()
        found[row] = [behind_escape(text, each) for each in plain]
    for row, more in find_escaped(valid, lambda undone: detect(undone, rules.wanted)).items():
        plain = found.setdefault(row, [])
        taken = {entity: Taken(each for each in plain if each.entity == entity) for entity in {e.entity for e in plain}}
        plain += [one for one in more if one.entity not in taken or not taken[one.entity].overlaps(one)]
    return found


def found_in(texts: Any, rules: Rules) -> Any:
    """Which texts hold something that would be masked (bools)."""
    held = np.zeros(len(texts), np.bool_)
    for row, found in _detected(valid_texts(texts), rules).items():
        held[row] = any(rules.actions.get(each.entity) != "keep" for each in found)
    return held


def mask_texts(texts: Any, rules: Rules, languages: Sequence[str | None] | None = None) -> tuple[Any, list[Place]]:
    """The texts (large strings) without personal data, and where it stood, by row and start.

    `languages`: of each text, where names are looked for.
    """
    valid = valid_texts(texts)
    changed, places = dict[int, str](), list[Place]()
    for row, found in sorted(_detected(valid, rules, languages).items()):
        text = valid[row].as_py()
        places += _places(row, -1, text, found)
        changed[row] = _masked(text, found, rules)
    return _with(valid, changed), places


# ---------------------------------------------------------------------------------------------- conversations


class _Owners(NamedTuple):
    """Of each value the number of its message; and of each message the language, where names are looked for."""

    message: Any
    languages: Sequence[str | None] | None

    @property
    def language(self) -> Sequence[str | None] | None:
        """Of each value."""
        return None if self.languages is None else [self.languages[each] for each in self.message.tolist()]


def mask_talks(
    talks: Any, rules: Rules, languages: Sequence[str | None] | None = None
) -> tuple[Any, list[tuple[int, int, Place]]]:
    """Conversations (lists of messages) without personal data in any of their strings, whatever fields messages have.

    `languages`: of each conversation, where names are looked for (in what was said alone).
    Besides: where it stood, by document, message, and place in the string.
    """
    flat = talks.flatten()
    counts = np.diff(talks.offsets.to_numpy())
    document = np.repeat(np.arange(len(talks)), np.where(talks.is_valid().to_numpy(zero_copy_only=False), counts, 0))
    message = np.arange(len(document)) - np.searchsorted(document, document)
    spoken = None if languages is None else [languages[each] for each in document.tolist()]
    masked, found = _mask_nested("messages", flat, _Owners(np.arange(len(flat)), spoken), rules)
    if not found:
        return talks, []
    offsets: Any = pa.array(np.append(0, np.cumsum(np.bincount(document, minlength=len(talks)))), pa.int64())
    rebuilt: Any = type(talks).from_arrays(offsets, masked, type=talks.type, mask=talks.is_null())
    at = sorted(found, key=lambda each: each[0])
    return rebuilt, [(int(document[row]), int(message[row]), each) for row, each in at]


def _mask_nested(name: str, values: Any, owners: _Owners, rules: Rules) -> tuple[Any, list[tuple[int, Place]]]:
    """A column with every string in it masked; `owners` tells of the message of each of its rows.

    What was said is prose; all other strings may be JSON, such as the arguments of a tool.
    """
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        prose = name == "content"
        texts, places = mask_texts(values, rules, owners.language) if prose else mask_json(values, rules)
        return texts.cast(kind), [(int(owners.message[each.row]), each) for each in places]
    if pa.types.is_struct(kind):
        fields = [kind.field(at) for at in range(kind.num_fields)]
        parts = [_mask_nested(field.name, values.field(field.name), owners, rules) for field in fields]
        made: Any = pa.StructArray.from_arrays([part for part, _ in parts], fields=fields, mask=values.is_null())
        return made, [each for _, found in parts for each in found]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        lengths = np.where(values.is_valid().to_numpy(zero_copy_only=False), np.diff(values.offsets.to_numpy()), 0)
        inner, found = _mask_nested(
            name, values.flatten(), owners._replace(message=np.repeat(owners.message, lengths)), rules
        )
        ends: Any = pa.array(np.append(0, np.cumsum(lengths)), values.offsets.type)
        return type(values).from_arrays(ends, inner, type=kind, mask=values.is_null()), found
    return values, []


# ---------------------------------------------------------------------------------------------- JSON


def _leaves(value: Any, name: str | None = None) -> Iterator[tuple[str, str | None]]:
    """Names, strings and numbers, in order, each with the name that it stands under; null for names themselves."""
    if isinstance(value, dict):
        for own, inner in value.items():
            yield own, None
            yield from _leaves(inner, own)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, name)
    elif isinstance(value, str):
        yield value, name or ""
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield repr(value), name or ""


def _rebuilt(value: Any, leaves: Iterator[tuple[str, str]]) -> Any:
    """The value with (before, after) of its leaves in their places; numbers that stay as they are stay numbers."""
    if isinstance(value, dict):
        made: dict[str, Any] = {}
        last = Counter[str]()
        for inner in value.values():
            _, plain = next(leaves)
            name = plain
            while name in made:  # two names can become one placeholder
                last[plain] += 1
                name = f"{plain}_{last[plain]}"
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
        value = json.loads(text, object_pairs_hook=_once_named)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _once_named(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of names that stand twice Python's reader keeps the last value alone; nobody would look at the others."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name stands twice")
    return made


def mask_json(texts: Any, rules: Rules, languages: Sequence[str | None] | None = None) -> tuple[Any, list[Place]]:
    """As `mask_texts`, of JSON documents; a place's bytes are those of the leaf named, in order of reading."""
    valid = valid_texts(texts)
    found = _detected(valid, rules)
    match: Any = pc.match_substring(valid, "\\u")
    escaped: Any = pc.fill_null(match, False)
    # Names of people, and what the name of a leaf tells, are seen leaf by leaf.
    numbers: Any = pc.match_substring_regex(valid, "[0-9]{5}")
    plain: Any = escaped if rules.wanted.faithful else pc.or_(escaped, pc.fill_null(numbers, False))
    inside: Any = plain if languages is None else pc.is_valid(valid)
    rows = sorted({*found, *pc.indices_nonzero(inside).to_pylist()})
    changed, places = dict[int, str](), list[Place]()
    for row in rows:
        text = valid[row].as_py()
        value = _parsed(text)
        try:
            language = None if languages is None else languages[row] or NO_LANGUAGE
            made = None if value is None else _by_leaf(value, rules, language)
        except RecursionError:  # it nests nearly as deep as Python's reader goes
            value = None
        if value is None:
            places += _places(row, -1, text, found.get(row, []))
            changed[row] = _masked(text, found.get(row, []), rules)
        elif made is not None:
            changed[row], mine = made
            places += [each._replace(row=row, leaf=each.row) for each in mine]
    return _with(valid, changed), places


def _by_leaf(value: Any, rules: Rules, language: str | None) -> tuple[str, list[Place]] | None:
    """JSON with each of its leaves masked, and where something stood, by leaf; None where nothing did.

    A leaf is looked at behind the name that it stands under, which says what it is, as in `"MRN": "12345678"`.
    """
    leaves = [(_utf8(leaf), name if name is None else _utf8(name)) for leaf, name in _leaves(value)]
    faithful = rules.wanted.faithful
    before = ["" if not name or faithful else f"{name}: " for _, name in leaves]
    said = [f"{prefix}{leaf}" for prefix, (leaf, _) in zip(before, leaves, strict=True)]
    array: Any = pa.array(said, pa.large_string())
    # The names of leaves say what stands there, not who: of no language, no engine looks at them.
    languages = None if language is None else [NO_LANGUAGE if name is None else language for _, name in leaves]
    masked, places = [leaf for leaf, _ in leaves], list[Place]()
    for at, found in sorted(_detected(array, rules, languages).items()):
        skipped = len(before[at])
        own = [
            each._replace(start=each.start - skipped, end=each.end - skipped) for each in found if each.start >= skipped
        ]
        places += _places(at, -1, leaves[at][0], own)
        masked[at] = _masked(leaves[at][0], own, rules)
    if not places:
        return None
    pairs = zip((leaf for leaf, _ in _leaves(value)), masked, strict=True)
    return json.dumps(_rebuilt(value, pairs), ensure_ascii=False), places


def _utf8(text: str) -> str:
    """Without lone surrogates, which JSON can escape."""
    return text.encode(errors="replace").decode()
