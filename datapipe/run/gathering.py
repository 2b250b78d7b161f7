"""Runs a sink that gathers: rows of all shards by key, one file for each range of keys, small files beside them.

What such a sink writes depends on all documents, so it stands as a whole or is written anew; what was done of it
before an interruption is not done again. Its files stand in the record of its first shard. Memory of the driver: the
records and bucket offsets of the shards.
"""

from __future__ import annotations

import re
from pathlib import Path as Folder
from typing import Any

import xxhash

from datapipe.corpus.exchange import BUCKETS
from datapipe.corpus.fingerprint import fingerprint
from datapipe.corpus.record import Part, is_record, write_record
from datapipe.engine.gathering import Filed, gathered_values, run_file, run_gather
from datapipe.engine.resolve import Resolved, finished, run_resolve
from datapipe.engine.sink import stands
from datapipe.engine.task import FileTask, Input, Keys, ResolveTask
from datapipe.recipe import Node
from datapipe.run.context import Context
from datapipe.run.merging import in_few_files
from datapipe.run.releasing import folders_of, home_of
from datapipe.run.tasks import exchange
from datapipe.run.writing import sink_task, sink_values

__all__ = ["gather_out"]

GATHERED_FILE = re.compile(r"data-\d{5}-of-\d{5}\.")


def gather_out(context: Context, node: Node) -> None:
    """Write what a sink gathers of the documents that come in, unless it stands."""
    if not _stands(context, node):
        _Files(context, node).write()


def _stands(context: Context, node: Node) -> bool:
    records = context.state.of(node.name)
    for path, shard in context.incoming(node):
        old, before = records.get(shard.name), context.record(path.before(), shard)
        if old is None or old.values != sink_values(context, path) or old.rows_in != before.rows_kept:
            return False
        if old.base != before.base or not stands(context.store, old):
            return False
    return len(records) == len(context.incoming(node))


class _Files:
    """All files of one sink."""

    def __init__(self, context: Context, node: Node) -> None:
        self._context, self._node, self._store = context, node, context.store
        self._stage: Any = node.stage
        self._incoming = context.incoming(node)
        self._home = home_of(context.recipe, node)
        self._of = fingerprint({shard.name: sink_values(context, path) for path, shard in self._incoming})

    def write(self) -> None:
        """Gather, write, and note each shard as done."""
        for record in self._context.state.of(self._node.name).values():  # nobody is to see old and new files mixed
            for name in record.files:
                if not GATHERED_FILE.match(name.rpartition("/")[2]):
                    self._store.remove(name)
        inputs, weight = self._gathered()
        count = max(1, self._stage.gather.files(weight, self._node.config))
        filed = self._filed(inputs, min(count, BUCKETS))
        parts = [part for each in filed for part in each.parts]
        parts += self._finished({each.parts[0].path.rpartition("/")[2]: each.facts for each in filed})
        self._sweep({part.path for part in parts})
        self._note(tuple(parts))
        self._context.state.drop(exchange(self._node))

    def _gathered(self) -> tuple[tuple[Keys, ...], int]:
        """The shards' rows by key, and what they weigh together."""
        context, folder = self._context, exchange(self._node)
        tasks = []
        for path, shard in self._incoming:
            values = gathered_values(sink_values(context, path))
            before = context.record(path.before(), shard)
            old = context.state.of(folder).get(shard.name)
            if old is None or (old.values, old.rows_in, old.base) != (values, before.rows_kept, before.base):
                tasks.append(sink_task(context, path, shard, values=values, old=old))
        context.carry_out((self._node.name,), run_gather, tasks, count=len(tasks))
        records = [context.state.of(folder)[shard.name] for _, shard in self._incoming]
        found = tuple(
            Keys(record.layer[0], tuple(record.buckets or ()), number)
            for number, record in enumerate(records)
            if record.layer
        )
        return in_few_files(found, self._merge), sum(record.weight for record in records)

    def _merge(self, names: list[str], blocks: list[tuple[Input, ...]]) -> list[Resolved]:
        def task(at: int) -> ResolveTask:
            key = fingerprint({"of": self._of, "name": names[at]})
            call = self._context.paths.call(self._node)
            return ResolveTask(
                self._store.url,
                call,
                round=0,
                name=names[at],
                inputs=(blocks[at],),
                fingerprint=key,
                shards=len(self._incoming),
                by_document=False,
                merges=True,
            )

        tasks = [task(at) for at in range(len(names))]
        folder = f"{exchange(self._node)}/round-0"
        old = {each.name: finished(self._store, folder, each.name, each.fingerprint) for each in tasks}
        lacking = [each for each in tasks if old[each.name] is None]
        made = {result.fingerprint: result for result in self._context.engine.map(run_resolve, lacking)}
        return [old[each.name] or made[each.fingerprint] for each in tasks]

    def _filed(self, inputs: tuple[Keys, ...], count: int) -> list[Filed]:
        """The files, each of an equal share of the buckets."""
        cuts = [BUCKETS * at // count for at in range(count + 1)]
        tasks = []
        for at in range(count):
            mine = (keys.slice(cuts[at], cuts[at + 1]) for keys in inputs)
            rows = tuple(each for each in mine if each.rows.first < each.rows.last)
            name = f"data-{at:05d}-of-{count:05d}"
            key = fingerprint({"of": self._of, "name": name, "home": self._home})
            call = self._context.paths.call(self._node)
            tasks.append(FileTask(self._store.url, call, self._home, name, rows, key))
        self._context.progress.note(f"writing {count} files of {self._node.name}")
        made = {filed.parts[0].path: filed for filed in self._context.engine.map(run_file, tasks)}
        return [made[path] for path in sorted(made)]

    def _finished(self, facts: dict[str, dict[str, Any]]) -> list[Part]:
        """The small files beside."""
        nodes = self._context.recipe.nodes.values()
        found = {node.name: self._context.resource(node) for node in nodes if node.stage.prepare is not None}
        above = {node.name for path, _ in self._incoming for node in path.nodes}
        resources = {name: Folder(folder) for name, folder in found.items() if folder and name in above}
        parts = []
        for name, content in self._stage.gather.finish(facts, resources, self._node.config):
            path = f"{self._home}/{name}"
            self._store.write(path, content)
            digest = xxhash.xxh3_128_hexdigest(content)
            parts.append(Part(path=path, rows=0, bytes=len(content), digests={"file": [digest]}))
        return parts

    def _sweep(self, named: set[str]) -> None:
        """Remove files of an earlier cut."""
        for folder in folders_of(self._store, self._node.name):
            for name in self._store.names(folder):
                if GATHERED_FILE.match(name) and not is_record(name) and f"{folder}/{name}" not in named:
                    self._store.remove(f"{folder}/{name}")

    def _note(self, parts: tuple[Part, ...]) -> None:
        """A record for each shard; the files stand in the first."""
        records = []
        for number, (path, shard) in enumerate(self._incoming):
            gathered = self._context.state.of(exchange(self._node))[shard.name]
            changes = {
                "stage": self._node.name,
                "values": sink_values(self._context, path),
                "layer": () if number else parts,
                "buckets": None,
                "weight": 0,
            }
            records.append(gathered.model_copy(update=changes))
            write_record(self._store, records[-1])
        for record in records:
            self._context.state.put(record)
