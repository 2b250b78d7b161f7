"""A tokenizer as its files tell: what cuts text, what its control tokens are, and how its template speaks.

Text of documents never becomes a control token: it is cut by the tokenizer without its added tokens, and these are put
where the template, not the text, writes them. What stands where a sequence begins, after a control token, or in the
middle of text differs for tokenizers that put a space in front of text; there is one of each.
Costs reading the files once a process, four times over (2.6 s for Qwen3's 150,000 tokens).
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from datapipe.algo.models import package
from datapipe.algo.resource import loaded_once
from datapipe.errors import InputError
from stages.tokenize._kept import Kept
from stages.tokenize._template import EXTRA, NAME, Template, TemplateFault

__all__ = ["AFTER", "BEGIN", "MIDDLE", "Speech", "Tokenizer", "load"]

BEGIN, AFTER, MIDDLE = range(3)  # of a text: at the start, after a control token, in the middle of text
SPECIALS = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token")
LOOKS = re.compile(r"<[|｜][^|｜<>\s]{1,40}[|｜]>|<(?:start|end)_of_turn>")
MOST_BYTES = 256 << 20  # of a file; the largest vocabularies, of 262,144 tokens, take 35 MB
MOST_IDS = 1 << 24
LITERALS = 4096  # texts of the template whose tokens are remembered
SAID = "qxvzjw"  # a message that no template writes by itself
ASKED = [{"role": "user", "content": SAID + "1"}]
ANSWERED = [*ASKED, {"role": "assistant", "content": SAID + "2"}]


@dataclass(frozen=True)
class Speech:
    """How a template lets the assistant speak.

    `header`: what it writes before a turn is generated. `end`: the control token that ends a turn, None where it writes
    none. `texts`: arguments of tools must be given as the JSON text that they are. `kept`: shapes of conversations.
    """

    template: Template
    header: str
    end: str | None
    texts: bool
    kept: Kept = field(default_factory=Kept)


@dataclass(frozen=True)
class Tokenizer:
    """`cutters`: by place of a text (BEGIN, AFTER, MIDDLE), what encodes it without any added token.

    `control`: ids of added tokens by text. `specials`: names such as eos_token, and the texts of the tokens.
    `closing`: ids of those that are special. `unknown`: what stands for text that the tokenizer has no token for.
    `begins`: whether the tokenizer itself puts bos_token in front of a text. `bytes`: what each token stands for, in
    tokenizers on bytes; else empty.
    """

    whole: Any
    bytes: list[bytes]
    cutters: tuple[Any, Any, Any]
    control: dict[str, int]
    closing: frozenset[int]
    unknown: int | None
    specials: dict[str, str]
    begins: bool
    speech: Speech | None
    _found: re.Pattern[str] | None
    _known: Any

    def token(self, name: str) -> int | None:
        """The id of a special token by its name, such as bos_token."""
        return self.control.get(self.specials.get(name, ""))

    def controls(self, literal: str) -> tuple[tuple[int, int, int], ...]:
        """Control tokens in a text of the template: [start, end) and id."""
        found: tuple[tuple[int, int, int], ...] = self._known(literal)
        return found

    def mentions(self, text: str) -> bool:
        """Whether a text holds what would be a control token in the template."""
        return self._found is not None and self._found.search(text) is not None


@loaded_once("tokenizer.json")
def load(folder: Path) -> Tokenizer:
    """The tokenizer in a folder. Raises InputError if it cannot be read or its template does not fit it."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # a task has one core; threads of its own take others'
    tokenizers = package("tokenizers", extra=EXTRA, stage=NAME)
    try:
        told = json.loads(_text(folder / "tokenizer.json"))
        whole, *cutters = (tokenizers.Tokenizer.from_str(json.dumps(each)) for each in (told, *_placed(told)))
        added = {token["content"]: token for token in told.get("added_tokens") or ()}
        config = _json(folder / "tokenizer_config.json")
        specials = _specials(config) | _specials(_json(folder / "special_tokens_map.json"))
        _held(whole)
    except Exception as error:  # noqa: BLE001 - the package raises Exception itself
        raise InputError(
            f"{NAME}: the tokenizer's files cannot be read ({type(error).__name__})", remedy="fetch them anew"
        ) from None
    for each in (whole, *cutters):
        each.no_truncation()
        each.no_padding()
    control = {text: whole.token_to_id(text) for text in added}
    pattern = _pattern(added)
    known = lru_cache(LITERALS)(lambda text: _controls(text, pattern, control))
    unknown = told.get("model", {}).get("unk_token")
    template = _template(folder, config, specials)
    return Tokenizer(
        whole=whole,
        bytes=_bytes(told, whole, control),
        cutters=(cutters[0], cutters[1], cutters[2]),
        control=control,
        closing=frozenset(control[text] for text, token in added.items() if token.get("special")),
        unknown=None if unknown is None else whole.token_to_id(unknown),
        specials=specials,
        begins=_begins(whole, config, control.get(specials.get("bos_token", ""))),
        speech=None if template is None else _speech(template, pattern, added),
        _found=pattern,
        _known=known,
    )


def _held(whole: Any) -> None:
    """Raises ValueError for ids that no vocabulary has, for which there would have to be tables."""
    if max(whole.get_vocab(with_added_tokens=True).values(), default=0) >= MOST_IDS:
        raise ValueError


def _text(path: Path) -> str:
    """The text of a file. Raises ValueError for one that is too large to be of a tokenizer."""
    if path.stat().st_size > MOST_BYTES:
        raise ValueError
    return path.read_text(encoding="utf-8")


def _json(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(_text(path)) if path.is_file() else {}
    return told


def _specials(told: dict[str, Any]) -> dict[str, str]:
    """Special tokens by name; a token is told as text, or as an object with its content."""
    found = {name: told[name] for name in SPECIALS if told.get(name)}
    return {name: each["content"] if isinstance(each, dict) else str(each) for name, each in found.items()}


def _begins(whole: Any, config: dict[str, Any], bos: int | None) -> bool:
    """Whether texts get the first special token by themselves."""
    if "add_bos_token" in config:
        return bool(config["add_bos_token"]) and bos is not None
    return bos is not None and bos in whole.encode("", add_special_tokens=True).ids


def _bytes(told: dict[str, Any], whole: Any, control: dict[str, int]) -> list[bytes]:
    """The bytes of each token by its id, where a letter of a token is a byte (Radford et al. 2019)."""
    if (told.get("decoder") or {}).get("type") != "ByteLevel":
        return []
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]  # bytes that are letters by themselves
    others = [each for each in range(256) if each not in set(shown)]
    letters = {each: each for each in shown} | {256 + at: each for at, each in enumerate(others)}
    words = whole.get_vocab(with_added_tokens=True)
    found = [b"\xff"] * (max(words.values(), default=-1) + 1)  # no text holds this byte
    for word, at in words.items():
        known = word not in control and all(ord(letter) in letters for letter in word)
        found[at] = bytes(letters[ord(letter)] for letter in word) if known else word.encode()
    return found


# ---------------------------------------------------------------------------------------------- text without controls


def _placed(told: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """The tokenizer without added tokens for each place."""
    plain = {**told, "added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
    after = {**plain, "pre_tokenizer": _unprefixed(plain.get("pre_tokenizer"), firsts=True)}
    middle = {
        **plain,
        "pre_tokenizer": _unprefixed(plain.get("pre_tokenizer"), firsts=False),
        "normalizer": _unprefixed(plain.get("normalizer"), firsts=False),
    }
    return plain, after, middle


def _unprefixed(step: Any, *, firsts: bool) -> Any:
    """A step that puts no space in front of text; with `firsts` only where it would do so at the very start."""
    if not isinstance(step, dict):
        return step
    for name in ("pretokenizers", "normalizers"):
        if name in step:
            return {**step, name: [made for each in step[name] if (made := _unprefixed(each, firsts=firsts))]}
    if step.get("type") == "Metaspace" and (not firsts or step.get("prepend_scheme") == "first"):
        kept = {name: value for name, value in step.items() if name != "add_prefix_space"}
        return {**kept, "prepend_scheme": "never"}
    if firsts:
        return step
    if step.get("type") == "ByteLevel":
        return {**step, "add_prefix_space": False}
    return None if step.get("type") == "Prepend" else step


def _pattern(added: dict[str, Any]) -> re.Pattern[str] | None:
    """What finds added tokens, the longest first, with the blanks that some of them take in."""
    names = sorted((text for text in added if text), key=lambda text: (-len(text), text))
    if not names:
        return None
    parts = []
    for name in names:
        before = r"\s*" if added[name].get("lstrip") else ""
        after = r"\s*" if added[name].get("rstrip") else ""
        parts.append(before + re.escape(name) + after)
    firsts = "" if any(added[name].get("lstrip") for name in names) else _firsts(names)
    return re.compile(firsts + "(?:" + "|".join(parts) + ")")


def _firsts(names: list[str]) -> str:
    """Looks at one character before it tries hundreds of tokens."""
    return "(?=[" + "".join(re.escape(first) for first in sorted({name[0] for name in names})) + "])"


def _controls(text: str, pattern: re.Pattern[str] | None, control: dict[str, int]) -> tuple[tuple[int, int, int], ...]:
    if pattern is None:
        return ()
    found = []
    for hit in pattern.finditer(text):
        token = control.get(hit.group(), control.get(hit.group().strip()))
        if token is not None:
            found.append((hit.start(), hit.end(), token))
    return tuple(found)


# ---------------------------------------------------------------------------------------------- the template


def _template(folder: Path, config: dict[str, Any], specials: dict[str, str]) -> Template | None:
    """The chat template: in a file of its own, or in tokenizer_config.json, where it may be one of several."""
    path = folder / "chat_template.jinja"
    source: Any = path.read_text(encoding="utf-8") if path.is_file() else config.get("chat_template")
    if isinstance(source, list):
        named = {each.get("name"): each.get("template") for each in source}
        source = named.get("default", next(iter(named.values()), None))
    if not source:
        return None
    jinja = package("jinja2", extra=EXTRA, stage=NAME)
    try:
        return Template(source, specials)
    except jinja.TemplateSyntaxError as error:
        raise InputError(
            f"{NAME}: the chat template is no Jinja template (line {error.lineno})", remedy="mend it"
        ) from None
    except TemplateFault:
        raise InputError(
            f"{NAME}: the chat template is too large or too deep to be read", remedy="take another"
        ) from None


def _speech(template: Template, pattern: re.Pattern[str] | None, added: dict[str, Any]) -> Speech:
    """Let the template speak once. Raises InputError if it cannot, or writes control tokens that are none."""
    try:
        asked, prompt = template.render(ASKED), template.render(ASKED, prompt=True)
        answered = template.render(ANSWERED)
    except TemplateFault:
        raise InputError(
            f"{NAME}: the chat template cannot render a question and an answer",
            remedy="it must take messages with the roles user and assistant, and no variable of its own",
        ) from None
    lacking = sorted({token for token in LOOKS.findall(prompt + answered) if token not in added})
    if lacking:
        raise InputError(
            f"{NAME}: the chat template writes {lacking[0]}, which is no token of the tokenizer",
            remedy="take the template that belongs to the tokenizer, or add the token",
        )
    header = prompt.removeprefix(asked) if prompt.startswith(asked) else ""
    rest = answered.rpartition(SAID + "2")[2]
    ends = [hit.group().strip() for hit in pattern.finditer(rest)] if pattern else []
    end = next((each for each in ends if added[each].get("special")), None)
    return Speech(template, header, end, texts=_wants_texts(template))


def _wants_texts(template: Template) -> bool:
    """Whether the template fails on arguments that are an object, and takes them as text."""

    def takes(arguments: Any) -> bool:
        call = {"id": "call00001", "type": "function", "function": {"name": "f", "arguments": arguments}}
        said = {"role": "assistant", "content": "", "tool_calls": [call]}
        try:
            template.render([*ASKED, said])
        except TemplateFault:
            return False
        return True

    return not takes({"a": "b"}) and takes('{"a": "b"}')
