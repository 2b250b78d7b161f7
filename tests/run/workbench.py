"""A small input, a recipe of toy stages, and what a test needs to run it and to look at what came out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from datapipe.corpus.record import Record, read_records
from datapipe.corpus.store import Store
from datapipe.engine.columns import Columns
from datapipe.engine.local import Engine, LocalEngine
from datapipe.engine.reasons import kept_rows
from datapipe.engine.task import Limits
from datapipe.recipe import Recipe, load_recipe
from datapipe.registry import Registry
from datapipe.run.context import Context
from datapipe.run.driver import open_run, run_recipe
from datapipe.run.paths import Path as RunPath
from datapipe.run.paths import added

TOYS = Path(__file__).parent / "toy_stages"
LINES = 20
PLACES = ("paths", "journal", "pause", "allow_missing")  # config that says where things are, not what comes out
COPIES = ("copied into many files", "another copied text of six words")


def text_of(file: int, line: int) -> str:
    """A text whose first word says where it stands, of one to six words; a few are copies or damaged."""
    if line == 7 + file % 2:
        return f"DAMAGED in file {file}"
    if line in {3, 11} and file % 2:
        return COPIES[line == 11]
    words = 1 + (file * 5 + line * 3) % 6
    return " ".join([f"f{file}n{line}", *["wörd", "字节", "third", "Straße", "six"][: words - 1]])


def stages(**changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The toy stages: a source, a filter, a change of text, a group, a filter on the changed text."""
    made: dict[str, dict[str, Any]] = {
        "docs": {"use": "toy.lines", "source": "lines"},
        "count": {"use": "toy.count", "min_words": 3},
        "upper": {"use": "toy.upper"},
        "unique": {"use": "toy.unique"},
        "again": {"use": "toy.count", "min_words": 4},
    }
    for name, change in changes.items():
        made[name] |= change
    return made


@dataclass
class Told:
    """What a run told while it worked."""

    notes: list[str] = field(default_factory=list)
    tasks: int = 0

    def begin(self, stages: tuple[str, ...], tasks: int) -> None:
        self.tasks += tasks

    def advance(self, records: list[Record]) -> None:
        pass

    def end(self, stages: tuple[str, ...]) -> None:
        pass

    def note(self, line: str) -> None:
        self.notes.append(line)


@dataclass
class Done:
    """One run that ended well."""

    context: Context
    told: Told
    folder: Path
    read: list[str]  # a line `file start` for each batch that the source gave
    measured: dict[str, list[str]]  # per counting stage the texts that it measured

    def records(self, stage: str) -> dict[str, Record]:
        return read_records(Store(str(self.folder)), stage)

    def dropped(self, stage: str) -> dict[str, int]:
        found: Counter[str] = Counter()
        for record in self.records(stage).values():
            found.update({reason: tally.documents for reason, tally in record.dropped.items()})
        return dict(found)

    def kept(self, stage: str) -> int:
        return sum(record.kept.documents for record in self.records(stage).values())

    def processed(self, stage: str) -> int:
        return sum(record.work.processed for record in self.records(stage).values())


class Workbench:
    """A folder with an input `in`, and any number of runs of the recipe over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.input = folder / "in"
        self._runs = 0

    def fill(self, *, files: int, lines: int = LINES) -> Workbench:
        for file in range(files):
            self.write(f"f{file}.txt", [text_of(file, line) for line in range(lines)])
        return self

    def write(self, name: str, lines: Sequence[str]) -> Path:
        self.input.mkdir(exist_ok=True)
        path = self.input / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def recipe_file(
        self, run: str, made: dict[str, dict[str, Any]] | None = None, reuse: Sequence[str] = (), *, journal: str = ""
    ) -> Path:
        """Write the recipe; counting stages and the source keep journals where `journal` begins their names."""
        whole = {name: dict(config) for name, config in (made or stages()).items()}
        for name, config in whole.items():
            if config["use"] == "toy.lines":
                config.setdefault("paths", [str(self.input / "*.txt")])
            if journal and config["use"] in {"toy.lines", "toy.count", "toy.guarded"}:
                config["journal"] = f"{journal}{name}"
        path = self.folder / f"{Path(run).name}.yaml"
        head = {"run": str(self.folder / run), "reuse": [str(self.folder / other) for other in reuse]}
        text = yaml.safe_dump({**head, "stages": whole}, sort_keys=False, allow_unicode=True)
        path.write_text(text, encoding="utf-8")
        return path

    def recipe(
        self, run: str = "run", made: dict[str, dict[str, Any]] | None = None, reuse: Sequence[str] = ()
    ) -> Recipe:
        return load_recipe(self.recipe_file(run, made, reuse), Registry(TOYS))

    def run(
        self,
        run: str = "run",
        made: dict[str, dict[str, Any]] | None = None,
        *,
        reuse: Sequence[str] = (),
        engine: Engine | None = None,
        only: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> Done:
        self._runs += 1
        journal = self.folder / f"journal-{self._runs}"
        journal.mkdir()
        file = self.recipe_file(run, made, reuse, journal=f"{journal}/")
        return run_file(file, engine or LocalEngine(), journal, only=only, limits=limits)


def run_file(
    file: Path, engine: Engine, journal: Path, *, only: Sequence[str] = (), limits: Limits | None = None
) -> Done:
    """Run a recipe file that keeps its journals in a folder."""
    recipe = load_recipe(file, Registry(TOYS))
    told = Told()
    context = run_recipe(open_run(recipe, engine, told, stages_dir=str(TOYS), limits=limits), only)
    lines = {path.name: path.read_text(encoding="utf-8").splitlines() for path in journal.iterdir()}
    sources = {name for name, node in recipe.nodes.items() if node.stage.kind == "Source"}
    read = [line for name in sorted(sources) for line in lines.get(name, [])]
    return Done(context, told, Path(recipe.run), read, {n: t for n, t in lines.items() if n not in sources})


# ---------------------------------------------------------------------------------------------- what came out


def contents(run: Path) -> dict[str, Any]:
    """Every file of a run by relative name: its bytes, or what it says apart from work and places."""
    found: dict[str, Any] = {}
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run).as_posix()
        if path.is_file() and not name.startswith("logs/") and path.name != "lease.json":
            found[name] = _content(path, name)
    return found


def _content(path: Path, name: str) -> Any:
    if path.name == "records.parquet":
        return [_record(json.loads(str(text))) for text in pq.read_table(path)["record"].to_pylist()]
    if path.name == "stage.json":
        about = json.loads(path.read_text())
        return {**about, "config": _without_places(about["config"])}
    if name == "recipe.yaml":
        head = yaml.safe_load(path.read_text(encoding="utf-8"))
        chain = {stage: _without_places(config) for stage, config in head["stages"].items()}
        return list(chain), {**head, "run": None, "reuse": None, "stages": chain}
    if path.suffix == ".json" and "/exchange/round-" not in name:
        return _record(json.loads(path.read_text()))
    return path.read_bytes()


def _record(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "work"}


def _without_places(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in PLACES}


def differences(one: Path, other: Path, *, only: Sequence[str] = ()) -> list[str]:
    """Names of the files that differ between two runs, or that one of them lacks; below `only` if given."""
    first, second = contents(one), contents(other)
    names = sorted(first.keys() | second.keys())
    assert names, "there is nothing to compare"
    return [n for n in names if first.get(n) != second.get(n) and (not only or n.split("/")[0] in only)]


def assert_like(changed: Done, fresh: Done) -> None:
    """The bytes of a fresh run, but for measures that `again` keeps of documents that no longer come in.

    They do when new documents bring an older copy's survivor: the copy leaves, its measure stays for a change of mind.
    """
    assert [name for name in differences(fresh.folder, changed.folder) if not name.startswith("again/")] == []
    assert corpus(changed, "again") == corpus(fresh, "again")


def corpus(done: Done, stage: str, *, dropped: bool = False) -> dict[str, dict[str, Any]]:
    """The documents kept after a stage by id, with every column there is: the corpus as a reader meets it.

    `dropped`: with those that this stage, or one above, lets go.
    """
    context = done.context
    found: dict[str, dict[str, Any]] = {}
    for path, shard in context.incoming(context.recipe.nodes[stage]):
        owners = _owners(path)
        rows = kept_rows(context.store, context.record(path, shard).reasons)
        if dropped:
            rows = np.arange(shard.record.layer[0].rows, dtype=np.uint32)
        columns = Columns(context.store, path.root.name, context.base(path, shard))
        batch = columns.batch(tuple(owners), rows, owners)
        found |= {row["id"]: row for row in batch.to_pylist()}
    return found


def _owners(path: RunPath) -> dict[str, tuple[str, ...]]:
    owners = dict(path.owners)
    for column in added(path.last):
        owners[column] = (path.last.name, *owners.get(column, ()))
    return owners


def shards_by_file(done: Done, source: str = "docs") -> dict[str, list[str]]:
    """Names of the shards of each input file."""
    found: dict[str, list[str]] = {}
    for shard, record in done.records(source).items():
        assert record.split is not None
        found.setdefault(record.split.name, []).append(shard)
    return found


def table(path: Path) -> pa.Table:
    """A Parquet file, whole."""
    with path.open("rb") as file:
        return pq.read_table(file)
