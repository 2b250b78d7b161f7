"""Compile the kernels of personal data before the work begins.

Costs: some seconds with an empty cache, and what presidio takes to load; half a second more for the automata.
"""

from __future__ import annotations

import pyarrow as pa

from datapipe.algo.pii.detector import Wanted, detect
from datapipe.algo.pii.found import FAST
from datapipe.algo.pii.national_ids import NATIONAL
from datapipe.algo.pii.phones import REGIONS

__all__ = ["warm_up"]


def warm_up() -> None:
    """Compile what is not compiled yet, for both modes. Raises InputError if presidio is not installed."""
    texts = pa.array(["é a@b.com 8.8.8.8, Tel. 415 555 2671, 身份证11010519491231002X"], pa.large_string())
    entities = (*FAST, *NATIONAL, "CN_RESIDENT_ID")
    for faithful in (False, True):
        detect(texts, Wanted(entities, REGIONS, 0.4, faithful=faithful, public_only=True))
