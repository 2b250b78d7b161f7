"""Thresholds at the same percentile: as many documents of a language leave as of English ones by the paper's number.

The measures are the stages' own. A stage takes part if its options are declared by `datapipe.text.thresholds` and it
asks for no more than text and language; of a language that it cannot measure, it says nothing.
Costs what the stages cost. Memory: 8 bytes for each document and option.
Source: FineWeb2 (Penedo et al. 2025) chose the thresholds of its languages by percentiles of reference texts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datapipe.errors import DatapipeError
from datapipe.registry import Registry
from datapipe.stage import Map
from datapipe.text.thresholds import fitted_options, otherwise

__all__ = ["Fitted", "Shares", "beyond", "fit", "fitting_stages", "measure"]

FEWEST_BEYOND = 5  # documents on the far side of a percentile, without which it is a matter of luck
DECIMALS = 3
GIVEN = {"text", "language"}

Shares: TypeAlias = Mapping[str, Mapping[str, float]]  # by stage and option
Values: TypeAlias = dict[str, dict[str, npt.NDArray[np.float64]]]  # by stage and option, sorted


@dataclass(frozen=True)
class Fitted:
    """One threshold: the number for English and what it drops there, the number for the language and what that drops.

    `sure`: whether there were enough documents to meet the percentile; if not, it was only loosened where good
    documents would have left.
    """

    stage: str
    option: str
    english: float
    english_share: float
    threshold: float
    share: float
    sure: bool


def fitting_stages(registry: Registry) -> list[Map]:
    """Stages whose thresholds may be fitted, by name; one that cannot be imported here takes no part."""
    found = []
    for name in registry.names():
        try:
            stage = registry.load(name)
        except DatapipeError:
            continue
        if isinstance(stage, Map) and fitted_options(stage.config) and stage.prepare is None:
            found.append(stage)
    return [stage for stage in found if set(stage.reads_for(stage.config())) <= GIVEN]


def measure(documents: Iterable[pa.Array[Any]], stages: Iterable[Map], code: str, folder: str | None) -> Values:
    """What each option of each stage is held against, of all documents; nulls are left out."""
    used = tuple(stages)
    parts: dict[tuple[str, str], list[npt.NDArray[np.float64]]] = {}
    for texts in documents:
        language: Any = pa.repeat(pa.scalar(code), len(texts))
        batch = pa.RecordBatch.from_arrays([texts, language], names=["text", "language"])
        for stage in used:
            config = stage.config.model_validate(
                {"languages": folder} if "languages" in stage.config.model_fields else {}
            )
            measured = stage.process(batch.select(list(stage.reads_for(config))), config, None)
            for option in _options(stage):
                values: Any = measured[_column(option)].drop_null()
                parts.setdefault((stage.name, option), []).append(
                    values.to_numpy(zero_copy_only=False).astype(np.float64)
                )
    found: Values = {}
    for (name, option), arrays in parts.items():
        found.setdefault(name, {})[option] = np.sort(np.concatenate(arrays))
    return found


def beyond(values: Values, stages: Iterable[Map]) -> dict[str, dict[str, float]]:
    """The share of documents that each option drops by the number declared for English."""
    return {
        stage.name: {
            option: _share(measured, option, _english(stage, option))
            for option, measured in values.get(stage.name, {}).items()
            if len(measured)
        }
        for stage in stages
    }


def fit(values: Values, stages: Iterable[Map], english: Shares, documents: int) -> list[Fitted]:
    """The threshold of each option that was measured, of stages whose shares among so many English documents are known.

    An option that drops none of those need not be in the shares.
    """
    found = []
    for stage in stages:
        for option, measured in values.get(stage.name, {}).items():
            if stage.name not in english or not len(measured):
                continue
            share = english[stage.name].get(option, 0.0)
            usual = _english(stage, option)
            sure = share * min(documents, len(measured)) >= FEWEST_BEYOND
            threshold = _at(measured, option, max(share, 1 / documents))  # no share is known to less than one document
            if not sure:
                threshold = max(threshold, usual) if _is_max(option) else min(threshold, usual)
            found.append(Fitted(stage.name, option, usual, share, threshold, _share(measured, option, threshold), sure))
    return found


def _options(stage: Map) -> list[str]:
    """Options that bound a column which the stage adds, and that are not off by default."""
    columns = set(stage.adds_for(stage.config()).names)
    usual = {option: otherwise(stage.config, option) for option in fitted_options(stage.config)}
    return [option for option, number in usual.items() if number is not None and _column(option) in columns]


def _english(stage: Map, option: str) -> float:
    number = otherwise(stage.config, option)
    assert number is not None
    return float(number)


def _column(option: str) -> str:
    return option.removeprefix("min_").removeprefix("max_")


def _is_max(option: str) -> bool:
    return option.startswith("max_")


def _share(values: npt.NDArray[np.float64], option: str, threshold: float) -> float:
    """Share of sorted values beyond a threshold, which is inclusive."""
    if _is_max(option):
        return (len(values) - int(np.searchsorted(values, threshold, side="right"))) / len(values)
    return int(np.searchsorted(values, threshold, side="left")) / len(values)


def _at(values: npt.NDArray[np.float64], option: str, share: float) -> float:
    """The tightest threshold that drops no more than a share of sorted values; rounded to the loose side."""
    allowed = min(math.floor(share * len(values) + 1e-9), len(values) - 1)
    exact = float(values[len(values) - 1 - allowed] if _is_max(option) else values[allowed])
    rounded = round(exact, DECIMALS)
    if _is_max(option) and rounded < exact:
        rounded = round(rounded + 10**-DECIMALS, DECIMALS)
    elif not _is_max(option) and rounded > exact:
        rounded = round(rounded - 10**-DECIMALS, DECIMALS)
    return rounded
