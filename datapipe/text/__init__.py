"""Text as bytes: decoding, segmentation, hashes, normal form and the measures that rules are made of.

Importing this package imports nothing else; each name brings in its module when first used (numba takes half a
second to import, and decoding a page does not need it).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datapipe.text.buffers import BytesView, readonly, view_bytes
    from datapipe.text.cache import SegmentationCache, carry, forget, segment
    from datapipe.text.cleaning import clean
    from datapipe.text.decode import UndecodableText, decode_html
    from datapipe.text.estimate import MOST_PER_BYTE, UNIT, TokenEstimate, estimate_tokens
    from datapipe.text.hashing import hash128, hash_slices, xxh3_128_hex, xxh64
    from datapipe.text.line_corrections import corrected_lines
    from datapipe.text.line_rules import kept_lines
    from datapipe.text.line_shape import line_measures
    from datapipe.text.normalise import NormalForm, normal_form, normalised_hash
    from datapipe.text.peer_measures import peer_gopher_measures, peer_line_measures
    from datapipe.text.periods import repeated_periods
    from datapipe.text.piecewise import Pieces, pieces, replace_pieces
    from datapipe.text.quality import quality_measures
    from datapipe.text.reference import AFTER_SPACE, IS_WORD, word_hash
    from datapipe.text.repetition import repetition_measures
    from datapipe.text.segmentation import Segmentation, Spans, Words
    from datapipe.text.shingling import Shingles, shingles
    from datapipe.text.symbols import symbol_measures
    from datapipe.text.tables import TABLES_VERSION
    from datapipe.text.warm import warm_up

__all__ = [
    "AFTER_SPACE",
    "IS_WORD",
    "MOST_PER_BYTE",
    "TABLES_VERSION",
    "UNIT",
    "BytesView",
    "NormalForm",
    "Pieces",
    "Segmentation",
    "SegmentationCache",
    "Shingles",
    "Spans",
    "TokenEstimate",
    "UndecodableText",
    "Words",
    "carry",
    "clean",
    "corrected_lines",
    "decode_html",
    "estimate_tokens",
    "forget",
    "hash128",
    "hash_slices",
    "kept_lines",
    "line_measures",
    "normal_form",
    "normalised_hash",
    "peer_gopher_measures",
    "peer_line_measures",
    "pieces",
    "quality_measures",
    "readonly",
    "repeated_periods",
    "repetition_measures",
    "replace_pieces",
    "segment",
    "shingles",
    "symbol_measures",
    "view_bytes",
    "warm_up",
    "word_hash",
    "xxh3_128_hex",
    "xxh64",
]

_MODULES = {
    "buffers": ("BytesView", "readonly", "view_bytes"),
    "cache": ("SegmentationCache", "carry", "forget", "segment"),
    "cleaning": ("clean",),
    "decode": ("UndecodableText", "decode_html"),
    "estimate": ("MOST_PER_BYTE", "UNIT", "TokenEstimate", "estimate_tokens"),
    "hashing": ("hash128", "hash_slices", "xxh3_128_hex", "xxh64"),
    "line_corrections": ("corrected_lines",),
    "line_rules": ("kept_lines",),
    "line_shape": ("line_measures",),
    "normalise": ("NormalForm", "normal_form", "normalised_hash"),
    "peer_measures": ("peer_gopher_measures", "peer_line_measures"),
    "periods": ("repeated_periods",),
    "piecewise": ("Pieces", "pieces", "replace_pieces"),
    "quality": ("quality_measures",),
    "reference": ("AFTER_SPACE", "IS_WORD", "word_hash"),
    "repetition": ("repetition_measures",),
    "segmentation": ("Segmentation", "Spans", "Words"),
    "shingling": ("Shingles", "shingles"),
    "symbols": ("symbol_measures",),
    "tables": ("TABLES_VERSION",),
    "warm": ("warm_up",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
