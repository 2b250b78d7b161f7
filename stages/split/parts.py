"""Put documents into named parts, such as train, validation and test, without a leak between them.

What: documents whose prompts (of texts: whose texts) are nearly the same, or that a chain of such links holds together,
are a cluster; the hash of its first member, that of the least id, says which part all of it goes to, in proportion to
the weights. So a part's share is exact but for chance, no document has a near copy in another part, and the same
documents are parted in the same way whatever their order. `split` names the part, `cluster` the first member: shots for
a prompt are better taken from other clusters. Numbers do not tell prompts apart here, for a template with other
numbers leaks as well.
Why: what a model has seen nearly word for word in training measures nothing in a test.
`against` keeps what earlier runs assigned (they need `index: true`, and the same settings): a document of theirs stays
in its part, a new one that is near to some of a part goes there, and one that is near to two parts, or stands in a
chain that leads from one to the other, leaves as `bridges_splits`. Without `against` a new document may become the
first of its cluster, and all of it move.
A pair .7 alike is found with probability .9995, of .5 with .84; see `dedup.minhash` on what crowds cost.
Costs: as `chat.dedup`, which finds near copies in the same way (tests/benchmarks/prompts.py).
Source: Lee et al. 2022, who found near copies of training documents in the test sets of four corpora.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator, model_validator

from datapipe.algo.keyed import verdict_of_rows
from datapipe.algo.minhash import shingle_sets
from datapipe.algo.near import candidates, links
from datapipe.algo.near.shingled import equal_rows
from datapipe.algo.prompts import PromptConfig, prompts, rows_of
from datapipe.algo.survivors import hash_of_rows
from datapipe.stage import Group, IndexedConfig, Round, decide, first_of, measure
from datapipe.text import hash128, shingles
from stages.split import _sides

BRIDGES, OTHER = "bridges_splits", "other_part"
MOST_PARTS = 64  # bits of a number
EVERYBODY = np.uint64(1)  # sets keys of ids apart from those of texts

Weights = dict[Annotated[str, Field(min_length=1)], Annotated[float, Field(gt=0)]]


class Config(PromptConfig, IndexedConfig):
    """Which parts there are, what is too much alike to be parted, and which parts stay."""

    parts: Weights = measure(
        {"train": 98, "validation": 1, "test": 1}, "names and weights, as {sft: 2, rm: 4, ppo: 4}; a weight is a share"
    )
    numbers: bool = measure(False, "prompts with other numbers or other signs of mathematics may be parted")
    seed: int = measure(1, "of the signatures, and of which cluster goes where", ge=0, lt=2**32)
    keep: tuple[str, ...] | None = decide(
        None, "parts that go on; documents of others leave as other_part; null: all go on"
    )

    @field_validator("parts")
    @classmethod
    def _some(cls, value: dict[str, float]) -> dict[str, float]:
        if not 1 <= len(value) <= MOST_PARTS:
            raise ValueError(f"give 1 to {MOST_PARTS} parts, not {len(value)}")
        return value

    @model_validator(mode="after")
    def _known(self) -> Config:
        for name in self.keep or ():
            if name not in self.parts:
                raise ValueError(f"keep names {name!r}, which is none of the parts {', '.join(self.parts)}")
        return self


def _compared(batch: pa.RecordBatch, config: Config) -> pa.LargeStringArray:
    return prompts(batch.select(["text", "messages"]), config)


def emit(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The keys of each document by what is compared of it, and one by its id, under which it meets itself again."""
    found = rows_of(_compared(batch, config), config, batch.select([]), fuzzy=True)
    high, low = hash128(batch["id"])
    own = hash_of_rows(np.stack([high, low, np.full(len(batch), EVERYBODY)], axis=1))
    both: pa.RecordBatch = pa.concat_batches([found, equal_rows(own, np.arange(len(batch)))])  # type: ignore[attr-defined]
    order: Any = np.argsort(both["row"].to_numpy(), kind="stable")
    return both.take(pa.array(order))


def measure_shingles(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The different shingles of what is compared, and the id."""
    found = shingles(_compared(batch, config), config.shingle, most_words=config.max_words)
    return pa.RecordBatch.from_arrays([shingle_sets(found), batch["id"]], names=["shingles", "id"])


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """The part and the cluster of each document; one like no other is a cluster by itself. `sides`: what it joins."""
    if verdicts.num_rows == 0:  # then it may have no columns either
        verdicts = pa.RecordBatch.from_pylist([], _sides.VERDICTS)
    at = verdict_of_rows(batch["row"], verdicts)
    judged = at.is_valid()
    ids: Any = batch["id"]
    alone = _sides.names_of(_sides.drawn(ids, config), config)
    arrays = [
        pc.if_else(judged, verdicts["split"].take(at), alone),
        pc.if_else(judged, verdicts["cluster"].take(at), ids),
        verdicts["sides"].take(at),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=_sides.ADDS)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Who joins two parts leaves, and who is in a part that nobody asks for."""
    bridges = np.asarray(measured["sides"].is_valid())
    if config.keep is None:
        return first_of((bridges, BRIDGES))
    kept: Any = pc.is_in(measured["split"], pa.array(config.keep, pa.string()))
    return first_of((bridges, BRIDGES), (~np.asarray(kept), OTHER))


STAGE = Group(
    name="split.parts",
    version=1,
    config=Config,
    reads=("id", "text", "messages"),
    optional=("text", "messages"),
    adds=_sides.ADDS,
    coded=("cluster", "sides"),
    reasons={
        BRIDGES: "it is near to documents of two parts, or in a chain that leads from one to another",
        OTHER: "it is in a part that `keep` does not name",
    },
    rounds=(
        Round(emit=emit, resolve=candidates.resolve, sort=("signature", "content")),
        Round(answer=links.Answer(also=_sides.RECALLED), resolve=_sides.told, sort=("member",)),
        Round(resolve=_sides.joined, sort=("kind", "cluster", "other"), whole=True),
        Round(answer=_sides.answer, resolve=_sides.resolve, sort=("head", "name")),
    ),
    measure=measure_shingles,
    apply=apply,
    applies=("id",),
    compares=("messages", "text"),
    recalls=_sides.RECALLED,
    libraries=("datapipe.text", "pyarrow"),
    decide=decide_reasons,
)
