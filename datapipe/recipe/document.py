"""A recipe's YAML as plain values, with the place of each, so that every problem can name its line.

YAML 1.2 core types (`no` and `2026-11-01` are text), no tags, no merge keys, no key twice, one document. Size,
depth and repetition by aliases are limited, so that a hostile file costs no more than an honest one.
Costs a few milliseconds: a recipe has some hundred lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import yaml

from datapipe.errors import InputError, Problem

__all__ = ["Document", "KeyPath", "parse_value", "read_document", "write_document"]

KeyPath: TypeAlias = tuple[str | int, ...]

MAX_BYTES = 1 << 20
MAX_DEPTH = 24
MAX_REPEATED = 100  # nodes that aliases may repeat in all

_TAG = "tag:yaml.org,2002:"
_CORE: dict[str, tuple[str, str]] = {  # https://yaml.org/spec/1.2.2/#1032-tag-resolution
    "null": (r"~|null|Null|NULL|", "~nN\0"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
}
_SCALARS: dict[str, Callable[[str], Any]] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": lambda text: int(text, 0) if text[:2] in {"0o", "0x"} else int(text),
    "float": lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
    "str": str,
}


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]


class _Dumper(yaml.SafeDumper):
    """Quotes whatever either version of YAML would read as something else than text."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


for _kind, (_pattern, _first) in _CORE.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(f"(?:{_pattern})$"), ["", *_first])


@dataclass
class Document:
    """Values, the place of each (`recipe.yaml:12` or `--set a.b=c`), and what was wrong on the way."""

    name: str
    values: Any = None
    places: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    spoiled: set[KeyPath] = field(default_factory=set)  # values that could not be read; one problem each is enough

    def place(self, path: KeyPath) -> str:
        """Where the value stands, or the nearest thing around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return self.name

    def line(self, path: KeyPath) -> int:
        """Line of the value in the file; 0 if it does not stand there."""
        name, _, line = self.place(path).rpartition(":")
        return int(line) if name == self.name else 0

    def problem(self, path: KeyPath, message: str, remedy: str = "") -> None:
        """Note that something is wrong with the value at `path`."""
        if path in self.spoiled:
            return
        key = ".".join(str(part) for part in path)
        where = f"{self.place(path)}: {key}" if key else self.place(path)
        self.problems.append(Problem(where, message, remedy))


def read_document(path: Path) -> Document:
    """Read a file. Raises InputError if it cannot be read; what is wrong inside is in `problems`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"the recipe {path} cannot be read: {error.strerror}", remedy="check the path") from error
    if len(data) > MAX_BYTES:
        raise InputError(
            f"{path} has {len(data):,} bytes; a recipe has at most {MAX_BYTES:,}", remedy="is it a recipe?"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start})", remedy="save it as UTF-8") from error
    return _parse(text, Document(str(path)))


def parse_value(text: str) -> Any:
    """The value in `--set key=value`. Raises ValueError with one line on what is wrong."""
    document = _parse(text, Document("value"))
    if document.problems:
        raise ValueError(document.problems[0].message)
    return document.values


def write_document(values: Any) -> str:
    """YAML that `read_document` reads back as the same values; keys in the order given."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


def _parse(text: str, document: Document) -> Document:
    try:
        _check_depth(text)
        root = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.places[()] = f"{document.name}:{mark.line + 1 if mark else 1}"
        document.problem((), f"this is not YAML: {error.problem or error.context}")
    except (yaml.YAMLError, _TooDeepError) as error:
        document.problem((), f"this is not YAML: {' '.join(str(error).split())}")
    else:
        if root is not None:
            document.values = _Builder(document).build(root, (), 0)
    return document


class _TooDeepError(ValueError):
    pass


def _check_depth(text: str) -> None:
    """Walk the events, which takes no recursion, before anything that recurses sees the file."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _TooDeepError(f"lists and mappings are nested more than {MAX_DEPTH} deep")


class _Builder:
    """Plain values from nodes. An alias is the same node met again; what it repeats is counted."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.met: set[int] = set()
        self.repeated = 0

    def build(self, node: yaml.Node, path: KeyPath, depth: int) -> Any:
        self.document.places.setdefault(path, f"{self.document.name}:{node.start_mark.line + 1}")
        if not self._may_visit(node, path, depth):
            return None
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return {key: self.build(value, (*path, key), depth + 1) for key, value in self._items(node, path)}
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.build(value, (*path, at), depth + 1) for at, value in enumerate(node.value)]
        kind = node.tag.removeprefix(_TAG)
        if not isinstance(node, yaml.ScalarNode) or kind not in _SCALARS:
            self.document.problem(path, f"the tag {node.tag} is not allowed", "a recipe holds plain values only")
            self.document.spoiled.add(path)
            return None
        try:
            return _SCALARS[kind](node.value)
        except ValueError:
            self.document.problem(path, f"{node.value!r} is no {kind}", "leave the tag out")
            self.document.spoiled.add(path)
            return None

    def _may_visit(self, node: yaml.Node, path: KeyPath, depth: int) -> bool:
        if id(node) in self.met:
            self.repeated += 1
            if self.repeated == MAX_REPEATED + 1:
                self.document.problem(path, f"aliases repeat more than {MAX_REPEATED} values", "write them out")
        self.met.add(id(node))
        return self.repeated <= MAX_REPEATED and depth <= MAX_DEPTH

    def _items(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, yaml.Node]]:
        seen: dict[str, int] = {}
        for key_node, value in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.document.problem(path, "a key must be plain text")
                continue
            key = key_node.value
            here = (*path, key)
            if key in seen:
                name = self.document.name
                key_path = ".".join(map(str, here))
                message = f"the key '{key}' stands here and on line {seen[key]}"
                self.document.problems.append(Problem(f"{name}:{line}: {key_path}", message, "keep one of them"))
                continue
            seen[key] = line
            self.document.places.setdefault(here, f"{self.document.name}:{line}")
            if key == "<<":
                self.document.problem(here, "merge keys are not supported", "write the options out")
                continue
            yield key, value
