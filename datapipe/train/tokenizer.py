"""Whether a saved model reads texts as the packed data's tokenizer cut them.

Why: weights trained with one vocabulary learn noise from numbers of another, and the loss still falls.
What: the numbers of all tokens and the order of merges must be the same, and a text of many scripts must become the
same numbers, which tells normalisers and pre-tokenisers apart that only one of the two has.
Costs reading both tokenizers, some 10 MB each.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import AutoTokenizer
from transformers.utils.hub import cached_file

from datapipe.errors import InputError

__all__ = ["check_tokenizer", "difference"]

MAIN = "tokenizer.json"
# Case, contractions, runs of spaces, numbers, accents in both forms, wide letters, scripts, joined signs, code.
PROBE = (
    "The Barge's 3 locks weren't open in 2026;  12345.67 tons   waited.\n\n\tif x_1 >= 0: return -x  # later\r\n"
    "Caf\u00e9 cafe\u0301 na\u00efve \u00df \u0130 \ufb01 \uff21\uff22\uff11 \u00bd \u2026 "
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002 \u304b\u306a \ud55c\uad6d \u0421\u043b\u043e\u0432\u043e "
    "\u0643\u062a\u0627\u0628 \u0939\u093f\u0928\u094d\u0926\u0940 \u0e44\u0e17\u0e22 \U0001f468\u200d\U0001f469 end "
)


def check_tokenizer(name: str, packed: Path, *, trust_code: bool) -> None:
    """Raises InputError where the model `name` has another tokenizer than lies in `packed`, or none to compare."""
    other = difference(_of_model(name, trust_code=trust_code), Tokenizer.from_file(str(packed / MAIN)))
    if other:
        raise InputError(
            f"{name} has another tokenizer than the packed data ({other}): its weights would read other words",
            remedy=f"tokenise with it: tokenizer: {name}",
        )


def _of_model(name: str, *, trust_code: bool) -> Tokenizer:
    """The file as it is, where there is one: loading by a class of transformers may change how it cuts."""
    quiet = {f"_raise_exceptions_for_{what}": False for what in ("missing_entries", "connection_errors", "gated_repo")}
    try:
        file = cached_file(name, MAIN, **quiet)
        if file is not None:
            return Tokenizer.from_file(file)
        loaded: Tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=trust_code).backend_tokenizer
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise InputError(
            f"{name} has no tokenizer to compare with that of the packed data ({type(error).__name__})",
            remedy=f"put the {MAIN} that its weights were trained with beside them",
        ) from error
    return loaded


def difference(one: Tokenizer, other: Tokenizer) -> str:
    """In what two tokenizers differ; nothing where they cut alike."""
    if one.get_vocab(with_added_tokens=True) != other.get_vocab(with_added_tokens=True):
        return "tokens have other numbers"
    if _merges(one) != _merges(other):
        return "merges in another order"
    cut = [each.encode(PROBE, add_special_tokens=False).ids for each in (one, other)]
    return "" if cut[0] == cut[1] else "texts are normalised or split in another way"


def _merges(tokenizer: Tokenizer) -> Any:
    """In order; None where the model has none."""
    return json.loads(tokenizer.to_str())["model"].get("merges")
