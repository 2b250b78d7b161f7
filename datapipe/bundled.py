"""The recipes and samples that come with datapipe, found from a checkout and from an installed wheel alike.

In a checkout they are the folders `configs/` and `samples/` beside the package; a wheel carries them inside
the package (see pyproject.toml), since nothing else of a wheel has a place that can be relied on.
Costs a look at one folder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from datapipe.errors import InputError

__all__ = ["FOLDERS", "bundled", "copy_bundled"]

FOLDERS = ("configs", "samples")

_PACKAGE = Path(__file__).parent
_ROOTS = (_PACKAGE / "_bundled", _PACKAGE.parent)


def bundled(name: str) -> Path:
    """Where a bundled file or folder lies, such as `configs/quickstart.yaml`; InputError if there is none."""
    parts = Path(name).parts
    if parts and parts[0] in FOLDERS and ".." not in parts:
        for root in _ROOTS:
            path = root.joinpath(*parts)
            if path.exists():
                return path
    raise InputError(f"{name} does not come with datapipe", remedy=f"name a file under {' or '.join(FOLDERS)}")


def copy_bundled(folder: Path) -> tuple[Path, ...]:
    """Copy recipes and samples into a folder, under the names that the recipes use; returns the files written.

    Files that are there already are left alone: they may be the user's own.
    """
    written = []
    for top in FOLDERS:
        source = bundled(top)
        for path in sorted(source.rglob("*")):
            target = folder / top / path.relative_to(source)
            if path.is_file() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
                written.append(target)
    return tuple(written)
