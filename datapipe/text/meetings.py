"""Which hashes were met before: the hash table of kernels that count what repeats.

Open addressing, and an epoch number in each slot, so that nothing is cleared between documents.
Costs: one look-up an item, expected; 12-24 bytes an item of the largest document.
"""

from typing import NamedTuple

from datapipe.text.jit import I64, U64, Int, Int32s, Uint64s, called, inlined

FIRST_BITS = U64(32)
FIRST_MASK = U64(0xFFFFFFFF)


class Meetings(NamedTuple):
    """Which hashes were met. table: uint64 (power of two,), epoch << 32 | index; epoch: uint64 (1,).

    For each word of a document: grams uint64, what is met; counts int32, how often.
    """

    table: Uint64s
    epoch: Uint64s
    grams: Uint64s
    counts: Int32s


@inlined
def first_met(meetings: Meetings, hashed: object, index: Int, mask: object) -> Int:
    """The first index met with this hash in this epoch (index itself if none); its count goes up."""
    table, epoch = meetings.table, meetings.epoch[0]
    slot = hashed & mask  # type: ignore[operator]
    while table[slot] >> FIRST_BITS == epoch:
        first: int = I64(table[slot] & FIRST_MASK)
        if meetings.grams[first] == hashed:
            meetings.counts[first] += 1
            return first
        slot = (slot + U64(1)) & mask
    table[slot] = epoch << FIRST_BITS | U64(index)
    meetings.counts[index] = 1
    return index


@called
def new_epoch(epoch: Uint64s, items: int) -> object:
    """Empty the hash table without touching it; returns the mask of the part that so many items need."""
    epoch[0] += U64(1)
    size = 16
    while 2 * size < 3 * items:
        size *= 2
    return U64(size - 1)


def room_for(items: int) -> int:
    """Slots of a table for so many items: a power of two, at most two thirds of it used."""
    size = 16
    while 2 * size < 3 * items:
        size *= 2
    return size
