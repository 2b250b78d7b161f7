"""Keep documents of which a typed expression holds, such as `metadata.karma >= 3`.

Any column can be asked, and any field of the JSON objects in `metadata`, where sources keep what has no column of its
own: votes, scores, forums, licences. WebText kept pages that a forum's readers had given at least 3 karma. The language
is that of `where:` (see `datapipe.algo.where`): a missing value or field equals nothing, so `metadata.karma >= 3` drops
documents without karma, and `metadata.karma >= 3 or metadata.karma == None` keeps them.
`where:` lets the other documents pass; this filter drops them, with a reason.
Costs a few Arrow kernels a batch; with fields of `metadata` also a microsecond a document of 110 bytes, to parse it.
Source: Radford et al. 2019 (GPT-2), section 2.1.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator

from datapipe.algo.where import Where, WhereError, columns_in, parse_where
from datapipe.errors import StageError
from datapipe.schema import COLUMNS
from datapipe.stage import Map, StageConfig, first_of, measure, schema

NOT_KEPT = "metadata_not_kept"


def _checked(text: str) -> str:
    """The expression; columns of other stages have no type yet, and are checked with the first batch."""
    try:
        parse_where(text, {name: COLUMNS.get(name, pa.null()) for name in columns_in(text)})
    except WhereError as error:
        raise ValueError("; ".join(", ".join(filter(None, problem)) for problem in error.problems)) from None
    return text


class Config(StageConfig):
    """What must hold."""

    keep: Annotated[str, AfterValidator(_checked)] = measure(
        description="expression over columns and fields of metadata, such as metadata.karma >= 3 and kind != 'chat'; "
        "documents of which it does not hold leave as metadata_not_kept"
    )


@lru_cache(maxsize=16)
def _parsed(text: str, names: tuple[str, ...], types: tuple[pa.DataType, ...]) -> Where:
    try:
        return parse_where(text, dict(zip(names, types, strict=True)))
    except WhereError as error:
        message, remedy = error.problems[0]
        raise StageError(f"filter.metadata: {message}", remedy=remedy) from None


def reads(config: Config) -> tuple[str, ...]:
    """The columns that the expression names."""
    return columns_in(config.keep)


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Whether the expression holds of each document (bool). Raises StageError where it does not fit the columns."""
    where = _parsed(config.keep, tuple(batch.schema.names), tuple(batch.schema.types))
    return pa.RecordBatch.from_arrays([pa.array(where.mask(batch))], names=["holds"])


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Which documents it does not hold of."""
    holds: Any = measured["holds"]
    return first_of((~pc.fill_null(holds, True).to_numpy(zero_copy_only=False), NOT_KEPT))


STAGE = Map(
    name="filter.metadata",
    version=1,
    config=Config,
    reads=reads,
    adds=schema(holds=pa.bool_()),
    reasons={NOT_KEPT: "the expression in keep does not hold of it"},
    process=process,
    decide=decide_reasons,
)
