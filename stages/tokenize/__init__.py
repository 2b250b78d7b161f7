"""Turn texts and conversations into tokens, and say which of them carry loss.

What: a tokenizer by path, by its name on the hub, or trained on the corpus. A text becomes its tokens and the one that
ends a document. A conversation is rendered by the tokenizer's chat template; every turn of the assistant carries loss,
with the token that ends it, but for reasoning that is masked (`chat.reasoning`). Words of documents never become
control tokens, whatever they say.
The mask gate, on every row: the rendering is that of the row's shape with the row's texts in their places; the tokens
that carry loss are, byte by byte, the turn in it. What the template renders at inference is known by shape, and from
the texts themselves in one row of 32 and wherever a text holds what the template looks for (see `_turns`). What does
not fit leaves with a reason; what templates drop (Qwen3: reasoning of earlier turns) and add (an empty think block) is
told by message and totalled; the end of a run and its state say how many trained turns differ. For templates that
rewrite history, `split.turns` before this stage makes a conversation of each turn. Template dates are the template's
own: no output depends on the day. What hostile templates and tokenizers may do is bounded here (see `_sandbox`), so
that no child process is needed.
Why: masks that are off by a token, or zero, train silently on the wrong thing; stock templates give no mask at all.
Costs: of the speed of `tokenizers`' encode_batch on the same core, texts reach 76% to 116%; conversations, with one
rendering each and one of each shape, 88% (SmolLM2) and 95% (Qwen3), and 94% and 106% of rendering and encode_batch
(tests/benchmarks/tokens.py).
Source: TRL and torchtune for the loss on all of the assistant's turns; transformers for templates.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, model_validator

from datapipe.errors import InputError
from datapipe.stage import (
    Map,
    Mask,
    Notice,
    Prepare,
    Size,
    StageConfig,
    above,
    decide,
    first_of,
    measure,
    place,
)
from stages.tokenize import _encode as encoding
from stages.tokenize import _files as files
from stages.tokenize import _scenes as scenes
from stages.tokenize import _train as training
from stages.tokenize import _turns as turning
from stages.tokenize._columns import ADDS, Row, columns_of
from stages.tokenize._template import NAME
from stages.tokenize._tokenizer import Tokenizer, load
from stages.tokenize._turns import Fault

TOO_LONG = "too_long"
TOO_LARGE = "too_large"
EMPTY = "empty"
LOST_REASONING = "reasoning_lost"
REWRITTEN = "history_rewritten"
REMEDY = "split.turns before this stage makes a conversation of each turn"
FAULTS = {
    EMPTY: "neither a text nor a message",
    TOO_LARGE: "more bytes than max_bytes",
    turning.UNKNOWN_ROLE: f"a role that is none of {', '.join(turning.ROLES)}",
    turning.OTHERS: "a message of another role than the assistant is to be trained",
    turning.WEIGHT: "the weight of a turn is below 0 or not finite",
    turning.NOTHING: "no turn of the assistant is to be trained",
    turning.TOOLS: "the tools are no JSON array",
    turning.UNPAIRED: "half of a character that is written in two (a lone surrogate)",
    scenes.REFUSED: "the chat template refuses the conversation",
    scenes.FAILS: "the chat template fails on the conversation, or does more than any should",
    turning.READS: "the chat template changes texts, so that they cannot be told from its own",
    scenes.LOST: "the chat template leaves out text of a trained turn",
    scenes.NOT_FOUND: "a trained turn does not stand behind the prompt to speak, as where that ends in <think> and the "
    "turn has no reasoning",
    scenes.NO_END: "nothing ends a trained turn",
    encoding.IN_TEXT: "a control token in what somebody has said",
    encoding.TWICE: "the token that begins a sequence stands there twice",
    encoding.UNCUT: "the tokenizer gives up on a text",
    encoding.MASK: "the tokens that carry loss do not read as the turn",
}


class Trained(BaseModel):
    """A tokenizer that is trained on the corpus first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: training.Training = Field(description="how it is trained")


class Config(StageConfig):
    """The tokenizer, what stands around texts, what is trained, and what is too long."""

    tokenizer: str | Trained = place(
        description="folder of a tokenizer, its tokenizer.json, a name on the hub (@revision), or {train: {vocabulary: "
        "8000}} to train one; its bytes count, not its name"
    )
    chat_template: str | None = place(None, "file of a chat template, instead of the tokenizer's own")
    bos: Literal["auto", "never", "always"] = measure(
        "auto", "the first token: as the tokenizer has it for texts and the template for conversations"
    )
    eos: Literal["auto", "never", "always"] = measure(
        "auto", "the last token of a text: where the tokenizer has one; in conversations it is the template's"
    )
    end: str | None = measure(
        None, "token that ends a text, such as <|endoftext|>, where the tokenizer's own is for turns"
    )
    turns: Literal["all", "last"] = measure("all", "turns of the assistant that carry loss; `train` of each is heeded")
    max_tokens: int | None = measure(None, "tokens; see overlong", ge=16)
    overlong: Literal["drop", "cut_front"] = measure(
        "drop",
        "more than max_tokens leaves as too_long, or loses its first turns (but for the system's) until it fits; "
        "texts leave either way: without max_tokens, `pack` cuts them into pieces",
    )
    max_bytes: Size = measure(16 << 20, "bytes; larger documents leave as too_large", gt=0)
    lost_reasoning: Literal["drop", "keep"] = decide(
        "drop",
        "trained turns whose reasoning the template leaves out: the conversation leaves, or stays without; none are "
        "left out behind split.turns",
    )
    rewritten: Literal["keep", "drop"] = decide(
        "keep",
        "conversations with trained turns that the template writes otherwise at inference; with split.turns, "
        "reasoning_only: false, above there are none",
    )

    @model_validator(mode="after")
    def _has_a_limit(self) -> Config:
        if self.overlong == "cut_front" and self.max_tokens is None:
            raise ValueError("overlong: cut_front needs max_tokens")
        return self


# ---------------------------------------------------------------------------------------------- the tokenizer


def libraries(config: Config) -> tuple[str, ...]:
    """What cuts and renders, and the tokenizer: its files, or how it is trained."""
    path = config.tokenizer if isinstance(config.tokenizer, str) else None
    how = "" if isinstance(config.tokenizer, str) else config.tokenizer.train.model_dump_json()
    return "tokenizers", "jinja2", f"tokenizer={how}{files.version(path, config.chat_template)}"


def sketch_reads(config: Config) -> tuple[str, ...]:
    """What a tokenizer is trained on; nothing where it comes from elsewhere."""
    return () if isinstance(config.tokenizer, str) else ("id", "text", "messages")


def sketch(batch: pa.RecordBatch, config: Config) -> pa.Table:
    """Words and how often they were met."""
    if isinstance(config.tokenizer, str):
        return training.merge([])
    return training.sketch(batch, config.tokenizer.train, config.max_bytes)


def build(words: pa.Table, config: Config, folder: Path) -> None:
    """The tokenizer's files, which a run keeps beside its tokens."""
    if isinstance(config.tokenizer, str):
        files.copy(config.tokenizer, config.chat_template, folder)
    else:
        training.train(words, config.tokenizer.train, folder)
        files.copy(None, config.chat_template, folder)
    load(folder)


@dataclass(frozen=True)
class _Bounds:
    """First and last token of a text, and the first of a conversation; None: no such token."""

    begin: int | None
    end: int | None
    opening: int | None


def _bounds(tokenizer: Tokenizer, config: Config) -> _Bounds:
    begins = config.bos == "always" or (config.bos == "auto" and tokenizer.begins)
    begin = _token(tokenizer, "bos_token", "bos: never") if begins else None
    if config.end is not None:
        end = tokenizer.control.get(config.end)
        if end is None:
            raise InputError(f"{NAME}: the tokenizer has no token {config.end}", remedy="set `end` to one that it has")
    elif config.eos == "always":
        end = _token(tokenizer, "eos_token", "end to the token that ends a text")
    else:
        end = tokenizer.token("eos_token")
    return _Bounds(begin, None if config.eos == "never" else end, begin if config.bos == "always" else None)


def _token(tokenizer: Tokenizer, name: str, remedy: str) -> int:
    found = tokenizer.token(name)
    if found is None:
        raise InputError(f"{NAME}: the tokenizer has no {name}", remedy=f"set {remedy}")
    return found


# ---------------------------------------------------------------------------------------------- rows


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Tokens, the stretches that carry loss (null: all do), and what was met on the way; see `ADDS`.

    A document with a `fault` has no tokens. Counts of a conversation's rendering are null for texts.
    """
    assert resource is not None
    tokenizer = load(resource)
    bounds = _bounds(tokenizer, config)
    documents = list(zip(*(batch[name].to_pylist() for name in READS), strict=True))
    rows = [_row(document, tokenizer, bounds, config) for document in documents]
    _encode(rows, tokenizer)
    if config.overlong == "cut_front":
        assert config.max_tokens is not None

        def again(document: tuple[Any, Any, Any], *, without: int) -> Row:
            row = _row(document, tokenizer, bounds, config, without=without)
            _encode([row], tokenizer)
            return row

        for at, row in enumerate(rows):
            if row.rendered is not None and row.tokens is not None and len(row.tokens.ids) > config.max_tokens:
                rows[at] = _cut_front(row, documents[at], again, config.max_tokens)
    return columns_of(rows)


def _row(
    document: tuple[Any, Any, Any], tokenizer: Tokenizer, bounds: _Bounds, config: Config, *, without: int = 0
) -> Row:
    """A text or a conversation as items to cut; `without`: rounds that are left out at its front."""
    text, messages, tools = document
    try:
        if not messages:
            _fits(len((text or "").encode()), config)
            return Row(encoding.items_of_text(text, bounds.begin, bounds.end)) if text else Row(fault=EMPTY)
        if tokenizer.speech is None:
            raise InputError(
                f"{NAME}: the tokenizer has no chat template", remedy="set chat_template to the file of one"
            )
        _fits(_size(messages, tools), config)
        shorter, cut = _shortened(messages, without)
        rendered = turning.render(shorter, tools, tokenizer, config.turns)
        items = encoding.items_of(rendered, tokenizer, bounds.opening)
    except Fault as fault:
        return Row(fault=fault.reason)
    return Row(items, rendered, cut=cut)


def _size(messages: list[dict[str, Any]], tools: str | None) -> int:
    """Bytes of all that is said, called and may be called."""
    texts = [tools, *(each[name] for each in messages for name in ("content", "reasoning"))]
    calls = [call for each in messages for call in each["tool_calls"] or ()]
    texts += [call[name] for call in calls for name in ("name", "arguments")]
    return sum(len((text or "").encode()) for text in texts)


def _fits(size: int, config: Config) -> None:
    if size > config.max_bytes:
        raise Fault(TOO_LARGE)


def _rounds(messages: list[dict[str, Any]]) -> list[int]:
    """Where rounds begin: at what users say after something else."""
    return [
        at
        for at, each in enumerate(messages)
        if each["role"] == "user" and (not at or messages[at - 1]["role"] != "user")
    ]


def _shortened(messages: list[dict[str, Any]], without: int) -> tuple[list[dict[str, Any]], tuple[int, int]]:
    """The conversation without some rounds at its front, and which messages [start, end) those are."""
    if not without:
        return messages, (0, 0)
    rounds = _rounds(messages)
    first, last = rounds[0], rounds[without]
    return messages[:first] + messages[last:], (first, last)


def _encode(rows: list[Row], tokenizer: Tokenizer) -> None:
    """Cut the sequences of rows that have one."""
    whole = [(row, row.items) for row in rows if row.items is not None]
    for (row, _), tokens in zip(whole, encoding.encode([items for _, items in whole], tokenizer), strict=True):
        row.tokens, row.items, row.fault = tokens, None, tokens.fault


def _cut_front(row: Row, document: tuple[Any, Any, Any], again: Any, most: int) -> Row:
    """The conversation without as few rounds as it takes to fit; as it was where none are left that fit."""
    assert row.tokens is not None
    low, high, found = 1, len(_rounds(document[1])) - 1, row
    while low <= high:
        middle = (low + high) // 2
        tried = again(document, without=middle)
        if tried.tokens is not None and len(tried.tokens.ids) <= most:
            found, high = tried, middle - 1
        else:
            low = middle + 1
    found.cut_tokens = len(row.tokens.ids) - (0 if found.tokens is None else len(found.tokens.ids))
    return found


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """What is wrong with a document, else whether it is too long or has lost something on the way."""
    faults: Any = measured["fault"]
    rules = [(_is(faults, fault), fault) for fault in FAULTS]
    rules.append((above(measured["token_count"], config.max_tokens), TOO_LONG))
    if config.lost_reasoning == "drop":
        rules.append((above(measured["lost_reasoning"], 0), LOST_REASONING))
    if config.rewritten == "drop":
        rules.append((above(measured["rewritten_turns"], 0), REWRITTEN))
    return first_of(*rules)


def _is(faults: Any, fault: str) -> Mask:
    found: Mask = pc.fill_null(pc.equal(faults, pa.scalar(fault)), False).to_numpy(zero_copy_only=False)
    return found


def say(sums: dict[str, int], config: Config) -> str | None:
    """How many trained turns do not read as at inference, and what the template leaves out."""
    told = []
    if sums["rewritten_turns"]:
        told.append(
            f"{sums['rewritten_turns']:,} of {sums['trained_turns']:,} trained turns are not what the chat template "
            "writes at inference; put {use: split.turns, reasoning_only: false} above it, or set rewritten: drop"
        )
    if sums["dropped_characters"]:
        told.append(
            f"the chat template leaves out {sums['dropped_characters']:,} characters of messages and tools, told by "
            "message in by_message"
        )
    return "; ".join(told) or None


def example(folder: Path) -> Config:
    """A small tokenizer of the corpus's own."""
    return Config(tokenizer=Trained(train=training.Training.model_validate({"vocabulary": 400})))


READS = ("text", "messages", "tools")
STAGE = Map(
    name=NAME,
    version=3,
    config=Config,
    reads=READS,
    optional=READS,
    adds=ADDS,
    coded=("fault",),
    reasons={
        **FAULTS,
        TOO_LONG: "more tokens than max_tokens",
        LOST_REASONING: f"the chat template leaves out the reasoning of a trained turn; {REMEDY}",
        REWRITTEN: f"the chat template writes a trained turn otherwise at inference; {REMEDY}",
    },
    libraries=libraries,
    prepare=Prepare(build=build, sketch=sketch, merge=training.merge, reads=sketch_reads),
    process=process,
    decide=decide_reasons,
    decides=("fault", "token_count", "lost_reasoning", "rewritten_turns"),
    notice=Notice(sums=("trained_turns", "rewritten_turns", "dropped_characters"), say=say),
    example=example,
)
