"""A source task that is done again, because its worker died, goes on behind the last shard that is whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import pytest

from datapipe.corpus.store import Store
from datapipe.engine.local import LocalEngine
from datapipe.engine.source import run_source
from tests.run.workbench import Done, Workbench, differences, shards_by_file, stages

T = TypeVar("T")
SMALL = stages(docs={"shard_bytes": 80})


class Died(BaseException):
    """What ends a worker, as far as its task can tell."""


class DiesOnce(LocalEngine):
    """The reference engine, but each task that reads ends before its first result, and is done again."""

    workers = 1

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stage: str, shard: int) -> None:
        self._patch, self._record = monkeypatch, re.compile(rf"{stage}/[0-9a-f]{{16}}-{shard:04}\.json")
        self.deaths = 0

    def map(self, function: Callable[[Any], T], tasks: Iterable[Any]) -> Iterator[T]:
        for task in tasks:
            if function is run_source:
                self._die(task)
            yield function(task)

    def _die(self, task: Any) -> None:
        write = Store.write

        def dying(store: Store, name: str, data: bytes) -> None:
            if self._record.fullmatch(name):
                raise Died
            write(store, name, data)

        with self._patch.context() as patch:
            patch.setattr(Store, "write", dying)
            with pytest.raises(Died):
                run_source(task)
        self.deaths += 1

    def close(self) -> None:
        """Nothing to end."""


@pytest.mark.parametrize(("stage", "shard"), [("docs", 0), ("count", 2), ("unique/exchange", 2)])
def test_shards_finished_before_a_death_are_not_measured_again(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, stage: str, shard: int
) -> None:
    whole = bench.run("whole", SMALL)
    engine = DiesOnce(monkeypatch, stage, shard)
    done = bench.run("run", SMALL, engine=engine)
    assert engine.deaths == 4
    assert differences(whole.folder, done.folder) == []
    again = [text for file in range(4) for text in _texts_of_shard(bench, done, file, shard)]
    assert sorted(done.measured["count"]) == sorted([*whole.measured["count"], *again])


def _texts_of_shard(bench: Workbench, done: Done, file: int, shard: int) -> list[str]:
    """Good texts of a file's shard; those of the one in hand at the death are measured twice."""
    name = f"f{file}.txt"
    starts = [0]
    for key in sorted(shards_by_file(done)[name]):
        starts.append(starts[-1] + done.records("docs")[key].incoming.documents)
    lines = (bench.input / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines[starts[shard] : starts[shard + 1]] if "DAMAGED" not in line]
