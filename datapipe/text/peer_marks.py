"""The characters that datatrove takes for punctuation and for the end of a sentence.

Facts of another tool, needed to decide as it does; the rules of our own go by Unicode (`datapipe.text.reference`).
Source: datatrove 0.10, `datatrove.utils.text`; `tests/peers` compares them.
"""

from functools import cache

import numpy as np

from datapipe.text.buffers import readonly
from datapipe.text.jit import Uint8s
from datapipe.text.reference import SENTENCE_TERMINALS

SYMBOL, ENDS = 1, 2

# It leaves out the one-dot leader, the ellipsis, and vertical forms, and adds marks of Khmer and Kawi.
_NOT_TERMINAL = (0x2024, 0x2026, 0x2CF9, 0x2CFA, 0x2CFB, 0xFE12, 0xFE15, 0xFE16)
_TERMINAL_BESIDES = (0x17D6, 0x17D9, 0x17DA, 0x11F43, 0x11F44)
_SYMBOLS = (
    (0x00, 0x08), (0x0B, 0x1F), (0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x9F), (0xAB, 0xAB), (0xB4, 0xB4),
    (0xBB, 0xBB), (0x2013, 0x2014), (0x2019, 0x2019), (0x201C, 0x201E), (0x2026, 0x2026), (0x2236, 0x2236),
    (0x2501, 0x2501), (0x25BA, 0x25BA), (0x3001, 0x3002), (0x3008, 0x300D), (0x3010, 0x3011), (0xFF01, 0xFF01),
    (0xFF05, 0xFF05), (0xFF08, 0xFF09), (0xFF0C, 0xFF0C), (0xFF0E, 0xFF0E), (0xFF11, 0xFF11), (0xFF1A, 0xFF1B),
    (0xFF1F, 0xFF1F), (0xFF5E, 0xFF5E),
)  # fmt: skip


@cache
def marks() -> Uint8s:
    """Bits SYMBOL and ENDS of each code point (uint8, 0x110000)."""
    bits = np.zeros(0x110000, np.uint8)
    for low, high in SENTENCE_TERMINALS:
        bits[low : high + 1] |= ENDS
    bits[list(_NOT_TERMINAL)] = 0
    bits[list(_TERMINAL_BESIDES)] = ENDS
    bits[bits == ENDS] |= SYMBOL  # what ends a sentence is punctuation
    for low, high in _SYMBOLS:
        bits[low : high + 1] |= SYMBOL
    return readonly(bits)
