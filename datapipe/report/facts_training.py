"""What a report says of what will be trained on: mixtures, packed sequences, conversations; and of planted cases.

Costs reading positions and counts of the documents that a mixture took, the messages of conversations, and manifests.
Memory: a slice of those.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.turns import ASSISTANT, ROLES
from datapipe.errors import InputError
from datapipe.recipe import Node
from datapipe.report.facts_stages import last_stages, share_of
from datapipe.report.findings import (
    Conversations,
    Mixture,
    MixturePart,
    MixtureSource,
    PackedSource,
    Packing,
    Planted,
    PlantedKind,
)
from datapipe.report.walk import Seen, Slice, came_to
from datapipe.run.audit import audit_result
from datapipe.run.context import Context
from datapipe.run.state import totals
from datapipe.stage import Sink

__all__ = ["MANIFEST", "conversations_of", "mixtures_of", "packing_of", "planted_of"]

STRETCHES = 50
UNITS = {"tokens": "token_count", "trained": "trained_count", "rows": None}
PLAN = "mixture.json"
MANIFEST = "manifest.json"
MESSAGE_ROWS = 1024  # conversations that are held at once
CHECKED = "messages_count"  # a column of stages that check conversations


# ---------------------------------------------------------------------------------------------- mixtures


def mixtures_of(context: Context) -> dict[str, Mixture]:
    """By stage that mixes, what it planned and what came of it."""
    found = {}
    for name, node in context.recipe.nodes.items():
        folder = context.resource(node)
        if "positions" in node.stage.adds_for(node.config).names and folder and (plan := _plan(folder)):
            found[name] = _Taken(node, plan).of(context)
    return found


def _plan(folder: str) -> dict[str, Any]:
    path = Path(folder, PLAN)
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return told


class _Taken:
    """Counts what a mixture took, by part and source, and along the order."""

    def __init__(self, node: Node, plan: dict[str, Any]) -> None:
        self._node, self._plan = node, plan
        self._units: Counter[tuple[int, str]] = Counter()
        self._along: dict[str, Any] = {}

    def of(self, context: Context) -> Mixture:
        """Count all shards."""
        for seen in came_to(context, self._node):
            for given in seen.slices():
                self._add(seen, given.rows[given.kept])
        parts = []
        for number, part in enumerate(self._plan["parts"]):
            planned = sum(told["planned"] for told in part.values())
            taken = sum(self._units[number, source] for source in part)
            sources = {
                source: MixtureSource(
                    planned=told["planned"],
                    taken=self._units[number, source],
                    planned_share=told["planned"] / planned if planned else None,
                    taken_share=share_of(self._units[number, source], taken),
                    passes=told["passes"][1],
                )
                for source, told in sorted(part.items())
            }
            parts.append(MixturePart(sources=sources))
        return Mixture(unit=self._plan["unit"], sizes=self._plan["sizes"], parts=tuple(parts), along=self._shares())

    def _add(self, seen: Seen, rows: Any) -> None:
        config: Any = self._node.config
        positions = seen.values("positions", rows)
        owner = pc.list_parent_indices(positions).to_numpy()
        flat = positions.flatten()
        part, place = flat.field("part").to_numpy(), flat.field("position").to_numpy()
        stretch = (place >> np.uint64(32)).astype(np.int64) * STRETCHES >> 32
        units = self._amounts(seen, rows)[owner]
        sources = seen.values(config.by, rows).cast(pa.string()).fill_null("").dictionary_encode()
        which = sources.indices.to_numpy()[owner]
        for number, source in enumerate(sources.dictionary.to_pylist()):
            mine = which == number
            for each in np.unique(part[mine]).tolist():
                self._units[each, source] += int(units[mine & (part == each)].sum())
            counts = self._along.setdefault(source, np.zeros(STRETCHES, np.int64))
            np.add.at(counts, stretch[mine], units[mine])

    def _amounts(self, seen: Seen, rows: Any) -> Any:
        column = UNITS[self._plan["unit"]]
        if column is None:
            return np.ones(len(rows), np.int64)
        return seen.values(column, rows).cast(pa.int64()).fill_null(0).to_numpy()

    def _shares(self) -> dict[str, tuple[float, ...]]:
        whole = sum(self._along.values(), np.zeros(STRETCHES, np.int64))
        shares = {source: counts / np.maximum(1, whole) for source, counts in sorted(self._along.items())}
        return {source: tuple(np.round(share, 4).tolist()) for source, share in shares.items()}


# ---------------------------------------------------------------------------------------------- packed sequences


def packing_of(context: Context) -> dict[str, Packing]:
    """By Sink that packs, what its manifest says; the manifest may be among output that waits for its gates."""
    found = {}
    for name, node in context.recipe.nodes.items():
        files = {file for record in context.state.of(name).values() for file in record.files}
        path = next((file for file in sorted(files) if file.rpartition("/")[2] == MANIFEST), None)
        if isinstance(node.stage, Sink) and path is not None and context.store.exists(path):
            told = json.loads(context.store.read(path))
            if {"length", "sequences", "sources"} <= told.keys():
                found[name] = _packing(told)
    return found


def _packing(told: dict[str, Any]) -> Packing:
    names = ("length", "sequences", "tokens", "trained", "cut", "padding", "pieces")
    places = told["sequences"] * told["length"]
    return Packing(
        **{name: told[name] for name in names},
        fill=share_of(told["tokens"], places),
        files=len(told["files"]),
        sources={source: PackedSource(**counts) for source, counts in told["sources"].items()},
    )


# ---------------------------------------------------------------------------------------------- conversations


def conversations_of(context: Context) -> Conversations | None:
    """The conversations that the last stages hold; None where no stage has any."""
    last = [node for node in last_stages(context) if "messages" in context.recipe.available(node.name)]
    talks = _Talks()
    for node in last:
        for seen in came_to(context, node):
            if "messages" in seen.path.owners_after:
                for given in seen.slices():
                    talks.add(seen, given)
    checking = [node for node in context.recipe.nodes.values() if CHECKED in node.stage.adds_for(node.config).names]
    if not talks.documents and not checking:
        return None
    return Conversations(
        documents=talks.documents,
        turns={_turns(power): number for power, number in sorted(talks.turns.items())},
        roles=dict(talks.roles.most_common()),
        trained=sum(talks.trained.values()),
        trained_by_role=dict(talks.trained.most_common()),
        with_reasoning=talks.reasoned,
        with_tools=talks.calling,
        dropped={node.name: totals([s.record for s in came_to(context, node)])["dropped"] for node in checking},
        checks={node.name: _checks(context, node) for node in checking},
    )


class _Talks:
    """Counts turns and roles."""

    def __init__(self) -> None:
        self.documents = self.reasoned = self.calling = 0
        self.turns: Counter[int] = Counter()
        self.roles: Counter[str] = Counter()
        self.trained: Counter[str] = Counter()

    def add(self, seen: Seen, given: Slice) -> None:
        """Count the kept rows of a slice, a few at a time."""
        kept = given.rows[given.kept]
        for start in range(0, len(kept), MESSAGE_ROWS):
            rows = kept[start : start + MESSAGE_ROWS]
            try:
                talks = seen.values("messages", rows).drop_null()
            except InputError:  # they are not stored: then a stage that checks them may have counted them
                self._add_counts(seen, rows)
                continue
            lengths = pc.list_value_length(talks).to_numpy()
            self.documents += len(lengths)
            self.turns.update((max(0, int(length) - 1)).bit_length() for length in lengths[lengths > 0])
            flat = talks.flatten()
            roles, train = flat.field("role"), flat.field("train")
            carries = pc.coalesce(train, pc.equal(roles, pa.scalar(ROLES[ASSISTANT])))
            _count(self.roles, roles)
            _count(self.trained, roles.filter(carries))
            self.reasoned += int(
                pc.sum(pc.not_equal(flat.field("reasoning"), pa.scalar("", pa.large_string()))).as_py() or 0
            )
            calls = pc.fill_null(pc.list_value_length(flat.field("tool_calls")), 0).to_numpy()
            self.calling += len(np.unique(pc.list_parent_indices(talks).to_numpy()[calls > 0]))

    def _add_counts(self, seen: Seen, rows: Any) -> None:
        column = next((name for name in seen.path.owners_after if name.endswith(f".{CHECKED}")), None)
        if column is not None:
            lengths = seen.values(column, rows).fill_null(0).to_numpy()
            self.documents += int((lengths > 0).sum())
            self.turns.update((max(0, int(length) - 1)).bit_length() for length in lengths[lengths > 0])


def _count(counter: Counter[str], values: Any) -> None:
    for entry in pc.value_counts(values).to_pylist():
        counter[entry["values"] or "none"] += entry["counts"]


def _turns(power: int) -> str:
    least, most = (1 << power - 1) + 1 if power else 1, 1 << power
    return str(most) if least >= most else f"{least}-{most}"


def _checks(context: Context, node: Node) -> dict[str, int]:
    names = [field.name for field in node.stage.adds_for(node.config) if pa.types.is_int32(field.type)]
    found = dict.fromkeys(names, 0)
    for seen in came_to(context, node):
        for given in seen.slices():
            for name in names:
                values = seen.values(f"{node.name}.{name}", given.rows).fill_null(0)
                found[name] += int(np.count_nonzero(values.to_numpy()))
    return {name: number for name, number in found.items() if number}


# ---------------------------------------------------------------------------------------------- planted cases


def planted_of(context: Context) -> dict[str, Planted]:
    """By stage that was audited, as `audit.json` has it."""
    found = {}
    for name, told in audit_result(context.store).items():
        kinds = {kind: PlantedKind(**numbers) for kind, numbers in told["kinds"].items()}
        found[name] = Planted(**{**told, "kinds": kinds})
    return found
