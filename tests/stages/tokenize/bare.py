"""Chat templates as inference servers render them: Jinja alone, and nothing of the stage's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import jinja2.ext
import jinja2.sandbox

__all__ = ["Bare", "Refused", "bare_of", "compiled"]

TOKENS = ("bos_token", "eos_token")


class Refused(Exception):
    """What a template raises by itself."""


def _refuse(_why: str = "") -> None:
    raise Refused


def compiled(source: str) -> jinja2.Template:
    """A template with the filters and options of transformers' `apply_chat_template`."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    environment.globals["raise_exception"] = _refuse
    return environment.from_string(source)


@dataclass(frozen=True)
class Bare:
    """A template, its tokens, and whether it takes the arguments of calls as texts."""

    template: jinja2.Template
    tokens: dict[str, str]
    texts: bool

    def text(self, talk: list[dict[str, Any]], tools: str | None, *, prompt: bool = False) -> str:
        """A conversation; with `prompt` up to where the assistant begins to speak. Raises Refused."""
        given = [self._message(each) for each in talk]
        listed = json.loads(tools or "null") or None
        return self.template.render(messages=given, tools=listed, add_generation_prompt=prompt, **self.tokens)

    def turn(self, talk: list[dict[str, Any]], tools: str | None, at: int) -> str | None:
        """What is generated as a message, and what the template writes behind; None if it is no continuation."""
        before, whole = self.text(talk[:at], tools, prompt=True), self.text(talk[: at + 1], tools)
        return whole[len(before) :] if whole.startswith(before) else None

    def _message(self, message: dict[str, Any]) -> dict[str, Any]:
        made = {"role": message["role"], "content": message["content"] or ""}
        if message["reasoning"]:
            made["reasoning_content"] = message["reasoning"]
        if message["tool_calls"]:
            made["tool_calls"] = [self._call(each) for each in message["tool_calls"]]
        return made

    def _call(self, call: dict[str, str]) -> dict[str, Any]:
        arguments = call["arguments"] if self.texts else json.loads(call["arguments"])
        return {"type": "function", "id": call["id"], "function": {"name": call["name"], "arguments": arguments}}


def bare_of(folder: Path, *, texts: bool = False) -> Bare:
    """The template in the folder of a tokenizer."""
    told = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    tokens = {name: told[name] for name in TOKENS if told.get(name)}
    return Bare(compiled(told["chat_template"]), tokens, texts)
