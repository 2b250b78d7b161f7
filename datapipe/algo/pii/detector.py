"""One way to ask for personal data, whoever finds it: presidio's fast path, mended or not, and what presidio knows not.

Costs what those cost; see tests/benchmarks/pii.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from datapipe.algo.pii.chinese import find_chinese
from datapipe.algo.pii.finder import find
from datapipe.algo.pii.found import ENTITIES, FAST, NAMED, Found, Taken
from datapipe.algo.pii.mended import find_mended
from datapipe.algo.pii.phone_words import NAME as BY_WORDS
from datapipe.algo.pii.secrets import find_secrets

__all__ = ["Wanted", "detect", "known_regions"]


class Wanted(NamedTuple):
    """What is looked for: entities, regions of telephone numbers, and the least score.

    `faithful`: as presidio itself answers; else mended. `public_only`: of IP addresses those that can be reached.
    `engines`: what finds names, by language; none are looked for without.
    """

    entities: tuple[str, ...]
    regions: tuple[str, ...]
    min_score: float
    faithful: bool
    public_only: bool
    engines: tuple[tuple[str, str], ...] = ()


def known_regions() -> frozenset[str]:
    """Codes of the regions whose telephone numbers can be told."""
    import phonenumbers  # noqa: PLC0415 - half a second, and only for who asks

    return frozenset(phonenumbers.SUPPORTED_REGIONS)


def _presidio(texts: pa.LargeStringArray, wanted: Wanted) -> list[dict[int, list[Found]]]:
    mine = tuple(entity for entity in wanted.entities if entity in ENTITIES)
    if wanted.faithful:
        return [find(texts, mine, wanted.regions)]
    quick = tuple(entity for entity in mine if entity in FAST)
    slow = tuple(entity for entity in mine if entity not in FAST)
    found = [find_mended(texts, quick, wanted.regions, public_only=wanted.public_only)] if quick else []
    return [*found, find(texts, slow)] if slow else found


def detect(texts: Any, wanted: Wanted, languages: Sequence[str | None] | None = None) -> dict[int, list[Found]]:
    """What is found in each text, by its row, in order; rows without findings are missing. `texts`: valid UTF-8.

    Names are looked for only where the language of each text (or None) is given.
    """
    parts = _presidio(texts, wanted)
    if wanted.engines and languages is not None:
        from datapipe.algo.pii.names import find_names  # noqa: PLC0415 - compiles a kernel that only few need

        parts.append(find_names(texts, languages, dict(wanted.engines), wanted.entities))
    parts += [find_chinese(texts, wanted.entities), find_secrets(texts, wanted.entities)]
    everything: dict[int, list[Found]] = {}
    for part in parts:
        for row, found in part.items():
            sure = [each for each in found if each.score >= wanted.min_score]
            if sure:
                everything.setdefault(row, []).extend(sure)
    return {
        row: sorted(_once(found), key=lambda each: (each.start, each.end, each.entity))
        for row, found in everything.items()
    }


def _once(found: list[Found]) -> list[Found]:
    """Without telephone numbers that only words tell, and names, where something more certain stands or around them."""
    unsure = [each for each in found if each.recogniser == BY_WORDS or each.entity in NAMED]
    if not unsure:
        return found
    sure = [each for each in found if each.recogniser != BY_WORDS and each.entity not in NAMED]
    taken = Taken(sure)
    return sure + [each for each in unsure if not (taken.holds(each) if each.entity in NAMED else taken.overlaps(each))]
