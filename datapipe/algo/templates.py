"""Prompt templates as data: texts with placeholders, by task and language, in YAML files.

    qa:                                    # a task
      any:                                 # a language, or any
        plain: "{question}"                # a template: what the user says
      zh:
        exam: {prompt: "题目：{question} 选项：{options}", answer: "答案：{answer}"}
        asked_back: "什么问题的答案是：{answer}"

A placeholder is a name in braces, `{{` and `}}` are braces; nothing else in a text means anything, and what is filled
in is never looked at again. A template with {answer} in its prompt is inverted: it asks for the question.
Costs 2 microseconds a text that is filled in; files are read once.
Source: the form follows the template files of Flan (Longpre et al. 2023), without their code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import xxhash
import yaml

from datapipe.algo.fields import as_json
from datapipe.algo.inputs import nearest_name
from datapipe.bundled import bundled
from datapipe.errors import InputError

__all__ = ["ANSWER", "FOLDER", "QUESTION", "Pattern", "Pool", "Template", "field_text", "parse_pattern", "read_pool"]

FOLDER = "configs/templates"
QUESTION, ANSWER = "question", "answer"
KEYS = ("prompt", "answer")
ANY = "any"  # in place of a language
_PARTS = re.compile(r"(\{\{|\}\}|\{[^{}]*\}|[{}])")
_BRACES = {"{{": "{", "}}": "}"}


@dataclass(frozen=True)
class Pattern:
    """A text with placeholders: literals, and between them the names of what is filled in."""

    literals: tuple[str, ...]
    names: tuple[str, ...]

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with each placeholder filled in, in one go."""
        parts = [self.literals[0]]
        for name, literal in zip(self.names, self.literals[1:], strict=True):
            parts += values[name], literal
        return "".join(parts)


class Template(NamedTuple):
    """What user and assistant say under a template. `fields`: placeholders besides question and answer."""

    name: str
    task: str
    language: str
    prompt: Pattern
    answer: Pattern
    inverted: bool

    @property
    def fields(self) -> frozenset[str]:
        """Placeholders besides question and answer."""
        return frozenset((*self.prompt.names, *self.answer.names)) - {QUESTION, ANSWER}

    @property
    def plain(self) -> bool:
        """Whether the answer stays as it is."""
        return not self.inverted and self.answer == Pattern(("", ""), (ANSWER,))


@dataclass(frozen=True)
class Pool:
    """Templates of some files, in their order; `digest` is over what they say."""

    templates: tuple[Template, ...]
    digest: str

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that there are templates for."""
        return tuple(dict.fromkeys(template.task for template in self.templates))

    def of(self, task: str | None, language: str) -> tuple[Template, ...]:
        """The templates of a task in a language (`zh` for zh-TW, too), and those in any."""
        base = language.lower().partition("-")[0]
        return tuple(each for each in self.templates if each.task == task and each.language in (ANY, base))


def parse_pattern(text: str, known: Iterable[str], where: str) -> Pattern:
    """A text with placeholders; `where` says whose. Raises InputError for a name that is not known, or a lone brace."""
    literals, names = [""], list[str]()
    for number, part in enumerate(_PARTS.split(text)):
        if number % 2 == 0 or part in _BRACES:
            literals[-1] += _BRACES.get(part, part)
        elif part in "{}":
            raise InputError(f"{where} has a lone {part}", remedy=f"write {part}{part} for a brace")
        else:
            names.append(_known(part[1:-1].strip(), tuple(known), where))
            literals.append("")
    return Pattern(tuple(literals), tuple(names))


def _known(name: str, known: tuple[str, ...], where: str) -> str:
    if name not in known:
        near = nearest_name(name, known)
        remedy = f"did you mean {{{near}}}?" if near else f"there are {', '.join(f'{{{each}}}' for each in known)}"
        raise InputError(
            f"{where}: {{{name}}} is no placeholder", remedy=f"{remedy} (`fields` names others, {{{{ is a brace)"
        )
    return name


# ---------------------------------------------------------------------------------------------- files


def read_pool(paths: Iterable[str], fields: Iterable[str]) -> Pool:
    """The templates in some files, or in those that come with datapipe if none is named.

    `fields`: placeholders besides question and answer. Raises InputError, naming file, line and key.
    """
    files = [Path(path) for path in paths] or sorted(bundled(FOLDER).glob("*.yaml"))
    found: dict[str, Template] = {}
    for file in files:
        try:
            seen = file.stat()
        except OSError as error:
            raise InputError(f"{file}: no file of templates", remedy=f"see {FOLDER} for the form") from error
        for template in _read(file, (seen.st_mtime_ns, seen.st_size), tuple(sorted(fields))):
            if template.name in found:
                raise InputError(f"{file}: {template.name} stands in another file, too", remedy="give it another name")
            found[template.name] = template
    return Pool(tuple(found.values()), xxhash.xxh3_128_hexdigest(repr(sorted(found.items())).encode()))


@lru_cache(maxsize=32)
def _read(file: Path, _seen: tuple[int, int], fields: tuple[str, ...]) -> tuple[Template, ...]:
    try:
        root: Any = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"{file} cannot be read as YAML: {said}", remedy=f"see {FOLDER} for the form") from error
    return tuple(
        _template((task, language, name), node, f"{file}:{node.start_mark.line + 1}: {task}.{language}.{name}", fields)
        for task, languages in _entries(root, str(file)).items()
        for language, own in _entries(languages, f"{file}: {task}").items()
        for name, node in _entries(own, f"{file}: {task}.{language}").items()
    )


def _entries(node: Any, where: str) -> dict[str, Any]:
    """The nodes of a mapping by key."""
    if not isinstance(node, yaml.MappingNode):
        raise InputError(f"{where} is no mapping of names", remedy=f"see {FOLDER} for the form")
    made: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.value in made:
            raise InputError(f"{where}: line {key.start_mark.line + 1} is no name of its own", remedy="name each once")
        made[key.value] = value
    return made


def _template(names: tuple[str, str, str], node: Any, where: str, fields: tuple[str, ...]) -> Template:
    parts = {KEYS[0]: node} if isinstance(node, yaml.ScalarNode) else _entries(node, where)
    for key, value in parts.items():
        if key not in KEYS or not isinstance(value, yaml.ScalarNode):
            raise InputError(f"{where}: {key} is no text of a template", remedy=f"there are {', '.join(KEYS)}")
    if KEYS[0] not in parts:
        raise InputError(f"{where} has no prompt", remedy="add `prompt`")
    known = (QUESTION, ANSWER, *fields)
    prompt = parse_pattern(parts["prompt"].value, known, where)
    inverted = ANSWER in prompt.names
    asks, says = (ANSWER, QUESTION) if inverted else (QUESTION, ANSWER)
    answer = parse_pattern(parts["answer"].value if "answer" in parts else f"{{{says}}}", known, where)
    if asks not in prompt.names or says in prompt.names or says not in answer.names or asks in answer.names:
        raise InputError(
            f"{where} does not ask with one of {{{QUESTION}}} and {{{ANSWER}}} and answer with the other",
            remedy="the prompt holds the one, the answer the other",
        )
    return Template(".".join(names), names[0], names[1], prompt, answer, inverted)


# ---------------------------------------------------------------------------------------------- what is filled in


def field_text(value: Any) -> str | None:
    """A field of a record as a template shows it: lists and mappings a line an entry; None if it holds nothing."""
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, (bool, int, float)):
        return as_json(value)
    if isinstance(value, list):
        shown = [field_text(each) for each in value if not isinstance(each, (list, dict))]
        return "\n".join(f"- {each}" for each in shown) if shown and len(shown) == len(value) and all(shown) else None
    if isinstance(value, dict):
        entries = {key: field_text(each) for key, each in value.items() if not isinstance(each, (list, dict))}
        whole = bool(entries) and len(entries) == len(value) and all(entries.values())
        return "\n".join(f"{key}: {each}" for key, each in entries.items()) if whole else None
    return None
