"""Personal data of many texts as presidio finds it, by a fast path for the common entities.

What: kernels give candidates over the batch's UTF-8; only texts with some become Python strings, and presidio's own
patterns are tried there. The answers are presidio's (entity, start, end, score), context words on, over texts of its
English recognisers without a language model.
Costs: see tests/benchmarks/pii.py. Entities without a fast path cost what presidio takes for the whole text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from datapipe.algo.pii.classes import class_table
from datapipe.algo.pii.context import with_context
from datapipe.algo.pii.found import FAST, Found
from datapipe.algo.pii.national_ids import NATIONAL
from datapipe.algo.pii.phone_words import worded
from datapipe.algo.pii.phones import REGIONS, phones_of
from datapipe.algo.pii.recognisers import pruned, recogniser
from datapipe.algo.pii.scan import Scan, candidates, scan_crypto, scan_emails, scan_ipv6
from datapipe.algo.pii.scan_numbers import CARD, IBAN, IPV4, SSN, scan_ids, scan_numbers
from datapipe.algo.pii.scan_phones import possible, scan_phones
from datapipe.text.buffers import BytesView, view_bytes
from datapipe.text.jit import Int64s, Uint8s, kernel

__all__ = ["Places", "find", "matches", "scanned", "texts_of_candidates", "valid_texts"]

IPV6_PATTERNS, IPV4_PATTERNS = (0, 1, 3, 4), (2,)  # of presidio's five, in its order

_SCANS: dict[str, tuple[Scan, ...]] = {
    "EMAIL_ADDRESS": (scan_emails,),
    "PHONE_NUMBER": (scan_phones,),
    "IP_ADDRESS": (scan_numbers, scan_ipv6),
    "CREDIT_CARD": (scan_numbers,),
    "IBAN_CODE": (scan_numbers,),
    "US_SSN": (scan_numbers,),
    "CRYPTO": (scan_crypto,),
}

# Candidates of one text by what gave them, in characters: (n, 3) of start, end, detail.
Places = dict[Callable[..., Any], Int64s]


class Scanned(NamedTuple):
    """A text with candidates: its row, itself, its candidates."""

    row: int
    text: str
    places: Places


def valid_texts(texts: Any) -> pa.LargeStringArray:
    """The same texts as large strings; bytes that are no UTF-8 become U+FFFD."""
    large: Any = texts if pa.types.is_large_string(texts.type) else texts.cast(pa.large_string())
    try:
        large.validate(full=True)
    except pa.ArrowInvalid:
        values = [None if value is None else value.decode(errors="replace") for value in _binary(large).to_pylist()]
        large = pa.array(values, pa.large_string())
    array: pa.LargeStringArray = large
    return array


def _binary(texts: Any) -> Any:
    return pa.Array.from_buffers(pa.large_binary(), len(texts), texts.buffers(), offset=texts.offset)


@kernel
def _count_characters(raw: Uint8s, places: Int64s, counts: Int64s) -> None:
    """How many characters start before each of some bytes, in order."""
    at = characters = 0
    for k in range(len(places)):
        while at < places[k]:
            characters += raw[at] & 0xC0 != 0x80
            at += 1
        counts[k] = characters


def _in_characters(raw: Uint8s, parts: list[Int64s]) -> list[Int64s]:
    """Candidates of one text, starts and ends in bytes, with those in characters."""
    bounds = np.concatenate([part[:, :2].ravel() for part in parts])
    places, back = np.unique(bounds, return_inverse=True)
    counts = np.empty(len(places), np.int64)
    _count_characters(raw, places, counts)
    found = counts[back].reshape(-1, 2)
    cuts = np.cumsum([len(part) for part in parts])[:-1]
    return [np.column_stack([new, part[:, 2]]) for new, part in zip(np.split(found, cuts), parts, strict=True)]


def scanned(
    texts: pa.LargeStringArray, scans: Iterable[Scan], *, mended: bool, regions: tuple[str, ...] = REGIONS
) -> list[Scanned]:
    """The texts with candidates, in order; `texts` are valid UTF-8, `regions` those of telephone numbers."""
    view = view_bytes(texts)
    table = class_table(mended=mended)
    found: Places = {scan: candidates(scan, view, table) for scan in scans}
    if scan_phones in found:
        clusters = found[scan_phones]
        found[scan_phones] = possible(view, table, clusters, regions)
        if mended:
            found[worded] = worded(view, clusters)
    return texts_of_candidates(view, found)


def texts_of_candidates(view: BytesView, found: Places) -> list[Scanned]:
    """Candidates in bytes, (n, 4) with the row first, as texts with theirs in characters."""
    rows = np.unique(np.concatenate([each[:, 0] for each in found.values()])) if found else np.zeros(0, np.int64)
    bounds = {scan: np.searchsorted(each[:, 0], np.append(rows, len(view.starts))) for scan, each in found.items()}
    listed = []
    for at, row in enumerate(rows.tolist()):
        raw = view.data[view.starts[row] : view.ends[row]]
        mine = [each[bounds[scan][at] : bounds[scan][at + 1], 1:] for scan, each in found.items()]
        text = raw.tobytes().decode()
        if len(text) < len(raw):
            mine = _in_characters(raw, mine)
        listed.append(Scanned(row, text, dict(zip(found, mine, strict=True))))
    return listed


def _starts(places: Places, detail: int) -> Any:
    rows = places[scan_numbers]
    return rows[rows[:, 2] == detail, 0].tolist()


def _first(places: Places, scan: Scan) -> Any:
    return places[scan][:, 0].tolist()


def matches(text: str, places: Places, entity: str, regions: tuple[str, ...]) -> list[Found]:
    """What presidio's recogniser of an entity finds at the candidates of a text."""
    if entity == "PHONE_NUMBER":
        return phones_of(text, places[scan_phones][:, :2], regions)
    who = recogniser(entity)
    if entity == "IP_ADDRESS":
        four = who.at(text, _starts(places, IPV4), IPV4_PATTERNS)
        return four + who.at(text, _first(places, scan_ipv6), IPV6_PATTERNS)
    if entity == "IBAN_CODE":
        return who.accounts(text, _starts(places, IBAN))
    if entity == "CRYPTO":
        return who.between(text, places[scan_crypto][:, :2].tolist())
    if entity == "EMAIL_ADDRESS":
        return who.at(text, _first(places, scan_emails))
    return who.at(text, _starts(places, CARD if entity == "CREDIT_CARD" else SSN))


def scans_of(entities: Iterable[str]) -> tuple[Scan, ...]:
    """The kernels that some entities with a fast path need."""
    return tuple(dict.fromkeys(scan for entity in entities for scan in _SCANS[entity]))


def find(
    texts: pa.LargeStringArray, entities: tuple[str, ...], regions: tuple[str, ...] = REGIONS
) -> dict[int, list[Found]]:
    """What presidio finds in each text, by its row; rows without findings are missing. `texts` are valid UTF-8."""
    quick = tuple(entity for entity in entities if entity in FAST)
    raw: dict[int, tuple[str, list[Found]]] = {}
    for each in scanned(texts, scans_of(quick), mended=False, regions=regions):
        raw[each.row] = (
            each.text,
            [one for entity in quick for one in matches(each.text, each.places, entity, regions)],
        )
    for row, text, more in _slowly(texts, tuple(entity for entity in entities if entity not in FAST)):
        raw[row] = (text, raw.get(row, ("", []))[1] + more)
    return {row: pruned(with_context(text, pruned(some))) for row, (text, some) in raw.items() if some}


def _slowly(texts: pa.LargeStringArray, entities: tuple[str, ...]) -> Iterator[tuple[int, str, list[Found]]]:
    """What is found of entities without a fast path, by row: national ids around digits, others in whole texts."""
    around = {entity: NATIONAL[entity].digits for entity in entities if entity in NATIONAL and NATIONAL[entity].digits}
    for row, text, places in scanned(texts, (scan_ids,), mended=False) if around else ():
        stretches = places[scan_ids].tolist()
        for entity, least in around.items():
            some = recogniser(entity).between(
                text, [(start, end) for start, end, digits in stretches if digits >= least]
            )
            if some:
                yield row, text, some
    whole = [entity for entity in entities if entity not in around]
    for row, given in enumerate(texts.to_pylist() if whole else ()):
        some = [one for entity in whole for one in recogniser(entity).everywhere(given)] if given else []
        if some:
            yield row, given or "", some
