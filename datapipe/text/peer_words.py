"""The kernel that cuts text into words as datatrove does, nearly: `reference_peer.peer_words` says how.

Why: a share of words means another thing where `1.4`, `5,000` and addresses are one word each and `!!!` is three.
Two passes over the UTF-8 bytes, one to count.
Costs: 37 MB/s of English; 13 bytes of output a token.
"""

from typing import NamedTuple

import numpy as np

from datapipe.text.buffers import BytesView, Texts, readonly, view_bytes
from datapipe.text.characters import look_up, read
from datapipe.text.jit import Int32s, Int64s, Uint8s, called, inlined, kernel
from datapipe.text.peer_affixes import Known, closing, contracted, inside, is_address, is_kept, load, opening
from datapipe.text.reference import BREAK, HAS_ALPHABETIC, LETTER, MARK, SINGLE, SPACE
from datapipe.text.tables import ALPHABETIC, GROUP, Table


class Cuts(NamedTuple):
    """Room for tokens, of length 0 to count only: places int32 (3, n) = start, end, length; kinds uint8 (n,)."""

    places: Int32s
    kinds: Uint8s


class PeerWords(NamedTuple):
    """Tokens of documents. Those of document d are the indexes first[d] to last[d] (exclusive), int64.

    start, end (byte offsets within the document), length (characters): int32; kind: uint8, HAS_ALPHABETIC.
    """

    first: Int64s
    last: Int64s
    start: Int32s
    end: Int32s
    length: Int32s
    kinds: Uint8s


@inlined
def _put(cuts: Cuts, used: int, start: int, end: int) -> int:
    if used < len(cuts.kinds):
        cuts.places[0, used] = start
        cuts.places[1, used] = end
    return used + 1


@called
def _reverse(cuts: Cuts, i: int, j: int) -> None:
    """Turn the order of tokens i to j (exclusive) around."""
    j -= 1
    while i < j < len(cuts.kinds):
        for k in range(2):
            cuts.places[k, i], cuts.places[k, j] = cuts.places[k, j], cuts.places[k, i]
        i += 1
        j -= 1


@called
def _cut_core(data: Uint8s, place: tuple[int, int, int], known: Known, room: tuple[Cuts, int]) -> int:
    """Tokens of data[start:end] without marks at both ends, place = (base, start, end); how many are used."""
    base, start, end = place
    cuts, used = room
    if is_kept(data, start, end, known) or is_address(data, start, end, known):
        return _put(cuts, used, start - base, end - base)
    ending = contracted(data, start, end, known.table)
    if ending:
        used = _put(cuts, used, start - base, end - ending - base)
        return _put(cuts, used, end - ending - base, end - base)
    i = begin = start
    while i < end:
        point, width = read(data, i, end)
        group = look_up(known.table, point) & GROUP
        size = 0 if group == LETTER or group == MARK else inside(data, (start, i, end), known)  # noqa: PLR1714, SIM109 - faster than a tuple in numba
        if size:
            if i > begin:
                used = _put(cuts, used, begin - base, i - base)
            used = _put(cuts, used, i - base, i + size - base)
            begin = i + size
        i += size or width
    if end > begin:
        used = _put(cuts, used, begin - base, end - base)
    return used


@called
def _cut(data: Uint8s, place: tuple[int, int, int], known: Known, room: tuple[Cuts, int]) -> int:
    """Tokens of data[start:end], which is without spaces, place = (base, start, end); how many are used."""
    base, start, end = place
    cuts, used = room
    while start < end and not is_kept(data, start, end, known):
        size = opening(data, start, end, known)
        if size == 0:
            break
        used = _put(cuts, used, start - base, start + size - base)
        start += size
    first_closing = used
    while start < end and not is_kept(data, start, end, known):
        size = closing(data, start, end, known)
        if size == 0:
            break
        used = _put(cuts, used, end - size - base, end - base)
        end -= size
    core = used
    if start < end:
        used = _cut_core(data, (base, start, end), known, (cuts, used))
    if core > first_closing:  # those at the end stand last to first, and before the others
        _reverse(cuts, core, used)
        _reverse(cuts, first_closing, used)
    return used


@called
def _describe(data: Uint8s, place: tuple[int, int], table: Table, cuts: Cuts) -> None:
    """Fill in length and kind of a token, place = (start of its document, token)."""
    base, token = place
    i, end = base + cuts.places[0, token], base + cuts.places[1, token]
    length, bits = 0, 0
    while i < end:
        point, width = read(data, i, end)
        bits |= look_up(table, point)
        length += 1
        i += width
    cuts.places[2, token] = length
    cuts.kinds[token] = HAS_ALPHABETIC if bits & ALPHABETIC else 0


@kernel
def _find(view: BytesView, known: Known, cuts: Cuts, bounds: Int64s) -> None:
    """Fill in the tokens, and bounds int64 (2, documents): their first and last token (exclusive)."""
    data, table, used = view.data, known.table, 0
    for x in range(len(view.starts)):
        base, end = view.starts[x], view.ends[x]
        i = base
        bounds[0, x] = used
        while i < end:
            point, width = read(data, i, end)
            entry = look_up(table, point)
            group = entry & GROUP
            start, single, letters = i, group == SINGLE, entry & ALPHABETIC
            i += width
            if group == SPACE or group == BREAK:  # noqa: PLR1714, SIM109 - faster than a tuple in numba
                continue
            while i < end:
                point, width = read(data, i, end)
                entry = look_up(table, point)
                group = entry & GROUP
                if group == SPACE or group == BREAK or group == SINGLE or (single and group != MARK):  # noqa: PLR1714, SIM109 - faster than a tuple in numba
                    break
                letters &= entry
                i += width
            if single or letters:  # letters alone, as most words are, meet no rule
                used = _put(cuts, used, start - base, i - base)
            else:
                used = _cut(data, (base, start, i), known, (cuts, used))
        bounds[1, x] = used
        if len(cuts.kinds):
            for token in range(bounds[0, x], used):
                _describe(data, (base, token), table, cuts)


def peer_words(texts: Texts) -> PeerWords:
    """The words and punctuation tokens of each text, as datatrove cuts English."""
    view, known = view_bytes(texts), load()
    bounds = np.zeros((2, len(view.starts)), np.int64)
    cuts = Cuts(np.empty((3, 0), np.int32), np.empty(0, np.uint8))
    _find(view, known, cuts, bounds)
    count = int(bounds[1, -1]) if len(view.starts) else 0
    if count:
        cuts = Cuts(np.empty((3, count), np.int32), np.empty(count, np.uint8))
        _find(view, known, cuts, bounds)
    first, last = readonly(bounds)
    start, end, length = readonly(cuts.places)
    return PeerWords(first, last, start, end, length, readonly(cuts.kinds))
