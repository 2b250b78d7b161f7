"""Chat templates: what turns a conversation into the text that a model reads, as `transformers` renders them.

They come with tokenizers and so from strangers: Jinja's immutable sandbox runs them, which reaches no attribute of
Python's own and changes nothing that it is given. What a rendering may do is bounded: turns of loops and calls of
macros, what a product, a power or a format makes, and the text in all; past that it fails. There is no
`strftime_now`, because an output may not depend on the day; templates that ask for it first fall back on a date of
their own.
Costs a rendering by Jinja, which grows with messages.
Source: the filters and options are those of transformers' `apply_chat_template`.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

from datapipe.algo.models import package
from stages.tokenize._bounds import SMALL, flat
from stages.tokenize._looks import Looks, looks_of

__all__ = ["EXTRA", "NAME", "Template", "TemplateFault"]

NAME = "tokenize"
EXTRA = "tokens"


class TemplateFault(Exception):
    """The template cannot render a conversation. `refused`: it says so itself."""

    def __init__(self, *, refused: bool) -> None:
        super().__init__()
        self.refused = refused


class _Refused(Exception):
    """What `raise_exception` of a template raises."""


def _refuse(_message: Any = None) -> None:
    raise _Refused


def _tojson(value: Any, **style: Any) -> str:
    """JSON as it is: Jinja's own filter escapes what HTML would take for markup."""
    known = {name: style[name] for name in ("indent", "separators", "sort_keys") if name in style}
    if isinstance(known.get("indent"), int | str) and len(str(known["indent"])) > SMALL:
        raise ValueError
    return json.dumps(flat(value), ensure_ascii=bool(style.get("ensure_ascii")), **known)


def _environment() -> Any:
    package("jinja2", extra=EXTRA, stage=NAME)  # which the module of the sandbox needs
    made = import_module("stages.tokenize._sandbox").Environment()
    made.filters["tojson"] = _tojson
    made.globals["raise_exception"] = _refuse
    return made


class Template:
    """A chat template and the names of special tokens that it may use.

    Raises jinja2.TemplateSyntaxError if it is no template, and TemplateFault if it does too much to be read.
    """

    def __init__(self, source: str, tokens: dict[str, str]) -> None:
        self._environment = _environment()
        try:
            self._template = self._environment.from_string(source)
        except (RecursionError, MemoryError, OverflowError):
            raise TemplateFault(refused=False) from None
        self._tokens = tokens
        nodes = package("jinja2.nodes", extra=EXTRA, stage=NAME)
        self._looks: Looks = looks_of(nodes, self._environment.parse(source))

    def looks(self, texts: list[str]) -> bool:
        """Whether one of the texts holds, or is, what the template looks for."""
        return any(map(self._looks, texts))

    def render(self, messages: list[dict[str, Any]], tools: Any = None, *, prompt: bool = False) -> str:
        """The text of a conversation; with `prompt` up to where the assistant begins to speak.

        Raises TemplateFault.
        """
        try:
            context = self._template.new_context(
                {
                    "messages": messages,
                    "tools": tools,
                    "documents": None,
                    "add_generation_prompt": prompt,
                    **self._tokens,
                }
            )
            text: str = self._environment.written(self._template.root_render_func(context), len(messages))
        except _Refused:
            raise TemplateFault(refused=True) from None
        except Exception:  # noqa: BLE001 - a template of anybody's raises whatever its expressions do
            raise TemplateFault(refused=False) from None
        return text
