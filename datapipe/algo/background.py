"""What is common in ordinary text: tokens with how much they tell, and runs of them with how many texts they stand in.

Why: a verdict on a document must not depend on the corpus around it, so that rarity comes from a table that is shipped.
`background.json` beside it says what texts it was made of and how; `python -m tests.real.background` makes it anew.
Costs: 1 MB on disk; a look-up by binary search.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datapipe.algo.folded_tokens import CHARACTER, Fold, tokens_of
from datapipe.algo.item_grams import Lengths, grams_of
from datapipe.text.buffers import readonly, view_bytes
from datapipe.text.jit import Float64s, Uint8s, Uint64s
from datapipe.text.segmentation import flat

__all__ = ["PATH", "Background", "load_background", "make_background"]

PATH = Path(__file__).with_name("background.npz")
RARE_BITS = 9.0  # tokens that tell as much or more are not listed
FEWEST_DOCUMENTS = 2  # runs in fewer are not listed
MOST_DOCUMENTS = 255


class Background(NamedTuple):
    """tokens (uint64, sorted) and bits (float32) of each; grams (uint64, sorted) and documents (uint8) of each."""

    tokens: Uint64s
    bits: npt.NDArray[np.float32]
    grams: Uint64s
    documents: Uint8s

    def bits_of(self, tokens: Uint64s) -> Float64s:
        """Bits that each token tells; RARE_BITS if it is not listed."""
        if not len(self.tokens):
            return np.full(len(tokens), RARE_BITS)
        at = np.minimum(np.searchsorted(self.tokens, tokens), len(self.tokens) - 1)
        found: Float64s = np.where(self.tokens[at] == tokens, self.bits[at].astype(np.float64), RARE_BITS)
        return found


@cache
def load_background() -> Background:
    """The shipped table."""
    with np.load(PATH, allow_pickle=False) as stored:
        return Background(*(readonly(stored[name]) for name in Background._fields))


def make_background(documents: Iterable[str], fold: Fold, lengths: Lengths, *, most_grams: int) -> Background:
    """The table of some texts, with the runs that stand in most of them, of equal ones those of the least hashes."""
    tokens = tokens_of(view_bytes(pa.array(list(documents), pa.large_string())), fold)
    listed: list[tuple[Uint64s, npt.NDArray[np.float32]]] = []
    for kind in (tokens.classes == CHARACTER, tokens.classes != CHARACTER):
        hashes, counts = np.unique(tokens.hashes[kind], return_counts=True)
        bits = -np.log2(counts / max(counts.sum(), 1))
        common = bits < RARE_BITS
        listed.append((hashes[common], bits[common].astype(np.float32)))
    owner, _ = flat(tokens.bounds[:-1], tokens.bounds[1:])
    count = len(tokens.bounds) - 1
    grams: list[Uint64s] = []
    for way in range(len(lengths.tokens)):
        rolled = grams_of(tokens, np.full(count, way, np.uint8), lengths)
        order = np.lexsort((owner, rolled))
        rolled, texts = rolled[order], owner[order]
        new = np.append(True, (rolled[1:] != rolled[:-1]) | (texts[1:] != texts[:-1])) & (rolled > 0)
        grams.append(rolled[new])
    found, documents_of = np.unique(np.concatenate(grams), return_counts=True)
    order = np.lexsort((found, -documents_of))[:most_grams]
    kept = np.sort(order[documents_of[order] >= FEWEST_DOCUMENTS])
    by_hash = np.argsort(np.concatenate([hashes for hashes, _ in listed]), kind="stable")
    return Background(
        np.concatenate([hashes for hashes, _ in listed])[by_hash],
        np.concatenate([bits for _, bits in listed])[by_hash],
        found[kept],
        np.minimum(documents_of[kept], MOST_DOCUMENTS).astype(np.uint8),
    )
