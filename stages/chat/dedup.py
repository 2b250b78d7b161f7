"""Remove conversations whose prompts are the same, or nearly the same, as those of another.

What: all that the user says (or the first message alone, or the whole conversation) is compared in normal form: equals
by a hash, near ones by MinHash and exact Jaccard similarity, as `dedup.minhash` compares texts; whatever a chain of
links holds together is a cluster, of which one conversation stays by a declared rule, never by chance. Each that leaves
names the one that stays and how alike the two are. Prompts with other numbers are no copies (`numbers`), nor are a
preference and a plain conversation: the one says more than the other. Conversations without a prompt are left alone.
Where one question comes with other tools or under another system prompt, `within: [tools]` keeps these apart.
Why: instruction sets are made of each other; what stands there many times is learned by heart, and one prompt on both
sides of a split tells nothing.
`against` compares with earlier runs (they need `index: true`), whose conversations always stay.
Costs: 100,000 conversations 50 s of CPU time with the start, 24 s without near copies; 550 MB in the largest process
(tests/benchmarks/prompts.py).
Source: Broder 1997; what is near is verified as in Dolma 3; see `dedup.minhash`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.algo.clusters import ADDS, apply, rounds
from datapipe.algo.minhash import jaccard_of_pairs, shingle_sets
from datapipe.algo.near import candidates, links
from datapipe.algo.prompts import PromptConfig, prompts, rows_of
from datapipe.algo.survivors import SurvivorConfig, ranks, reads_of, ties
from datapipe.stage import Group, Round, Share, below, decide, first_of, measure
from datapipe.text import shingles

DUPLICATE, NEAR_DUPLICATE = "duplicate", "near_duplicate"


class Config(PromptConfig, SurvivorConfig):
    """What is compared, how alike it must be, and which of a cluster stays."""

    min_similarity: Share | None = measure(
        0.8, "exact Jaccard similarity of shingles from which on candidates are linked; null: whatever it is", gt=0
    )
    fuzzy: bool = measure(True, "find near copies too; false: only those that are the same in normal form")
    min_similarity_to_survivor: Share | None = decide(
        None, "those less alike to the one that stays stay too, though a chain of links leads there", gt=0
    )


def _reads(config: Config) -> tuple[str, ...]:
    return reads_of(config, "messages", "rejected")


def _compared(batch: pa.RecordBatch, config: Config) -> pa.LargeStringArray:
    return prompts(batch.select(["messages", "rejected"]), config)


def emit(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The keys of each conversation by its prompts, apart by `within` and by whether something was rejected."""
    scopes = batch.select(list(config.within)).append_column("is preference", batch["rejected"].is_valid())
    return rows_of(_compared(batch, config), config, scopes, fuzzy=config.fuzzy)


def measure_shingles(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The different shingles of what is compared, the id, and what ranks a conversation."""
    found = shingles(_compared(batch, config), config.shingle, most_words=config.max_words)
    arrays: list[Any] = [
        shingle_sets(found),
        batch["id"],
        pa.array(ranks(batch, config, "messages")),
        ties(batch, config),
    ]
    return pa.RecordBatch.from_arrays(arrays, names=["shingles", "id", "rank", "tie"])


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Every conversation of a cluster but the survivor leaves, if it is alike enough to it."""
    leaves: Any = np.asarray(measured["survivor"].is_valid())
    leaves &= ~below(measured["similarity"], config.min_similarity_to_survivor)
    return first_of((leaves & ~below(measured["similarity"], 1.0), DUPLICATE), (leaves, NEAR_DUPLICATE))


STAGE = Group(
    name="chat.dedup",
    version=1,
    config=Config,
    reads=_reads,
    optional=("rejected",),
    adds=ADDS,
    coded=("cluster", "survivor", "linked_to", "bridged"),
    reasons={
        DUPLICATE: "the words of its prompts are those of a conversation that stays",
        NEAR_DUPLICATE: "its prompts are nearly those of a conversation that stays, or a chain of such leads there",
    },
    rounds=(
        Round(emit=emit, resolve=candidates.resolve, sort=("signature", "content")),
        Round(answer=links.Answer(), resolve=links.resolve, sort=("member",)),
        *rounds("shingles", jaccard_of_pairs),
    ),
    measure=measure_shingles,
    apply=apply,
    compares=("messages",),
    libraries=("datapipe.text", "pyarrow"),
    decide=decide_reasons,
)
