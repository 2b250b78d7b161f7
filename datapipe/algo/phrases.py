"""Lists of words and phrases, counted in documents as whole words.

A phrase is a sequence of tokens as the segmentation cuts them, folded: `ass` is not met in `class`. In scripts written
without spaces each character is a token, so that phrases are met anywhere: as substrings. Where several phrases begin,
the longest counts, and those inside it do not. A run of katakana is one word.
Costs some 40 ns a token with 400 phrases.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from datapipe.text.buffers import readonly
from datapipe.text.characters import HASH_MULTIPLIER, mix
from datapipe.text.jit import U64, Int32s, Int64s, Uint64s, inlined, kernel
from datapipe.text.reference import tokens, word_hash
from datapipe.text.segmentation import Segmentation

__all__ = ["Phrases"]

LONGEST = 8  # tokens of a spaced phrase; longer ones are no words
MASK = (1 << 64) - 1


@dataclass(frozen=True, eq=False)
class Phrases:
    """Hashes (uint64) of phrases and of their beginnings, sorted within those of one length.

    Those of n tokens lie at bounds[n-1:n+1]; whole (bool): which are phrases and not beginnings alone.
    """

    hashes: Uint64s
    whole: npt.NDArray[np.bool_]
    bounds: Int64s

    @staticmethod
    def of(phrases: Iterable[str]) -> "Phrases":
        """The phrases; those without a token, or of too many, are none."""
        by_length: list[dict[int, bool]] = [{} for _ in range(LONGEST)]
        for phrase in phrases:
            cut = tokens(phrase)
            state = 0
            for number, token in enumerate(cut if len(cut) <= LONGEST else ()):
                state = _chain(state, word_hash(phrase[token.start : token.end]))
                some = by_length[number]
                some[state] = some.get(state, False) or number + 1 == len(cut)
        ordered = [one for some in by_length for one in sorted(some.items())]
        hashes = np.array([state for state, _ in ordered], np.uint64)
        whole = np.array([whole for _, whole in ordered], np.bool_)
        bounds = np.concatenate([[0], np.cumsum([len(some) for some in by_length])]).astype(np.int64)
        return Phrases(readonly(hashes), readonly(whole), readonly(bounds))

    def __len__(self) -> int:
        """Number of different phrases."""
        return int(self.whole.sum())

    def count(self, segmentation: Segmentation) -> Int32s:
        """How many phrases each document holds."""
        words = segmentation.words
        found = np.zeros(len(words.first), np.int32)
        bounds = readonly(np.stack([words.first, words.last]))
        _count(readonly(words.hashes), bounds, (self.hashes, self.whole, self.bounds), found)
        return found


def _chain(state: int, hashed: int) -> int:
    """What `_next` gives, in plain Python."""
    state = (state * int(HASH_MULTIPLIER) + hashed) & MASK
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        state = ((state ^ (state >> 33)) * multiplier) & MASK
    return state ^ (state >> 33)


@inlined
def _place(hashes: Uint64s, low: int, high: int, wanted: int) -> int:
    """Where a hash stands between two places; -1 for nowhere."""
    end = high
    while low < high:
        middle = (low + high) >> 1
        if hashes[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < end and hashes[low] == wanted else -1


@kernel
def _count(hashes: Uint64s, documents: Int64s, phrases: tuple[Uint64s, Any, Int64s], found: Int32s) -> None:
    known, whole, bounds = phrases
    for x in range(len(found)):
        last = documents[1, x]
        token = documents[0, x]
        while token < last:
            state = U64(0)
            longest = 0
            for n in range(min(LONGEST, last - token)):
                state = mix(state * HASH_MULTIPLIER + hashes[token + n])
                at = _place(known, bounds[n], bounds[n + 1], state)
                if at < 0:
                    break
                if whole[at]:
                    longest = n + 1
            if longest > 0:
                found[x] += 1
                token += longest
            else:
                token += 1
