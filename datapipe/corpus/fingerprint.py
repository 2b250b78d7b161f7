"""Fingerprints: what a stored value depends on, kept with its payload so that a stale one can say why.

The value fingerprint of a stage covers its name, version, libraries, `measure` config, resource and the
fingerprints of the columns it reads. It leaves out which documents survive, so layers are extended, not
redone; and where things lie, so a moved input or run changes nothing.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable
from typing import Any

import xxhash

from datapipe.stage import Stage, StageConfig
from datapipe.text import TABLES_VERSION

__all__ = ["config_by_role", "difference", "fingerprint", "library_versions", "versions"]


def fingerprint(payload: dict[str, Any]) -> str:
    """32 hex digits for a JSON-like payload."""
    return xxhash.xxh3_128_hexdigest(json.dumps(payload, sort_keys=True, ensure_ascii=False).encode())


def config_by_role(config: StageConfig, role: str) -> dict[str, Any]:
    """The fields of a config that are declared `measure`, `decide` or `place`; undeclared ones measure."""
    values = config.model_dump(mode="json")
    fields = type(config).model_fields
    return {name: value for name, value in values.items() if _role(fields[name].json_schema_extra) == role}


def _role(extra: Any) -> str:
    return extra.get("role", "measure") if isinstance(extra, dict) else "measure"


def library_versions(stage: Stage, config: StageConfig) -> dict[str, str]:
    """Versions of what shapes the stage's output, by name."""
    return versions(stage.libraries_for(config))


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """The version of each library by name; that of `name=version` stands in it."""
    parts = (entry.partition("=") for entry in libraries)
    return {name: version or _version(name) for name, _, version in parts}


def _version(name: str) -> str:
    """Of a distribution; `datapipe.text` stands for the Unicode tables that its kernels use."""
    return TABLES_VERSION if name == "datapipe.text" else importlib.metadata.version(name)


def difference(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """Which entries of two payloads differ, as `key: old -> new`."""
    lines = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            lines += difference(before, after, f"{prefix}{key}.")
        elif before != after:
            lines.append(
                f"{prefix}{key}: {json.dumps(before, ensure_ascii=False)} -> {json.dumps(after, ensure_ascii=False)}"
            )
    return lines
