"""Items of benchmarks out of files: JSON lines, JSON, or Parquet, with the fields that are input, output and so on.

A description is YAML, by benchmark the fields of its records (see configs/benchmarks.yaml):

    gsm8k: {input: question, output: answer}
    arc: {input: question, options: choices.text, output: answerKey, paths: [data/arc/*.parquet]}

A field may lie in others (`choices.text`), and there may be several (`options: [option1, option2]`; of input, output
and context the texts follow each other). A record whose input is a list of texts is as many items. An output that is
the number or the letter of an option stands for it. `hub`, `config` and `split` say where a benchmark is from: a name
on the hub, or a folder laid out like a data set there; the hub itself is asked only where that is allowed. `hosts` are
the sites that publish it.
Costs parsing the files; all items are held in memory while an index is made of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from io import IOBase
from pathlib import Path
from typing import Any, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
import yaml

from datapipe.algo.frames import Damage, open_file
from datapipe.algo.hub_files import hub_files
from datapipe.algo.inputs import find_files, nearest_name, packed_suffixes
from datapipe.algo.item_index import Item
from datapipe.algo.json_records import line_records, value_records
from datapipe.algo.json_values import opens_array
from datapipe.algo.models import digest_of
from datapipe.algo.urls import normal_host
from datapipe.errors import InputError
from datapipe.stage import File

__all__ = ["FIELDS", "Benchmark", "Where", "benchmarks_of", "digest_of_benchmarks", "items_of"]

FIELDS = ("input", "output", "options", "context")
_ABOUT = ("hub", "config", "split", "hosts", "paths")
_LINES, _ARRAYS, _TABLES = packed_suffixes("jsonl", "ndjson"), packed_suffixes("json"), (".parquet",)
_DESCRIPTIONS = (".yaml", ".yml")
_MOST_BYTES = 64 << 20  # of a record
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Benchmark(NamedTuple):
    """A benchmark: its name, its files, by part of an item the fields of a record that it is made of, and its hosts."""

    name: str
    files: tuple[File, ...]
    fields: dict[str, tuple[str, ...]]
    hosts: tuple[str, ...] = ()


class Where(NamedTuple):
    """Where items of described benchmarks may be: the folder `data`, and the hub if `fetch`."""

    data: str | None = None
    fetch: bool = False


def benchmarks_of(
    paths: Iterable[str], fields: Mapping[str, str], *, where: Where, names: Iterable[str] | None
) -> list[Benchmark]:
    """The benchmarks in descriptions and in files and folders of items, which have `fields`; sorted by name.

    Those described lie where `where` says. Raises InputError for one that is not there, or is described badly.
    """
    found: dict[str, Benchmark] = {}
    wanted = None if names is None else set(names)
    known: set[str] = set()
    for path in paths:
        for made in _described(path, where, wanted, known) if path.endswith(_DESCRIPTIONS) else _plain(path, fields):
            if found.setdefault(made.name, made) is not made:
                raise InputError(f"two benchmarks are named {made.name}", remedy="name each file and entry once")
    known |= set(found)
    for name in sorted(wanted or ()):
        if name not in known:
            near = nearest_name(name, known)
            raise InputError(f"no benchmark is named {name!r}", remedy=f"did you mean {near}?" if near else "")
    return [found[name] for name in sorted(found) if wanted is None or name in wanted]


def digest_of_benchmarks(benchmarks: Iterable[Benchmark]) -> str:
    """32 hex digits of all that items are made of, whatever the files are called."""
    hasher = xxhash.xxh3_128()
    for one in benchmarks:
        hasher.update(repr((one.name, sorted(one.fields.items()), *([one.hosts] if one.hosts else []))).encode())
        for file in one.files:
            hasher.update((file.modified if "://" in file.path else digest_of(Path(file.path))).encode())
    return hasher.hexdigest()


def _bare(name: str) -> str:
    base = name.rpartition("/")[2]
    for ending in sorted((*_LINES, *_ARRAYS, *_TABLES), key=len, reverse=True):
        if base.lower().endswith(ending):
            return base[: -len(ending)]
    return base


def _plain(path: str, fields: Mapping[str, str]) -> Iterator[Benchmark]:
    """Each file is a benchmark called after it."""
    for name in fields:
        if name not in FIELDS:
            raise InputError(f"`fields` names {name!r}", remedy=f"there are {', '.join(FIELDS)}")
    names = FIELDS if not fields else ("input", *(name for name in FIELDS[1:] if name in fields))
    given: dict[str, tuple[str, ...]] = {name: (fields.get(name, name),) for name in names}
    for file in find_files([path], suffixes=(*_LINES, *_ARRAYS, *_TABLES)):
        yield Benchmark(_bare(file.name), (file,), given)


def _described(path: str, where: Where, wanted: set[str] | None, known: set[str]) -> Iterator[Benchmark]:
    try:
        described = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as YAML", remedy="see configs/benchmarks.yaml") from error
    if not isinstance(described, dict) or not all(isinstance(entry, dict) for entry in described.values()):
        raise InputError(f"{path}: no list of benchmarks by name", remedy="see configs/benchmarks.yaml")
    known |= set(described)
    for name, entry in described.items():
        if wanted is None or name in wanted:
            fields = _fields_of(name, entry, path)
            hosts = _hosts(name, entry, path)
            yield Benchmark(name, _files_of(name, entry, where, path), fields, hosts)


def _fields_of(name: str, entry: dict[str, Any], path: str) -> dict[str, tuple[str, ...]]:
    for key in entry:
        if key not in (*FIELDS, *_ABOUT):
            near = nearest_name(key, (*FIELDS, *_ABOUT))
            raise InputError(f"{path}: {name} has {key!r}", remedy=f"did you mean {near}?" if near else "leave it out")
    if "input" not in entry:
        raise InputError(f"{path}: {name} does not say which field is its input", remedy="add `input: FIELD`")
    return {key: _listed(entry[key]) for key in FIELDS if key in entry}


def _listed(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def _files_of(name: str, entry: dict[str, Any], where: Where, path: str) -> tuple[File, ...]:
    suffixes = (*_LINES, *_ARRAYS, *_TABLES)
    if "paths" in entry:
        return tuple(find_files(_listed(entry["paths"]), suffixes=suffixes))
    folder = Path(where.data) if where.data is not None else None
    if folder is not None and (folder / name).is_dir():
        return tuple(find_files([str(folder / name)], suffixes=suffixes))
    here = (
        [str(folder / f"{name}{ending}") for ending in suffixes if (folder / f"{name}{ending}").is_file()]
        if folder
        else []
    )
    if not here and "hub" in entry and (where.fetch or Path(entry["hub"]).is_dir()):
        return _from_hub(entry)
    if not here:
        source = f", fetched from {entry['hub']}" if "hub" in entry else ""
        raise InputError(
            f"{path}: there are no items of {name} in {where.data or 'a folder, for none is named'}",
            remedy=f"put {name}.jsonl{source} into the folder of `data`, set fetch, or list in `names` what is there",
        )
    return tuple(find_files(here, suffixes=suffixes))


def _from_hub(entry: dict[str, Any]) -> tuple[File, ...]:
    """The files of the split, in a folder or on the hub."""
    name, suffixes = str(entry["hub"]), (*_LINES, *_ARRAYS, *_TABLES)
    folder = str(Path(name).resolve()) if Path(name).is_dir() else None
    files = hub_files(name, folder, (entry.get("config"), entry.get("split"), None), needs="`hub` of a benchmark")
    for file in files:
        if not file.name.lower().endswith(suffixes):
            raise InputError(
                f"{name}: {file.name} is no JSON or Parquet", remedy="put its items into the folder of `data`"
            )
    return tuple(files)


def _hosts(name: str, entry: dict[str, Any], path: str) -> tuple[str, ...]:
    """Hosts as those of URLs are written."""
    listed = _listed(entry.get("hosts", []))
    found = tuple(host for host in map(normal_host, listed) if host)
    if len(found) < len(listed):
        raise InputError(f"{path}: {name} names hosts that are none", remedy="write them like en.wikipedia.org")
    return found


# ---------------------------------------------------------------------------------------------- records


def items_of(benchmarks: Iterable[Benchmark]) -> list[Item]:
    """All items. Raises InputError for a file that cannot be read, a record without input, a benchmark without any."""
    found: list[Item] = []
    for one in benchmarks:
        before = len(found)
        for file in one.files:
            for number, record in enumerate(_records(file)):
                for item in _items(record, one, len(found) - before):
                    if item is None:
                        raise InputError(
                            f"{file.path}: record {number} has no text in {' and '.join(one.fields['input'])}",
                            remedy=f"it has {', '.join(sorted(record)) or 'nothing'}: set the field of input",
                        )
                    found.append(item)
        if len(found) == before:
            raise InputError(f"benchmark {one.name} has no items", remedy="take it out, or mend its files")
    return found


_MOST_NESTED = 8


def _records(file: File) -> Iterator[dict[str, Any]]:
    if file.name.lower().endswith(_TABLES):
        yield from _rows(file)
        return
    is_array = file.name.lower().endswith(_ARRAYS) and opens_array(file)
    entries = (value_records if is_array else line_records)(file, 0, _MOST_BYTES)
    for number, entry in enumerate(entries):
        if entry.data is None:
            raise InputError(f"{file.path}: record {number} is no JSON object", remedy="mend or remove it")
        yield entry.data


def _rows(file: File) -> Iterator[dict[str, Any]]:
    try:
        with open_file(file) as opened:
            table: Any = pq.read_table(pa.PythonFile(cast(IOBase, opened), mode="r"))
    except (pa.ArrowException, OSError, Damage) as error:
        raise InputError(f"{file.path}: cannot be read as Parquet", remedy="fetch it anew") from error
    for batch in table.to_batches():
        yield from batch.to_pylist()


def _items(record: dict[str, Any], benchmark: Benchmark, first: int) -> Iterator[Item | None]:
    """The items of a record; None in the place of one without input."""
    parts = {name: [_field(record, path) for path in paths] for name, paths in benchmark.fields.items()}
    values = parts["input"]
    inputs = values[0] if len(values) == 1 and isinstance(values[0], list) else [values]
    options = tuple(text for value in parts.get("options", ()) for text in _texts(value))
    output = _answer(parts.get("output", []), options)
    context = " ".join(text for value in parts.get("context", ()) for text in _texts(value))
    for number, value in enumerate(inputs):
        text = " ".join(_texts(value)).strip()
        yield Item(benchmark.name, first + number, text, output, options, context) if text else None


def _field(record: Any, path: str) -> Any:
    for name in [path] if isinstance(record, dict) and path in record else path.split("."):
        record = record.get(name) if isinstance(record, dict) else None
    return record


def _texts(value: Any, depth: int = 0) -> list[str]:
    """The strings and numbers of a field, or of a list of them; an object is no text, nor what nests without end."""
    if value is None or isinstance(value, dict) or depth > _MOST_NESTED:
        return []
    if isinstance(value, list):
        return [text for one in value for text in _texts(one, depth + 1)]
    return [str(value)]


def _answer(values: list[Any], options: tuple[str, ...]) -> str:
    if len(values) == 1 and options:
        value = values[0]
        if isinstance(value, str) and len(value) == 1 and value in _LETTERS:
            value = _LETTERS.index(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(options):
            return options[value]
    return " ".join(text for value in values for text in _texts(value))
