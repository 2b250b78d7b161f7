"""What is wrong with what is said: answers that break off, refuse or give away, marks of templates, languages.

Regular expressions of Arrow (RE2) over all texts at once; Python strings are made where a system prompt is compared
with answers, and of the first kilobyte for languages.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.families import Families, mark_file, read_phrases
from datapipe.algo.spoken import spoken
from datapipe.algo.turns import ASSISTANT, SYSTEM, USER, Turns
from datapipe.stage import Mask
from datapipe.text import segment
from datapipe.text.jit import Int64s

PHRASES = "chat_phrases.yaml"
HEAD = 200  # characters of an answer in which phrases are looked for
TAIL = 400  # characters of its end that are looked at
LINE, WIDE_LINE = 60, 25  # characters of a last line from which on it ought to end a sentence; of Chinese and the like
FENCE = r"(?m)^[ \t>]*(?:```|~~~)"
TAGS = ("think", "thinking", "reasoning", "answer", "tool_call", "function_call", "scratchpad")
# A letter, a digit or a sign behind which something must come.
OPEN_END = r"[\p{L}\p{N},，、;；(（\[【{]$"
WIDE_END = r"[\p{Han}\p{Hiragana}\p{Katakana}，、；（【]$"
# Lines that need no full stop: items of lists, headings, tables, quotations, code; and what ends in an address.
NO_SENTENCE = r"^\s*(?:[-*+•·|>#`~$\\]|\(?[0-9a-zA-Z]{1,3}[.)、:：]|[\p{L} ]{1,30}[:：=])|\S*(?:://|www\.)\S+$"
MARKS = (
    r"<\|(?:im_start|im_end|endoftext|eot_id|start_header_id|end_header_id|begin_of_text|user|assistant|system)\|>"
    r"|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<｜[^｜\n]{1,30}｜>"
    r"|(?m:^### (?:Instruction|Response|Human|Assistant|User)\s*:)"
)  # fmt: skip
PROBE = 60  # characters of a system prompt that an answer must not hold; a leak of twice as many is always met
MOST_PROBES = 200
SURE = 0.5  # score of a language, and letters (bytes) that it takes to tell one
LEAST_BYTES = 60


def phrases() -> Families:
    """Phrases of refusals and leaks."""
    return read_phrases(mark_file(PHRASES))


def counted(texts: Any, pattern: str) -> Int64s:
    """How often a pattern stands in each text; 0 in null."""
    found: Any = pc.count_substring_regex(texts, pattern)
    numbers: Int64s = found.fill_null(0).to_numpy().astype(np.int64)
    return numbers


def _holds(texts: Any, pattern: str) -> Mask:
    found: Any = pc.fill_null(pc.match_substring_regex(texts, pattern), False)
    held: Mask = found.to_numpy(zero_copy_only=False)
    return held


def _length(texts: Any) -> Int64s:
    found: Int64s = pc.utf8_length(texts).fill_null(0).to_numpy().astype(np.int64)
    return found


def open_fences(texts: Any) -> Mask:
    """Texts in which a code fence is not closed."""
    odd: Mask = counted(texts, FENCE) % 2 == 1
    return odd


def open_tags(texts: Any) -> Mask:
    """Texts in which one of TAGS is opened more often than closed."""
    hit = np.zeros(len(texts), np.bool_)
    some = _holds(texts, f"<(?:{'|'.join(TAGS)})>")
    for tag in TAGS if some.any() else ():
        hit |= counted(texts, f"<{tag}>") > counted(texts, f"</{tag}>")
    return hit


def broken_off(texts: Any) -> Mask:
    """Texts whose last line is long, no item of a list, and ends within a sentence."""
    tail: Any = pc.utf8_slice_codeunits(pc.utf8_rtrim_whitespace(texts), -TAIL)
    line: Any = pc.replace_substring_regex(tail, r"(?s)^.*\n", "")
    long = _length(line) >= np.where(_holds(line, WIDE_END), WIDE_LINE, LINE)
    return long & _holds(line, OPEN_END) & ~_holds(line, NO_SENTENCE)


def told(texts: Any) -> dict[str, Int64s]:
    """How often each family of phrases stands at the start of each text."""
    heads: Any = pc.utf8_slice_codeunits(texts, 0, HEAD).fill_null("")
    families = phrases()
    found = families.counts(segment(heads))
    return {name: found[:, number] for number, name in enumerate(families.families)}


def prompts_in_answers(turns: Turns) -> Mask:
    """Answers that hold a passage of their document's system prompt, word for word; of several prompts the first."""
    leaked = np.zeros(len(turns.role), np.bool_)
    prompts = np.flatnonzero(turns.role == SYSTEM)
    _, first = np.unique(turns.document[prompts], return_index=True)  # one each, or many would take their square
    long = _length(turns.content) >= PROBE
    for at in prompts[first][long[prompts[first]]].tolist():
        prompt = turns.content[at].as_py()
        starts = range(0, len(prompt) - PROBE + 1, PROBE)[:MOST_PROBES]
        probes = [prompt[start : start + PROBE] for start in starts]
        for answer in range(at + 1, int(turns.first[turns.document[at] + 1])):
            if turns.role[answer] == ASSISTANT and turns.content[answer].is_valid:
                said = turns.content[answer].as_py()
                leaked[answer] |= any(probe in said for probe in probes)
    return leaked


def languages(turns: Turns) -> tuple[Any, Any]:
    """Of each document the language of its last prompt and of the last answer; null where one cannot be told."""
    return _languages(turns, turns.last(USER)), _languages(turns, turns.last(ASSISTANT))


def _languages(turns: Turns, at: Int64s) -> Any:
    heads: Any = pc.utf8_slice_codeunits(turns.content.take(pa.array(at, mask=at < 0)), 0, 1000)
    judge = spoken(1)
    found: list[str | None] = []
    for text in heads.to_pylist():
        best = judge(text.replace("\0", " ")) if text and len(text.encode()) >= LEAST_BYTES else []
        found.append(best[0][0] if best and best[0][1] >= SURE else None)
    return pa.array(found, pa.string())
