"""How often a document says the same words over and over without a break.

What: a run of period p is a stretch of words in which each word equals the one p places before it; it repeats its
first p words as often as they fit into it. Loops of a generator, counters and filler text look like that.
Words are compared by hash, whatever their case. A run counts for its smallest period alone: a word said 100 times is a
run of period 1, not also of period 2.
Costs: one pass over the words for each period, with no hash table; no scratch beyond 8 bytes a word of the largest
document.
Source: the filter on repeated n-grams of the training code of OLMo (periods 1 to 13, more than 32 repeats), there
over tokens.
"""

from collections.abc import Iterable

import numpy as np

from datapipe.text.jit import I64, Int32s, Int64s, Uint8s, Uint64s, called, kernel, pasted
from datapipe.text.reference import IS_WORD
from datapipe.text.segmentation import Segmentation

LONGEST_PERIOD = 64


@pasted
def _gather(tokens: tuple[Int64s, Int64s, Uint64s, Uint8s], x: int, hashes: Uint64s) -> int:
    """The hashes of the words of document x, without punctuation, into the scratch: how many."""
    first, last, all_hashes, kinds = tokens
    count = 0
    for token in range(first[x], last[x]):
        hashes[count] = all_hashes[token]
        if kinds[token] & IS_WORD:
            count += 1
    return count


@called
def _has_smaller_period(hashes: Uint64s, start: int, period: int) -> bool:
    """Whether the block of `period` words at `start` is itself made of copies of a shorter block."""
    for shorter in range(1, period):
        if period % shorter == 0:
            same = True
            for i in range(start + shorter, start + period):
                if hashes[i] != hashes[i - shorter]:
                    same = False
                    break
            if same:
                return True
    return False


@called
def _most_repeats(hashes: Uint64s, count: int, period: int) -> int:
    """How often the first `period` words of a run stand in it, in the run where that is most; 1 without any run."""
    most: int = I64(1)
    matched = 0
    for i in range(period, count):
        if hashes[i] == hashes[i - period]:
            matched += 1
            # Every block of a run is a rotation of the others, so any of them tells whether a shorter one makes it up.
            if matched % period == 0 and matched // period >= most:
                if _has_smaller_period(hashes, i - period + 1, period):
                    continue
                most = I64(1 + matched // period)
        else:
            matched = 0
    return most


@kernel
def _count(tokens: tuple[Int64s, Int64s, Uint64s, Uint8s], periods: Int64s, hashes: Uint64s, out: Int32s) -> None:
    """Fill out int32 (periods, documents)."""
    first, _, _, _ = tokens
    for x in range(len(first)):
        count = _gather(tokens, x, hashes)
        for k in range(len(periods)):
            out[k, x] = _most_repeats(hashes, count, periods[k]) if count else 0


def repeated_periods(segmentation: Segmentation, periods: Iterable[int]) -> Int32s:
    """How often a block of so many words stands in a row, at most: int32 (periods, documents).

    1: no block of that length stands twice in a row; 0: no words. A block that is itself made of copies of a shorter
    one counts for the shorter one alone. Raises ValueError for periods other than 1 to 64 words.
    """
    wanted = tuple(periods)
    if any(not 1 <= period <= LONGEST_PERIOD for period in wanted):
        raise ValueError(f"periods of 1 to {LONGEST_PERIOD} words, not {wanted}")
    words = segmentation.words
    most = int(np.max(words.last - words.first, initial=0)) + 1
    out = np.zeros((len(wanted), len(segmentation)), np.int32)
    tokens = (words.first, words.last, words.hashes, words.kind)
    _count(tokens, np.array(wanted, np.int64), np.empty(most, np.uint64), out)
    return out
