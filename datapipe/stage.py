"""The contract between the framework and a stage.

A stage is a frozen record: a name, a version, a config model, the columns it reads and adds, its
reasons, and pure functions. It never counts, logs, opens output files, or knows of engines, runs or
other stages; the framework cuts batches, runs the functions anywhere, writes layers and keeps the books.
There are five kinds with one verb each: Source reads, Map measures and decides, Expand makes new rows,
Group compares documents, Sink writes.

Batches are `pyarrow.RecordBatch` of at most 1,024 rows and 8 MiB (a bigger document is its own batch).
`process` must give the same answer however rows are cut into batches.
Costs nothing at import: declarations alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, TypeAlias

import pyarrow as pa

from datapipe.abilities import Likeness, Planting
from datapipe.config import IndexedConfig, SinkConfig, SourceConfig, StageConfig, decide, measure, place
from datapipe.parts import Cover, File, Split
from datapipe.rules import Mask, Threshold, above, at_least, below, columns, first_of, schema
from datapipe.schema import CONTENT
from datapipe.units import Share, Size

__all__ = [
    "MAX_BATCH_BYTES",
    "MAX_BATCH_ROWS",
    "SUMMARY",
    "TEXT",
    "USAGE",
    "Above",
    "Cover",
    "Deciding",
    "Expand",
    "File",
    "Gather",
    "Group",
    "IndexedConfig",
    "Likeness",
    "Map",
    "Mask",
    "Passed",
    "Planting",
    "Prepare",
    "Round",
    "Scratch",
    "Share",
    "Sink",
    "SinkConfig",
    "Size",
    "Source",
    "SourceConfig",
    "Split",
    "Stage",
    "StageConfig",
    "Threshold",
    "Written",
    "above",
    "at_least",
    "below",
    "columns",
    "decide",
    "first_of",
    "measure",
    "place",
    "schema",
]

MAX_BATCH_ROWS = 1024
MAX_BATCH_BYTES = 8 << 20  # bigger buffers are handed back to the kernel after each batch, and cleared for the next
TEXT = ("text",)
SUMMARY = "summary.txt"
USAGE = "README.md"  # how trainers read what a Sink wrote


# ---------------------------------------------------------------------------------------------- the five kinds

Reads: TypeAlias = tuple[str, ...] | Callable[[Any], tuple[str, ...]]
Adds: TypeAlias = pa.Schema | Callable[[Any], pa.Schema]
Libraries: TypeAlias = tuple[str, ...] | Callable[[Any], tuple[str, ...]]
Languages: TypeAlias = Callable[[Any], tuple[str, ...]]
Decide: TypeAlias = Callable[[pa.RecordBatch, Any], pa.StringArray]


@dataclass(frozen=True, kw_only=True)
class Prepare:
    """How a resource is made once before a stage runs; its digest enters every task's key.

    Either `build(config, folder)` alone, or `sketch(batch, config)` → table over the documents,
    `merge(tables)` → table, and `build(table, config, folder)`. `reads` are the columns for `sketch`. What
    `build` writes to a file `summary.txt` (SUMMARY) in the folder, a few lines without texts, is told to the user.
    """

    build: Callable[..., None]
    sketch: Callable[[pa.RecordBatch, Any], pa.Table] | None = None
    merge: Callable[[Sequence[pa.Table]], pa.Table] | None = None
    reads: Reads = ()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What all kinds share.

    `reads` and `adds` may depend on the config. `adds` holds short names; see `datapipe.schema.qualified`.
    `reasons` maps each reason to what it says of the document. A bool column `judged` in `adds` says
    whether the rule knew what to do with a document; its false rows are counted as `not_judged`.
    `libraries` are distributions whose versions shape the output, `datapipe.text` for its Unicode tables, and
    `name=version` for data files that the stage reads (their digest is their version).
    `optional` names those of its `reads` that no stage above need give: where none does they come as nulls.
    `languages(config)` lists the codes of the languages that the stage knows; None: it asks for no language.
    `coded` are those of its own columns of strings that hold no text of documents: ids, labels, names of lists.
    `example(folder)`: a config to try it with where the default will not do; it may write files into the folder.
    """

    kind: ClassVar[str]

    name: str
    version: int
    config: type[StageConfig]
    reads: Reads = ()
    optional: tuple[str, ...] = ()
    adds: Adds = pa.schema([])
    reasons: dict[str, str] = field(default_factory=dict)
    libraries: Libraries = ()
    languages: Languages | None = None
    coded: tuple[str, ...] = ()
    prepare: Prepare | None = None
    example: Callable[[Path], Any] | None = None

    def reads_for(self, config: StageConfig) -> tuple[str, ...]:
        """Columns that the stage reads under this config."""
        return self.reads(config) if callable(self.reads) else self.reads

    def adds_for(self, config: StageConfig) -> pa.Schema:
        """Columns, by short name, that the stage adds under this config."""
        return self.adds(config) if callable(self.adds) else self.adds

    def libraries_for(self, config: StageConfig) -> tuple[str, ...]:
        """Distributions whose versions shape the output under this config."""
        return self.libraries(config) if callable(self.libraries) else self.libraries


@dataclass(frozen=True, kw_only=True)
class Deciding(Stage):
    """What Map and Group share: reasons given from measured columns.

    `decide(measured, config)` → a reason per row, null = kept; it sees the columns in `decides`, which may depend
    on the config (default: all that `adds` declares, but for content), by short name where they are its own.
    `decide_libraries`: as `libraries`, of what shapes the decisions alone; a change of it measures nothing again.
    `audit`: how cases are planted that the stage ought to find.
    """

    decide: Decide | None = None
    decides: Reads | None = None
    decide_libraries: Libraries = ()
    audit: Planting | None = None

    def decides_for(self, config: StageConfig) -> tuple[str, ...]:
        """Columns that `decide` sees under this config."""
        if self.decides is None:
            return tuple(name for name in self.adds_for(config).names if name not in CONTENT)
        return self.decides(config) if callable(self.decides) else self.decides

    def decide_libraries_for(self, config: StageConfig) -> tuple[str, ...]:
        """What shapes the decisions under this config, besides the config itself."""
        return self.decide_libraries(config) if callable(self.decide_libraries) else self.decide_libraries


@dataclass(frozen=True, kw_only=True)
class Source(Stage):
    """Reads documents from outside.

    `splits(config)` lists what there is, without opening it. `read(split, config, cursor)` yields batches
    from the record at `cursor` on (0 = the start). Besides its declared columns a batch holds `record`,
    `cursor`, `bytes` (int64, see `datapipe.schema.PLACE`), `file` (string), `reason` (string, null = fine)
    and either `digest` (fixed_size_binary[16] of the payload, from which ids are made) or `id` (string).
    Columns in `transient` are not stored: they are made again by reading from a document's cursor.
    `seeks`: how files are named (their ends) in which that costs a seek; in others it costs reading all before it.
    `seek_rows`: a seek costs as much as reading on over so many rows.
    """

    kind: ClassVar[str] = "Source"

    splits: Callable[[Any], Iterable[Split]]
    read: Callable[[Split, Any, int], Iterator[pa.RecordBatch]]
    transient: tuple[str, ...] = ()
    seeks: tuple[str, ...] = ()
    seek_rows: int = 32

    def can_seek(self, split: Split) -> bool:
        """Whether reading a split from the middle costs no more than a seek."""
        return all(file.name.lower().endswith(self.seeks) for file in split.files)


@dataclass(frozen=True, kw_only=True)
class Map(Deciding):
    """Looks at each document by itself.

    `process(batch, config, resource)` → the columns in `adds`, one row per row of the batch.
    `resource` is the folder that `prepare` filled, or None.
    `guarded`: bad input can hang, crash or bloat this code; it runs in a killable child process.
    `cover`: it takes something out of columns that must not leave the house.
    """

    kind: ClassVar[str] = "Map"

    process: Callable[[pa.RecordBatch, Any, Path | None], pa.RecordBatch]
    guarded: bool = False
    cover: Cover | None = None


@dataclass(frozen=True, kw_only=True)
class Expand(Stage):
    """Makes new documents out of each: `expand(batch, config, resource)` → rows with `parent_row`.

    `parent_row` (uint32) is the position in the batch; children of one parent stand together, in order.
    The batch of children holds the columns in `adds`, by bare name. `childless` is the reason of a parent
    without children.
    """

    kind: ClassVar[str] = "Expand"

    expand: Callable[[pa.RecordBatch, Any, Path | None], pa.RecordBatch]
    childless: str


@dataclass(frozen=True)
class Scratch:
    """Where a round may put what does not fit into memory, and how much memory it may use."""

    folder: Path
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class Round:
    """One exchange of a Group.

    The first round's `emit(batch, config, resource)` → rows with `row` (uint32, position in the batch), uint64
    `key`, and what `resolve` needs. The framework replaces `row` by the row in the shard, adds `shard` and `run`
    (uint32; earlier runs come first in both), and hands `resolve(stream, config, scratch)` all rows of a range of
    keys, sorted by `key`, then `sort` (columns without nulls), then (shard, row); a key never spans two ranges.
    `whole`: one range holds all keys. What `resolve` yields is, in the last round, the verdicts (`shard`, `row`, …),
    else the next round's input: rows with `key`, or, where the next round has an `answer`, what it asks of documents
    (`shard`, `row`, …). `answer(measured, asked, config)` → rows with `row` and `key`, as `emit` gives them: `measured`
    are the documents asked for (`row`, and what the Group's `measure` gives, or else what it reads), `asked` all rows
    on them, by `row`.
    """

    resolve: Callable[[Iterator[pa.RecordBatch], Any, Scratch], Iterator[pa.RecordBatch]]
    emit: Callable[[pa.RecordBatch, Any, Path | None], pa.RecordBatch] | None = None
    answer: Callable[[pa.RecordBatch, pa.RecordBatch, Any], pa.RecordBatch] | None = None
    sort: tuple[str, ...] = ()
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Group(Deciding):
    """Compares documents with each other, by rounds of exchange.

    `measure(batch, config, resource)` → columns of the documents that a round asks for, a row each: made once, and
    all that later runs need of a document besides its keys; without it only rounds of this run can ask.
    `apply(batch, verdicts, config)` → the columns in `adds`: `batch` holds `row` and the columns in `applies`,
    `verdicts` those of the batch's rows, sorted by `row` (with `row` alone where a shard has none).
    `likeness`: of one with a `measure`, by which `datapipe similar` finds documents like a text.
    `compares`: columns of which equal, or like, values make documents copies of each other.
    `recalls`: of the columns that it adds, those that an `answer` sees beside what is measured: of documents of earlier
    runs with what these runs gave them, null for those of this run.
    """

    kind: ClassVar[str] = "Group"

    rounds: tuple[Round, ...]
    apply: Callable[[pa.RecordBatch, pa.RecordBatch, Any], pa.RecordBatch]
    measure: Callable[[pa.RecordBatch, Any, Path | None], pa.RecordBatch] | None = None
    applies: Reads = ()
    likeness: Likeness | None = None
    compares: Reads = ()
    recalls: tuple[str, ...] = ()

    def compares_for(self, config: StageConfig) -> tuple[str, ...]:
        """Columns that it compares under this config."""
        return self.compares(config) if callable(self.compares) else self.compares

    def applies_for(self, config: StageConfig) -> tuple[str, ...]:
        """Columns that `apply` sees under this config."""
        return self.applies(config) if callable(self.applies) else self.applies


@dataclass(frozen=True)
class Written:
    """What a Sink says of a file: facts (JSON values) for `finish`.

    Of one that gathers also a table to stand in `index/`, and contents of small files of the same name, by suffix.
    """

    facts: dict[str, Any]
    index: pa.Table | None = None
    beside: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Passed:
    """What a stage above a Sink did: how many documents came, how many stayed, and why others left."""

    name: str
    use: str
    incoming: int
    kept: int
    dropped: dict[str, int]


@dataclass(frozen=True)
class Above:
    """What stands above a Sink: what stages have prepared, by name, and what each did, in the order of the recipe."""

    resources: dict[str, Path] = field(default_factory=dict)
    stages: tuple[Passed, ...] = ()


Finish: TypeAlias = Callable[[dict[str, dict[str, Any]], Above, Any], Iterator[tuple[str, bytes]]]


@dataclass(frozen=True, kw_only=True)
class Gather:
    """How a Sink writes documents, or pieces of them, in an order of its own over all shards.

    `emit(batch, config)` → rows with `row` (uint32, position in the batch), uint64 `key`, int64 `weight`, and what
    `write` needs. The files share the range of keys evenly, `files(weight of all, config)` of them, and each gets its
    rows sorted by `key`, then `sort`, then document. `finish` as of a Sink.
    `settle(config, resources)` → the config by which files are written, where it takes what stages above have prepared
    to know it, such as a tokenizer's vocabulary; it raises InputError before anything is written.
    """

    emit: Callable[[pa.RecordBatch, Any], pa.RecordBatch]
    files: Callable[[int, Any], int]
    finish: Finish
    sort: tuple[str, ...] = ()
    settle: Callable[[Any, dict[str, Path]], Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Sink(Stage):
    """Writes the corpus for others: one file per shard, or per shard and value of the column that `by` names.

    `select(available, config)` → the columns to read. `write(stream, target, config)` writes the kept
    documents of one file into it, open; `suffix(config)` names the file type. Its config is a `SinkConfig`.
    With `gather` the files hold what that gives instead, and `write` returns what is `Written`.
    `finish(written, above, config)` → names and contents of small files to stand beside them; `written` maps names of
    files to facts, in order; of a Sink that gathers nothing with `documents` and `bytes`. The run tells of USAGE.
    """

    kind: ClassVar[str] = "Sink"

    select: Callable[[tuple[str, ...], Any], tuple[str, ...]]
    write: Callable[[Iterator[pa.RecordBatch], BinaryIO, Any], Written | None]
    suffix: Callable[[Any], str]
    gather: Gather | None = None
    finish: Finish | None = None

    @property
    def rounds(self) -> tuple[Gather, ...]:
        """As of a Group: how rows are sorted."""
        return (self.gather,) if self.gather else ()
