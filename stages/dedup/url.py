"""Remove documents whose URL stood before.

What: documents of one address, however it is written: its one form (datapipe/algo/addresses.py) has no fragment, no
user, no default port, hosts in small letters and punycode, and escapes and dots in paths undone; tracking parameters,
the order of parameters, http or https, `www.` and slashes at the end are left out too, each of which can be turned off.
Paths and values keep their case, since servers may tell it apart. One of each group survives by a declared rule.
Documents whose URL has no host are `not_judged`. `against` compares with earlier runs.
A page that changed between two crawls is one page here: take `survivor: newest`, or `within: [snapshot]`.
Costs: 4 to 11 microseconds a document; 60 bytes a document in the exchange; memory: one batch, however large a group.
Source: RFC 3986, section 6.2; URL deduplication as in RefinedWeb (Penedo et al. 2023) and Dolma (Soldaini et al. 2024).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.addresses import TRACKING, Rules, normal_urls
from datapipe.algo.hosts import host_hashes
from datapipe.algo.survivors import ADDS, SORT, SurvivorConfig, keys_of, reads_of, resolve
from datapipe.algo.survivors import apply as copies_of
from datapipe.stage import Group, Round, first_of, measure
from datapipe.text import hash128

DUPLICATE = "duplicate_url"
JUDGED = ADDS.append(pa.field("judged", pa.bool_()))


class Config(SurvivorConfig):
    """Which addresses are those of one page, and which of its documents stays."""

    tracking: tuple[str, ...] = measure(
        TRACKING, "query parameters that name no page, in small letters; utm_* are all that begin so; [] keeps all"
    )
    any_order: bool = measure(True, "the order of query parameters does not matter")
    any_scheme: bool = measure(True, "http and https are one")
    www: bool = measure(True, "a host with www. and without are one")
    slash: bool = measure(True, "a path with slashes at its end and without are one")


def _reads(config: Config) -> tuple[str, ...]:
    return reads_of(config, "url", *(("text",) if config.survivor == "longest" else ()))


def emit(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The hash of each document's address, and what ranks it."""
    rules = Rules(config.tracking, config.any_order, config.any_scheme, config.www, config.slash)
    urls = normal_urls(batch["url"].cast(pa.string()), rules)
    return keys_of(batch, config, "text", hash128(urls)).filter(pc.is_valid(urls))


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """Id of the surviving document (null: this one), how many of one address there are, and whether there is one."""
    told = copies_of(batch, verdicts, config)
    _, known = host_hashes(batch["url"])
    return pa.RecordBatch.from_arrays([*told.columns, pa.array(known)], schema=JUDGED)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Every document but the survivor leaves."""
    return first_of((np.asarray(measured["survivor"].is_valid()), DUPLICATE))


STAGE = Group(
    name="dedup.url",
    version=1,
    config=Config,
    reads=_reads,
    optional=("url",),
    adds=JUDGED,
    coded=("survivor",),
    reasons={DUPLICATE: "a document that stays has the same URL, however it is written"},
    rounds=(Round(emit=emit, resolve=resolve, sort=SORT),),
    apply=apply,
    compares=("url",),
    applies=("url",),
    libraries=("datapipe.text", "idna"),
    decide=decide_reasons,
)
