"""The files of a tokenizer: found at a path or on the hub, and copied beside the run.

A run that has its tokenizer with it can be read, packed and trained anywhere. Bytes count, not names: what a
tokenizer is at a path or a revision is told by the digest of its files.
Costs copying some 10 MB.
"""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path

from datapipe.algo.models import digest_of
from datapipe.errors import InputError
from stages.tokenize._template import NAME

__all__ = ["TEMPLATE", "copy", "version"]

TEMPLATE = "chat_template.jinja"
MAIN = "tokenizer.json"
FILES = (MAIN, "tokenizer_config.json", "special_tokens_map.json", TEMPLATE, "generation_config.json")


def _folder(given: str) -> Path:
    """The folder with the files: at a path, or in the hub's cache. Raises InputError if there is no tokenizer."""
    path = Path(given)
    folder = path.parent if path.name == MAIN else path
    if (folder / MAIN).is_file():
        return folder
    if path.exists():
        raise InputError(
            f"{NAME}: {given} holds no {MAIN}", remedy="name a folder of a fast tokenizer, or its tokenizer.json"
        )
    if given.startswith((".", "/", "~")) or given.count("/") > 1:
        raise InputError(f"{NAME}: there is no tokenizer at {given}", remedy=f"name a folder with a {MAIN}")
    return _from_hub(given)


def _from_hub(given: str) -> Path:
    """The files of a name such as Qwen/Qwen3-8B, or Qwen/Qwen3-8B@revision."""
    name, _, revision = given.partition("@")
    try:
        hub = import_module("huggingface_hub")
    except ImportError:
        raise InputError(f"{NAME}: {given} is no path", remedy="pip install 'datapipe[tokens]' for the hub") from None
    try:
        folder = Path(hub.snapshot_download(name, revision=revision or None, allow_patterns=list(FILES)))
    except Exception as error:  # noqa: BLE001 - of the network, the hub, or what is no name of it: many families
        raise InputError(
            f"{NAME}: {given} is no path, and the hub does not give it ({type(error).__name__})",
            remedy="check the name and the connection, or download it and name the folder",
        ) from None
    if not (folder / MAIN).is_file():
        raise InputError(f"{NAME}: {name} has no {MAIN}", remedy="take a model with a fast tokenizer")
    return folder


def version(given: str | None, template: str | None) -> str:
    """Digests of the files that shape tokens. `given`: None for a tokenizer that is trained."""
    paths = [path for path in _paths(given) if path.name != TEMPLATE or template is None]
    return "-".join(digest_of(path)[:12] for path in (*paths, *_own(template)))


def _paths(given: str | None) -> list[Path]:
    if given is None:
        return []
    folder = _folder(given)
    return [folder / name for name in FILES if (folder / name).is_file()]


def _own(template: str | None) -> list[Path]:
    if template is None:
        return []
    if not Path(template).is_file():
        raise InputError(f"{NAME}: there is no chat template at {template}", remedy="name a file with a Jinja template")
    return [Path(template)]


def copy(given: str | None, template: str | None, folder: Path) -> None:
    """Put the files into a folder, the tokenizer last; a template of the user's own replaces theirs."""
    for path in reversed(_paths(given)):
        shutil.copyfile(path, folder / path.name)
    for path in _own(template):
        shutil.copyfile(path, folder / TEMPLATE)
