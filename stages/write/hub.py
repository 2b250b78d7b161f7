"""Write the kept documents as a data set folder for the Hugging Face hub: Parquet files and a card.

What: the Parquet files of `write.parquet`, and a README.md whose head names licence, languages, size, files and
features, and whose body says what the set holds by source, under which licences, and how it was made: how many
documents each stage saw and let go. Nothing is uploaded.
Why: a data set without a card is used without being understood; what the run knows of it need not be typed again.
Costs: what `write.parquet` costs, and counting.
Source: huggingface.co/docs/hub/datasets-cards; Gebru et al. 2018 (Datasheets for Datasets).
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal

import numpy as np
import pyarrow as pa
import yaml

from datapipe.algo.parquet_files import value_bytes, write_parquet
from datapipe.schema import EXPORTED
from datapipe.stage import USAGE, Above, Sink, SinkConfig, Size, Written, measure, place

COUNTED = ("source", "language")
MOST_LANGUAGES = 100  # named in the head of the card
SPLITS = frozenset({"train", "validation", "valid", "val", "dev", "test"})
OTHER_NAMES = {"float": "float32", "double": "float64", "halffloat": "float16"}  # of Arrow's types, in `datasets`


class Config(SinkConfig):
    """What is written, how, and what the card says that no run can know."""

    columns: tuple[str, ...] | None = measure(
        None, "columns to write, such as [id, text, quality.words]; none given: all that have a bare name, but for html"
    )
    compression: Literal["zstd", "snappy", "none"] = measure("zstd", "compression of column chunks")
    group_bytes: Size = measure(32 << 20, "bytes of values after which a row group ends", gt=0)
    title: str = place("Documents", "title of the card")
    about: str = place("", "a few sentences on what the documents are, for whom, and what they must not be used for")
    license: str = place("unknown", "licence of the set, as the hub names it, such as odc-by or cc-by-sa-4.0")
    licenses: dict[str, str] = place({}, "licence or terms of use of each source, such as {web: its pages' own}")


def select(available: tuple[str, ...], config: Config) -> tuple[str, ...]:
    """The columns asked for, or all of the schema's that say something outside a run."""
    return config.columns or tuple(name for name in EXPORTED if name in available)


# ---------------------------------------------------------------------------------------------- the files


class _Counts:
    """What passes: documents and bytes by source, documents by language, and the columns."""

    def __init__(self) -> None:
        self._documents: dict[str, Counter[str]] = {name: Counter() for name in COUNTED}
        self._bytes: Counter[str] = Counter()
        self._features: list[dict[str, Any]] = []

    def of(self, stream: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The stream as it is."""
        for batch in stream:
            self._features = features(batch.schema)
            sizes = sum((value_bytes(column) for column in batch.columns), np.zeros(len(batch), np.int64))
            for name in COUNTED:
                self._count(batch, name, sizes)
            yield batch

    def _count(self, batch: pa.RecordBatch, name: str, sizes: Any) -> None:
        values: Any = batch[name] if name in batch.schema.names else pa.nulls(len(batch), pa.string())
        coded = values.cast(pa.string()).fill_null("").dictionary_encode()
        codes = coded.indices.to_numpy()
        known = coded.dictionary.to_pylist()
        documents = np.bincount(codes, minlength=len(known)).tolist()
        self._documents[name].update(dict(zip(known, documents, strict=True)))
        if name == "source":
            size = np.bincount(codes, sizes, len(known)).astype(np.int64).tolist()
            self._bytes.update(dict(zip(known, size, strict=True)))

    def facts(self) -> dict[str, Any]:
        """All of it."""
        counts = {name: dict(sorted(found.items())) for name, found in self._documents.items()}
        return {**counts, "source_bytes": dict(sorted(self._bytes.items())), "features": self._features}


def features(layout: pa.Schema) -> list[dict[str, Any]]:
    """Columns with their types, as `datasets` writes them into the head of a card."""
    return [{"name": each.name, **_feature(each.type)} for each in layout]


def _feature(kind: Any) -> dict[str, Any]:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = _feature(kind.value_type)
        name = "list" if pa.types.is_list(kind) else "large_list"
        return {name: inner.get("dtype") or inner.get("struct") or inner}
    if pa.types.is_struct(kind):
        return {"struct": [{"name": each.name, **_feature(each.type)} for each in kind]}
    return {"dtype": OTHER_NAMES.get(str(kind), str(kind))}


def write(stream: Iterator[pa.RecordBatch], target: BinaryIO, config: Config) -> Written:
    """Write the documents of one file."""
    counts = _Counts()
    write_parquet(counts.of(stream), target, compression=config.compression, group_bytes=config.group_bytes)
    return Written(counts.facts())


def suffix(config: Config) -> str:
    """The file type."""
    return ".parquet"


# ---------------------------------------------------------------------------------------------- the card


def finish(written: dict[str, dict[str, Any]], above: Above, config: Config) -> Iterator[tuple[str, bytes]]:
    """The card."""
    head = yaml.safe_dump(_head(written, config), sort_keys=False, allow_unicode=True)
    yield USAGE, f"---\n{head}---\n\n{_body(written, above, config)}".encode()


def _head(written: dict[str, dict[str, Any]], config: Config) -> dict[str, Any]:
    """What the hub reads."""
    languages = sorted(name for name in _summed(written, "language") if name)
    documents = sum(facts["documents"] for facts in written.values())
    known = {"language": languages} if 0 < len(languages) <= MOST_LANGUAGES else {}
    folders = sorted({posixpath.dirname(name) for name in written})
    return {
        "license": config.license,
        **known,
        "pretty_name": config.title,
        "size_categories": [_size(documents)],
        "configs": _configs(folders),
        "dataset_info": _infos(written, folders),
    }


def _size(documents: int) -> str:
    """The hub's name for so many documents, such as 1K<n<10K."""
    bounds = [(10**at, f"{10 ** (at % 3)}{'KMBT'[at // 3 - 1]}") for at in range(3, 13)]
    above = [name for least, name in bounds if documents >= least]
    if not above:
        return "n<1K"
    return f"{above[-1]}<n<{bounds[len(above)][1]}" if len(above) < len(bounds) else "n>1T"


def _configs(folders: list[str]) -> list[dict[str, Any]]:
    """Which files there are: folders of splits are splits, others are sets by their own names."""

    def files(folder: str) -> str:
        return posixpath.join(folder, "*-[0-9][0-9][0-9][0-9].parquet")

    if set(folders) <= SPLITS and folders:
        return [{"config_name": "default", "data_files": [{"split": each, "path": files(each)} for each in folders]}]
    return [
        {"config_name": each or "default", "data_files": [{"split": "train", "path": files(each)}]} for each in folders
    ]


def _infos(written: dict[str, dict[str, Any]], folders: list[str]) -> list[dict[str, Any]]:
    """The columns of each set."""
    layout: list[dict[str, Any]] = next((facts["features"] for facts in written.values()), [])
    return [{"config_name": each["config_name"], "features": layout} for each in _configs(folders)]


def _summed(written: dict[str, dict[str, Any]], name: str) -> Counter[str]:
    return sum((Counter(facts[name]) for facts in written.values()), Counter[str]())


def _body(written: dict[str, dict[str, Any]], above: Above, config: Config) -> str:
    """What people read."""
    documents, sizes = _summed(written, "source"), _summed(written, "source_bytes")
    sources = [
        (source or "not told", f"{count:,}", f"{sizes[source]:,}", config.licenses.get(source, "not told"))
        for source, count in sorted(documents.items())
    ]
    stages = [
        (each.name, f"`{each.use}`", f"{each.incoming:,}", f"{each.kept:,}", _left(each.dropped))
        for each in above.stages
    ]
    languages = [(name or "not told", f"{count:,}") for name, count in _summed(written, "language").most_common()]
    told = f"{config.about}\n\n" if config.about else ""
    return (
        f"# {config.title}\n\n{told}{sum(documents.values()):,} documents in {len(written):,} files.\n\n"
        f"## By source\n\n{_table(('source', 'documents', 'bytes', 'licence or terms'), sources)}\n"
        f"## By language\n\n{_table(('language', 'documents'), languages)}\n"
        f"## How it was made\n\nBy `datapipe`, in this order; documents that a stage let go, by reason.\n\n"
        f"{_table(('stage', 'what', 'in', 'kept', 'let go'), stages)}\n"
        "## Use\n\n"
        '```python\nfrom datasets import load_dataset\n\ndocuments = load_dataset("FOLDER")\n```\n\n'
        "FOLDER is the folder of this file, or the name it has on the hub once you have uploaded it:\n\n"
        "```\nhf upload --repo-type dataset NAME FOLDER --include README.md "
        "--include '*-[0-9][0-9][0-9][0-9].parquet'\n```\n"
    )


def _left(dropped: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())


def _table(names: tuple[str, ...], rows: list[Any]) -> str:
    lines = [names, ("---",) * len(names), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


STAGE = Sink(
    name="write.hub",
    version=1,
    config=Config,
    libraries=("pyarrow",),
    select=select,
    write=write,
    suffix=suffix,
    finish=finish,
)
