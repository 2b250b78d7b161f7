"""How much a match of an item part is worth: a strength, 1 where it is a verdict.

What, by part, where cover is the share of the part's bits that a text has in order (of input with options: at all):
- input: the bits covered over those needed, which fall as the cover grows: 78 at .46, 66 at .57, 65 at .86, 50 at .93,
  25 from .975 on (templates have many words and few bits, so a low cover asks for more). An input under 8 tokens
  needs a cover of .95 and 45 bits, 38 if its item has no options; one under 5 is never enough by itself
- input with options or a short answer: a cover of .8, .6 of the input, and 40 bits; or of .5, .55 of the input, and 75;
  and always 8 bits besides the input
- input near its context, which stands there with a cover of .6 and 100 bits: a cover of .5 and 25 bits
- long answer or context: a cover of .6 and 200 bits
Why strengths: measured once, a limit on them can be changed without looking at the texts again.
Costs some numpy passes over the matches.
Source: chosen on planted items of 17 benchmarks and 12,000 clean texts; see tests/real/test_decontaminate.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from datapipe.text.jit import Float64s

__all__ = ["CONTEXT", "INPUT", "INPUT_OUTPUT", "LEAST", "OUTPUT", "floors", "strengths"]

LEAST = 0.7  # weaker matches are not told
INPUT, INPUT_OUTPUT, CONTEXT, OUTPUT = range(4)

COVERS, NEEDED = (0.46, 0.57, 0.86, 0.93, 0.975), (78.0, 66.0, 65.0, 50.0, 25.0)
FEW_TOKENS, FEWEST_TOKENS = 8, 5
FEW_COVER, FEW_BITS, FEW_BITS_ALONE = 0.95, 45.0, 38.0
CLOSE = (0.8, 0.6, 40.0)  # cover, cover of the input, bits
LOOSE = (0.5, 0.55, 75.0)
BEYOND_BITS = 8.0
READ = (0.6, 100.0)  # cover and bits of a context
ASKED = (0.5, 25.0)  # those of an input beside it
NEAR = 64  # tokens between them
LONG_COVER, LONG_BITS = 0.6, 200.0


def _few_bits(has_options: Any) -> Any:
    return np.where(has_options, FEW_BITS, FEW_BITS_ALONE)


def floors(kind: Any, bits: Float64s, own: Any, item: Any) -> Float64s:
    """The least bits with which a part can be told, or an input can be half of what is told.

    kind, bits and own (tokens of the input), by part, are as in `item_index.Index`; `item`: of the part's item whether
    it has options, parts besides its input, and a context (bool).
    """
    has_options, has_more, has_context = item
    few = np.where(own < FEWEST_TOKENS, np.inf, np.maximum(FEW_COVER * bits, LEAST * _few_bits(has_options)))
    covers = np.linspace(COVERS[0], 1, 200)
    shares = covers / np.interp(covers, COVERS, NEEDED)
    of_input = bits * np.interp(LEAST / np.maximum(bits, 1e-9), shares, covers)
    of_input = np.where(own < FEW_TOKENS, few, np.where(bits * shares[-1] < LEAST, np.inf, of_input))
    of_input = np.where(has_more, np.minimum(of_input, LOOSE[1] * bits), of_input)
    of_input = np.where(has_context, np.minimum(of_input, np.maximum(ASKED[0] * bits, LEAST * ASKED[1])), of_input)
    of_both = np.minimum(*(np.maximum(cover * bits, LEAST * least) for cover, _, least in (CLOSE, LOOSE)))
    of_long = np.maximum(LONG_COVER * bits, LEAST * LONG_BITS)
    found: Float64s = np.choose(kind, [of_input, of_both, of_long, of_long])
    return found


def _beside_context(index: Any, matches: Any) -> Any:
    """Which matches stand outside of the context of their item, and near."""
    item = matches.text * len(index.benchmark) + index.item[matches.segment]
    bits = index.bits[matches.segment]
    contexts = np.flatnonzero(
        (index.kind[matches.segment] == CONTEXT) & (matches.bits >= np.maximum(READ[0] * bits, READ[1]))
    )
    contexts = contexts[np.argsort(item[contexts], kind="stable")]
    if not len(contexts):
        return np.zeros(len(item), np.bool_)
    at = contexts[np.minimum(np.searchsorted(item[contexts], item), len(contexts) - 1)]
    gap = np.maximum(matches.first - matches.last[at], matches.first[at] - matches.last)
    return (item[at] == item) & (gap > 0) & (gap <= NEAR)


def strengths(index: Any, matches: Any) -> Float64s:
    """The strength of each match; 0 where no number of bits would do."""
    segment = matches.segment
    kind, cover = index.kind[segment], matches.bits / index.bits[segment]
    own = index.own[segment]
    needed = np.interp(cover, COVERS, NEEDED)
    few = own < FEW_TOKENS
    needed = np.where(few, _few_bits(index.has_options[index.item[segment]]), needed)
    enough = np.where(few, (cover >= FEW_COVER) & (own >= FEWEST_TOKENS), cover >= COVERS[0])
    of_input = np.where(enough, matches.bits / needed, 0)
    beside = _beside_context(index, matches) & (cover >= ASKED[0])
    of_input = np.where(beside, np.maximum(of_input, matches.bits / ASKED[1]), of_input)
    input_bits = index.bits[index.input[segment]]
    input_cover = (matches.bits - matches.beyond) / np.maximum(input_bits, 1e-9)
    both = [
        np.where((cover >= least) & (input_cover >= least_input), matches.bits / bits, 0)
        for least, least_input, bits in (CLOSE, LOOSE)
    ]
    of_both = np.where(matches.beyond >= BEYOND_BITS, np.maximum(*both), 0)
    of_long = np.where(cover >= LONG_COVER, matches.bits / LONG_BITS, 0)
    found: Float64s = np.choose(kind, [of_input, of_both, of_long, of_long])
    return found
