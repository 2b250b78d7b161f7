"""Chinese spam pages made of the phrases that `mark.spam` knows: what an audit plants.

What, by kind of spam: a sentence of a real document, and two dozen phrases of the kind behind it; `hidden`: with signs
between the characters of each phrase. A case is found where the measures are past the limits of its kind, and, where
`drop` names that, the document left. The phrases are the stage's own: this says whether it finds them, and nothing of
spam that uses others.
Costs some microseconds a case.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from datapipe.algo.families import Families
from datapipe.algo.hosting import copies_of, hosts_of, is_chinese, sentences_of
from datapipe.text.languages import is_in

__all__ = ["planted"]

PHRASES = 24
SIGNS = "*-_.·"


def planted(batch: pa.RecordBatch, phrases: Families, kinds: tuple[str, ...], seeds: Any) -> pa.RecordBatch:
    """A case for each Chinese document."""
    return copies_of("text", _cases(batch, phrases, kinds, seeds))


def _cases(
    batch: pa.RecordBatch, phrases: Families, kinds: tuple[str, ...], seeds: Any
) -> Iterator[tuple[int, str, str]]:
    chinese = is_in(batch["language"], "zh")
    for host in hosts_of(batch, seeds):
        if not chinese[host.row] or not is_chinese(host.text):
            continue
        kind, hides = host.chance.pick(kinds), host.chance.below(2)
        family = phrases.families.index(kind)
        known = [phrase for phrase, of in zip(phrases.phrases, phrases.of.tolist(), strict=True) if of == family]
        some = [known[at] for at in host.chance.order(len(known))[:PHRASES]]
        if hides:
            sign = host.chance.pick(SIGNS)
            some = [sign.join(phrase) for phrase in some]
        lead = (sentences_of(host.text) or [""])[0]
        yield host.row, f"{kind}_hidden" if hides else kind, "\n".join([lead, " ".join(some)])
