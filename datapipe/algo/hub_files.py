"""The data files of a data set on the Hugging Face hub, or of a folder laid out like one, by subset and split.

Which they are is asked of the library `datasets`; nothing is downloaded but lists of files. Access to closed data sets
is the library's business (`hf auth login`, HF_TOKEN).
Costs a few requests for a data set on the hub.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import fsspec

from datapipe.algo.inputs import find_files, nearest_name
from datapipe.errors import InputError
from datapipe.stage import File

__all__ = ["chosen_split", "hub_files"]

_SCHEME = "hf://"


def chosen_split(there: list[str], path: str, wanted: str | None) -> str:
    """The split that is wanted; none given: `train`, or the only one. Raises InputError where there is none."""
    wanted = wanted or ("train" if "train" in there else None)
    if wanted is None and len(there) == 1:
        return there[0]
    if wanted not in there:
        near = nearest_name(wanted or "", there) or next(iter(there), "train")
        what = f"has no split {wanted!r}" if wanted or not there else "has several splits"
        raise InputError(f"{path} {what}; there are {', '.join(there) or 'none'}", remedy=f"set split: {near}")
    return wanted


def hub_files(
    path: str, folder: str | None, part: tuple[str | None, str | None, str | None], *, needs: str
) -> list[File]:
    """The data files of a name on the hub, or of a folder; `part`: subset, split and revision; `needs`: who asks.

    Raises InputError for what is not there, cannot be reached, or where the library is missing.
    """
    datasets = _library(needs)
    subset, split, revision = part
    try:
        builder = datasets.load_dataset_builder(folder or path, subset, revision=revision)
        found: Any = builder.config.data_files or {}
        files = found[chosen_split([str(split) for split in found], path, split)]
        return [_file(str(url), folder) for url in files]
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        line = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{path}: {line}", remedy="check its name, subset and revision, and your access") from error


def _library(needs: str) -> Any:
    try:
        return import_module("datasets")
    except ImportError as error:
        raise InputError(f"{needs} needs the package 'datasets'", remedy="pip install 'datapipe[hub]'") from error


def _file(url: str, folder: str | None) -> File:
    """A data file by its name within the data set; what tells a change is the digest of its content."""
    if folder is not None:
        (file,) = find_files([url], suffixes=())
        return replace(file, name=url.removeprefix(folder).lstrip("/"))
    fs, path = fsspec.core.url_to_fs(url)
    info = fs.info(path)
    large = info.get("lfs")
    content = large["sha256"] if large else info.get("blob_id") or ""
    within = fs.resolve_path(path).path_in_repo if url.startswith(_SCHEME) else path.rpartition("/")[2]
    return File(url, within, info["size"] or 0, content)
