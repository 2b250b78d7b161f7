"""Personal data of every kind that is looked for, in sentences in the documents' language: what an audit plants.

Each case holds one invented value (datapipe.algo.pii.invented), in a sentence between two of a real document. It is
found where no third of the value is left: masked, or gone with its document. Kinds are entity and language.
Costs some microseconds a case.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.algo.hosting import CHANGES, Case, cases_of, hosts_of, is_chinese
from datapipe.algo.pii.invented import SENTENCES, VALUES
from datapipe.stage import Mask, Planting
from datapipe.text import pieces

__all__ = ["PLANTING"]

LEAST, MOST = 6, 16  # characters of a value that must not be left


def plant(batch: pa.RecordBatch, config: Any, _resource: Path | None, seeds: Any) -> pa.RecordBatch:
    """A case for each document whose text is masked."""
    masked = set(config.columns)
    entities = [
        entity for entity in VALUES if entity in config.entities and config.actions.get(entity, "placeholder") != "keep"
    ]
    alone = pa.RecordBatch.from_arrays(
        [batch[name] if name in masked else pa.nulls(len(batch), batch[name].type) for name in CHANGES],
        names=list(CHANGES),
    )
    made = cases_of(alone, _cases(alone, entities, seeds) if entities else ())
    for name in set(CHANGES) - masked:  # the document's own
        at = made.schema.get_field_index(name)
        made = made.set_column(at, made.schema.field(at), batch[name].take(made["parent_row"]).cast(made[name].type))
    return made


def _cases(batch: pa.RecordBatch, entities: list[str], seeds: Any) -> Iterator[Case]:
    for host in hosts_of(batch, seeds):
        language = "zh" if is_chinese(host.text) else "en"
        entity = host.chance.pick(entities)
        value = VALUES[entity](host.chance)
        sentence = host.chance.pick(SENTENCES[language][entity]).format(value)
        yield Case(host, f"{entity.lower()}_{language}", value, host.around(sentence))


def found(cases: pa.RecordBatch, _config: Any) -> Mask:
    """Where nothing of a masked document holds the value, or the document has left."""
    left: Mask = cases["reason"].is_valid().to_numpy(zero_copy_only=False)
    stands = np.zeros(len(cases), np.bool_)
    names = [name for name in CHANGES if name in cases.schema.names]
    said = pieces(pa.RecordBatch.from_arrays([cases[name] for name in names], names=names))
    hidden = [_parts(value) for value in cases["hidden"].to_pylist() if value]
    for row, text in zip(said.document.tolist(), said.texts.to_pylist(), strict=True):
        stands[row] |= any(part in (text or "") for part in hidden[row])
    return left | ~stands


def _parts(value: str) -> tuple[str, ...]:
    """What must not be left of a value: any third of it, or 16 characters; of a short one, LEAST characters."""
    size = min(MOST, max(LEAST, len(value) // 3))
    return tuple(value[at : at + size] for at in range(len(value) - size + 1)) or (value,)


PLANTING = Planting(version=1, plant=plant, reads=CHANGES, changes=CHANGES, found=found)
