"""Chat templates: what turns a conversation into the text that a model reads, as `transformers` renders them.

They come with tokenizers and so from strangers: Jinja's immutable sandbox runs them, which reaches no attribute of
Python's own and changes nothing that it is given. There is no `strftime_now`, because an output may not depend on the
day; templates that ask for it first fall back on a date of their own.
Costs some 30 microseconds a rendering of a few turns with Qwen3's template.
Source: the filters and options are those of transformers' `apply_chat_template`.
"""

from __future__ import annotations

import json
from typing import Any

from datapipe.algo.models import package

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
    return json.dumps(value, ensure_ascii=bool(style.get("ensure_ascii")), **known)


def _environment() -> Any:
    jinja = package("jinja2", extra=EXTRA, stage=NAME)
    sandbox = package("jinja2.sandbox", extra=EXTRA, stage=NAME)
    ext = package("jinja2.ext", extra=EXTRA, stage=NAME)

    def parse(self: Any, parser: Any) -> Any:
        """`{% generation %}` marks what is trained for others; here it is only its content."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja.nodes.Scope(body).set_lineno(line)

    generation = type("Generation", (ext.Extension,), {"tags": {"generation"}, "parse": parse})
    made = sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[generation, ext.loopcontrols]
    )
    made.filters["tojson"] = _tojson
    made.globals["raise_exception"] = _refuse
    return made


class Template:
    """A chat template and the names of special tokens that it may use.

    Raises jinja2.TemplateSyntaxError if it is no template.
    """

    def __init__(self, source: str, tokens: dict[str, str]) -> None:
        self._template = _environment().from_string(source)
        self._tokens = tokens

    def render(self, messages: list[dict[str, Any]], tools: Any = None, *, prompt: bool = False) -> str:
        """The text of a conversation; with `prompt` up to where the assistant begins to speak.

        Raises TemplateFault.
        """
        try:
            text: str = self._template.render(
                messages=messages, tools=tools, documents=None, add_generation_prompt=prompt, **self._tokens
            )
        except _Refused:
            raise TemplateFault(refused=True) from None
        except Exception:  # noqa: BLE001 - a template of anybody's raises whatever its expressions do
            raise TemplateFault(refused=False) from None
        return text
