"""Finds stages: the built-in ones, those of installed packages, and those of a folder named by the user.

A stage is found by where its module lies (`stages/filter/gopher.py` is `filter.gopher`), so that a list of
all stages imports none of them, and a missing optional library disturbs nobody who does not use it.
A module is a stage if it binds `STAGE` at its top; the modules inside the folder of a stage, and those whose
name begins with an underscore, are its private parts.
Costs reading the sources of all stages once (about a millisecond a stage); importing is paid by `load`, per stage.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from datapipe.errors import DatapipeError, InputError, StageError
from datapipe.stage import Stage

__all__ = ["ENTRY_POINTS", "Registry"]

ENTRY_POINTS = "datapipe.stages"

_BUILT_IN = "stages"
_MARK = "DATAPIPE_STAGES"
_PART = re.compile(r"[a-z][a-z0-9_]*")
_BINDS_STAGE = re.compile(rb"^(STAGE\s*[:=]|from\s.+\simport\s.*\bSTAGE\b)", re.MULTILINE)
_EXTRA = re.compile(r"""^(?P<package>[\w.-]+).*;.*\bextra\s*==\s*['"](?P<extra>[\w.-]+)['"]""")


@dataclass(frozen=True)
class _Entry:
    """Where a stage is: its module, the file of that module if known, and who brings it."""

    name: str
    module: str
    attribute: str
    file: Path | None
    origin: str


@dataclass(frozen=True)
class Registry:
    """All stages that can be used; `local` is a folder of the user's own.

    Nothing is remembered but `local`: a worker process makes its own registry from that path alone.
    """

    local: Path | None = None

    def names(self) -> tuple[str, ...]:
        """Names of all stages, sorted; imports none of them."""
        return tuple(sorted(self._entries))

    def origin(self, name: str) -> str:
        """Who brings the stage: `built-in`, a distribution, or a path."""
        return self._entry(name).origin

    def module_file(self, name: str) -> Path | None:
        """Source file of the stage, found without importing it; None where only an import could tell."""
        entry = self._entry(name)
        return entry.file or _file_of(entry.module)

    def load(self, name: str) -> Stage:
        """Import the stage. Raises InputError if there is none of that name, StageError if it is not usable."""
        entry = self._entry(name)
        stage = getattr(_imported(entry, self.local), entry.attribute, None)
        if not isinstance(stage, Stage):
            raise StageError(
                f"stage '{name}' ({_place(entry)}): {entry.attribute} is not a stage",
                remedy=f"bind {entry.attribute} to a Source, Map, Expand, Group or Sink",
            )
        if stage.name != name:
            raise StageError(
                f"stage '{name}' ({_place(entry)}) calls itself '{stage.name}'",
                remedy=f"give it name='{name}', or move its module",
            )
        return stage

    def __reduce__(self) -> tuple[object, ...]:
        return (Registry, (self.local,))

    @cached_property
    def _entries(self) -> dict[str, _Entry]:
        found: dict[str, _Entry] = {}
        for entry in (*_built_in(), *_foreign(), *_local(self.local)):
            other = found.setdefault(entry.name, entry)
            if other is not entry:
                raise InputError(
                    f"two stages are called '{entry.name}': {_place(other)} ({other.origin}) "
                    f"and {_place(entry)} ({entry.origin})",
                    remedy="rename or remove one of them",
                )
        return found

    def _entry(self, name: str) -> _Entry:
        if name in self._entries:
            return self._entries[name]
        near = get_close_matches(name, self._entries, n=3, cutoff=0.5)
        near += [
            known for known in self.names() if known.rpartition(".")[2] == name.rpartition(".")[2] and known not in near
        ]
        known = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(self.names())}"
        hint = "" if self.local else "; a stage of your own needs --stages DIR"
        raise InputError(f"there is no stage '{name}'", remedy=known + hint)


def _place(entry: _Entry) -> str:
    return str(entry.file or entry.module)


# ---------------------------------------------------------------------------------------------- finding


def _built_in() -> Iterator[_Entry]:
    """Stages of the package `stages` beside this one; another package of that name is refused."""
    expected = Path(__file__).resolve().parent.parent / _BUILT_IN
    spec = _top_level(_BUILT_IN)
    if spec is None:
        raise DatapipeError(f"the built-in stages are missing from {expected}", remedy="install datapipe again")
    file = Path(spec.origin) if spec.origin else None
    ours = file is not None and file.resolve().parent == expected and _MARK in file.read_text("utf-8", "replace")
    if not ours:
        where = file or ", ".join(spec.submodule_search_locations or ())
        raise DatapipeError(
            f"another package called '{_BUILT_IN}' stands in the way of datapipe's own: {where}",
            remedy="uninstall or rename it, or take its folder off PYTHONPATH and the current directory",
        )
    return _scan(expected, _BUILT_IN, "built-in")


def _top_level(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except ValueError:  # a module without a spec was put into sys.modules by hand
        return ModuleSpec(name, None, origin=getattr(sys.modules[name], "__file__", None))


def _foreign() -> Iterator[_Entry]:
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        module, _, attribute = point.value.partition(":")
        origin = point.dist.name if point.dist else "an installed package"
        yield _Entry(point.name, module.strip(), attribute.strip() or "STAGE", None, origin)


def _local(folder: Path | None) -> Iterator[_Entry]:
    if folder is None:
        return iter(())
    if not folder.is_dir():
        raise InputError(f"the folder of stages {folder} does not exist", remedy="give --stages an existing folder")
    return _scan(folder.resolve(), _local_package(folder), str(folder))


def _scan(root: Path, package: str, origin: str) -> Iterator[_Entry]:
    """Every module under `root` that binds STAGE, in order of name."""
    for folder, below, files in os.walk(root):
        here = Path(folder)
        parts = here.relative_to(root).parts
        if parts and _binds_stage(here / "__init__.py"):
            yield _Entry(".".join(parts), ".".join((package, *parts)), "STAGE", here / "__init__.py", origin)
            below[:] = []
            continue
        below[:] = sorted(name for name in below if _PART.fullmatch(name))
        for file in sorted(files):
            stem = file.removesuffix(".py")
            if stem != file and _PART.fullmatch(stem) and _binds_stage(here / file):
                yield _Entry(".".join((*parts, stem)), ".".join((package, *parts, stem)), "STAGE", here / file, origin)


def _binds_stage(file: Path) -> bool:
    return file.is_file() and _BINDS_STAGE.search(file.read_bytes()) is not None


def _file_of(module: str) -> Path | None:
    """File of a module, looked up along the search paths of its packages, none of which is imported."""
    first, *rest = module.split(".")
    spec = _top_level(first)
    full = first
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        full = f"{full}.{part}"
        spec = PathFinder.find_spec(full, list(spec.submodule_search_locations))
    return Path(spec.origin) if spec and spec.origin else None


# ---------------------------------------------------------------------------------------------- loading modules


def _local_package(folder: Path) -> str:
    """Package name under which a folder's modules are imported; no other module can have it."""
    return f"_datapipe_local_{hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]}"


def _imported(entry: _Entry, local: Path | None) -> ModuleType:
    if local is not None and entry.module.startswith(f"{_local_package(local)}."):
        root = ModuleType(_local_package(local))
        root.__path__ = [str(local.resolve())]
        sys.modules.setdefault(root.__name__, root)
        importlib.invalidate_caches()
    try:
        return importlib.import_module(entry.module)
    except ModuleNotFoundError as error:
        raise _missing(entry, error) from error
    except Exception as error:  # code of others may raise anything; in our own it is a bug and must be seen whole
        if entry.origin == "built-in" and not isinstance(error, ImportError):
            raise
        raise StageError(f"stage '{entry.name}' cannot be imported: {_last_line(entry, error)}") from error


def _missing(entry: _Entry, error: ModuleNotFoundError) -> StageError:
    """One line for a library that a stage needs and that is not installed."""
    missing = (error.name or "").partition(".")[0]
    if not missing or missing in {entry.module.partition(".")[0], _BUILT_IN, "datapipe"}:
        return StageError(f"stage '{entry.name}' cannot be imported: {_last_line(entry, error)}")
    extra = _extra_with(missing)
    if entry.origin == "built-in" and extra:
        remedy = f"pip install 'datapipe[{extra}]'"
    else:
        remedy = f"install '{missing}' beside datapipe"
    return StageError(f"stage '{entry.name}' needs the package '{missing}', which is not installed", remedy=remedy)


def _extra_with(package: str) -> str | None:
    try:
        requirements: Iterable[str] = importlib.metadata.requires("datapipe") or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    for requirement in requirements:
        match = _EXTRA.match(requirement)
        if match and re.sub(r"[-_.]+", "_", match["package"]).lower() == package.lower():
            return match["extra"]
    return None


def _last_line(entry: _Entry, error: Exception) -> str:
    """`file:line: Kind: message`, the line being the last one inside the stage's own file."""
    file = str(entry.file or _file_of(entry.module) or entry.module)
    if isinstance(error, SyntaxError):
        return f"{error.filename or file}:{error.lineno}: {type(error).__name__}: {error.msg}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    text = str(error).splitlines()[0] if str(error) else ""
    return f"{file}:{lines[-1] if lines else 1}: {type(error).__name__}: {text}"
