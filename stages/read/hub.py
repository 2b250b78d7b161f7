"""Read texts from data sets of the Hugging Face hub, or in its layouts on disk.

A path is a name on the hub such as `allenai/c4`, a folder that `save_to_disk` wrote, or a folder of data files laid
out like a data set on the hub. What belongs to a subset and split is asked of the library `datasets`; the files are
then read by datapipe itself, each by its own task: Parquet by row group, Arrow by record batch, JSON lines, JSON arrays
and CSV as streams. Nothing is downloaded as a whole and nothing put into a cache but lists of files. Other types are
refused; the hub offers nearly every data set as Parquet too: `revision: refs/convert/parquet`.

A data set on the hub is read at the commit that `revision` names when a run begins. A file counts as changed when its
content does, so another commit costs the files alone that it changed. Access to closed data sets is the library's
business (`hf auth login`, HF_TOKEN). Folders need no network, and those of `save_to_disk` not even the library.

`record` equals `cursor`: the row or byte offset, as the reader of that type has it. `text` is not stored but read
again where it is needed; `keep: [text]` stores it, which spares a data set on the hub being fetched twice.
Costs what reading such files costs, and a few requests when a run begins.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import fsspec
import pyarrow as pa

from datapipe.algo.columnar import arrow_documents, parquet_documents
from datapipe.algo.csv_records import Dialect, csv_documents
from datapipe.algo.fields import (
    NO_TEXT,
    NO_TEXT_SAYS,
    RECORD_TOO_LARGE,
    RECORD_TOO_LARGE_SAYS,
    RecordConfig,
    adds,
    documents,
)
from datapipe.algo.hub_files import chosen_split, hub_files
from datapipe.algo.inputs import PACKED, find_files, named_once, one_split_per_file
from datapipe.algo.json_records import line_records, value_records
from datapipe.algo.json_values import opens_array
from datapipe.errors import InputError
from datapipe.stage import File, Source, Split, measure, place

_TYPES = ("parquet", "pq", "arrow", "feather", "jsonl", "ndjson", "json", "csv", "tsv")
_PLAIN_NAME = re.compile(r"(?!\.{1,2}$)[^/\\*?\[\]]+")  # of a file or folder beside, and no pattern
_ON_DISK = ("dataset_dict.json", "state.json")  # of `save_to_disk`: several splits, or one


class Config(RecordConfig):
    """Which data set, which part of it, and which fields are which columns."""

    paths: tuple[str, ...] = place(
        description="names on the hub such as allenai/c4, or folders of data sets", min_length=1
    )
    subset: str | None = measure(None, "subset (configuration) of the data set; none given: its default")
    split: str | None = measure(None, "split of the data set; none given: train, or the only one there is")
    revision: str | None = place(None, "branch, tag or commit on the hub; none given: its main branch")


# ---------------------------------------------------------------------------------------------- which files


def splits(config: Config) -> list[Split]:
    """One split per data file; raises InputError for a data set that cannot be had."""
    files = [file for path in config.paths for file in _files(path, config)]
    for file in files:
        _type_of(file)
    return one_split_per_file(named_once(files))


def _files(path: str, config: Config) -> list[File]:
    try:
        fs, folder = fsspec.core.url_to_fs(path)
        marker = next((name for name in _ON_DISK if fs.isfile(f"{folder}/{name}")), None)
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"{path}: cannot be read ({error})", remedy="check the path and its rights") from error
    if marker and (config.subset or config.revision):
        raise InputError(
            f"{path}: a saved data set has no subsets or revisions", remedy="leave subset and revision out"
        )
    if marker == "state.json":
        return _saved(fs, path, folder, config.split)
    if marker:
        name = chosen_split(_split_names(fs, f"{folder}/{marker}", path), path, config.split)
        return [replace(one, name=f"{name}/{one.name}") for one in _saved(fs, f"{path}/{name}", f"{folder}/{name}")]
    here = folder if fs.isdir(folder) else None
    return hub_files(path, here, (config.subset, config.split, config.revision), needs=STAGE.name)


def _split_names(fs: Any, marker: str, path: str) -> list[str]:
    try:
        with fs.open(marker) as opened:
            names = json.load(opened)["splits"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: dataset_dict.json cannot be read", remedy="save the data set again") from error
    if not isinstance(names, list) or not all(isinstance(name, str) and _PLAIN_NAME.fullmatch(name) for name in names):
        raise InputError(f"{path}: dataset_dict.json names no splits", remedy="save the data set again")
    return names


def _saved(fs: Any, path: str, folder: str, split: str | None = None) -> list[File]:
    """The files of one split as `save_to_disk` wrote it, in its order of rows; `split` is what it should be."""
    try:
        with fs.open(f"{folder}/state.json") as opened:
            state = json.load(opened)
        names, own = [str(entry["filename"]) for entry in state["_data_files"]], state.get("_split")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: state.json cannot be read", remedy="save the data set again") from error
    strange = next((name for name in names if not _PLAIN_NAME.fullmatch(name)), None)
    if strange is not None:
        raise InputError(f"{path}: state.json names {strange!r}, no file beside it", remedy="save the data set again")
    if split not in (None, own):
        what = f"split {own!r}" if own else "a data set without splits"
        raise InputError(f"{path} is {what}, not {split!r}", remedy=f"set split: {own}" if own else "leave split out")
    return find_files([fs.unstrip_protocol(f"{folder}/{name}").removeprefix("file://") for name in names], suffixes=())


# ---------------------------------------------------------------------------------------------- reading them


def _type_of(file: File) -> str:
    name = file.name.lower()
    name = next((name.removesuffix(end) for end in PACKED if name.lower().endswith(end)), name)
    kind = name.rpartition(".")[2]
    if kind not in _TYPES:
        raise InputError(
            f"{file.path}: read.hub reads {', '.join(_TYPES)}, not {kind}", remedy="try revision: refs/convert/parquet"
        )
    return kind


def read(split: Split, config: Config, cursor: int) -> Iterator[pa.RecordBatch]:
    """Documents of a data file from `cursor` on; raises InputError as the reader of its type does."""
    file, limit = split.files[0], config.max_record_bytes
    kind = _type_of(file)
    if kind in ("parquet", "pq"):
        yield from parquet_documents(file, config, cursor)
    elif kind in ("arrow", "feather"):
        yield from arrow_documents(file, config, cursor)
    elif kind in ("csv", "tsv"):
        yield from csv_documents(file, config, cursor, Dialect())
    else:
        entries = value_records if kind == "json" and opens_array(file) else line_records
        yield from documents(entries(file, cursor, limit), file, config)


STAGE = Source(
    name="read.hub",
    version=1,
    config=Config,
    adds=adds,
    reasons={NO_TEXT: NO_TEXT_SAYS, RECORD_TOO_LARGE: RECORD_TOO_LARGE_SAYS},
    libraries=("pyarrow", "orjson", "resiliparse"),  # the last detects the charset of CSV
    splits=splits,
    read=read,
    transient=("text",),
)
