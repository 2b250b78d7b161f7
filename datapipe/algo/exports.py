"""What sinks that write tokens for other trainers say beside their files: the ledger, and what is lost.

Costs nothing to speak of.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from datapipe.algo.sequences import totals
from datapipe.algo.tokenizers import tokenizer_digests

__all__ = ["manifest_of", "not_held", "pretty"]


def manifest_of(written: dict[str, dict[str, Any]], resources: dict[str, Path]) -> dict[str, Any]:
    """Tokens in = written + cut, by source; without padding, of which these files have none; and the tokenizer."""
    told = totals(written)
    del told["padding"]
    return told | {"tokenizer": tokenizer_digests(resources)}


def not_held(manifest: dict[str, Any], *names: str) -> dict[str, int]:
    """Of how many tokens a format loses something.

    `loss`: that they carry none; the first of each piece, which nothing predicts, is not counted. `loss_weights`: a
    weight other than 0 and 1. `bounds`: that another document begins behind it in its sequence.
    """
    known = {
        "loss": manifest["tokens"] - manifest["pieces"] - manifest["trained"],
        "loss_weights": manifest["weighted"],
        "bounds": manifest["pieces"] - manifest["sequences"],
    }
    return {name: known[name] for name in names}


def pretty(value: Any) -> bytes:
    """JSON for people."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
