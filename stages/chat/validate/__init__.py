"""Check conversations: whether their turns fit together, and what is wrong with their answers.

What leaves by itself is broken: a conversation without messages, with a role that is none of system, user, assistant
and tool, with turns that say nothing, out of turn (the first is the user's; user and assistant alternate; an assistant
may say what it will do and call a tool in its next turn; a system prompt may stand anywhere), with a tool's result that
answers no call, without an answer at its end, or preferred to itself. Everything else is measured, and leaves only
where a threshold is set: answers that break off (in a long last line that is no item of a list) or leave a code fence
or a tag open, refusals (English and Chinese), answers in another language than their prompts, short ones, those that
give their system prompt away, and marks of chat templates in texts.
Plain text that `read.conversations` made one answer of is out of turn: `max_out_of_turn: null` keeps it.
How many of which real conversations each check finds: `pytest -m full -s tests/real/test_conversations.py`. Of 6,720
documents of 16 real sets for training the defaults drop 3: 2 by results without a call, 1 that ends with a question.
Costs: 24 MB/s a core, 31 without languages, which `languages: false` spares (tests/benchmarks/conversations.py).
Source: the checks are those that curators of instruction data name: LIMA (Zhou et al. 2023, section 2), Tülu 3
(Lambert et al. 2024, section 4), Alpaca-cleaned.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.turns import ASSISTANT, ROLES, UNKNOWN, USER, Turns, turns_of
from datapipe.stage import Map, StageConfig, above, below, decide, first_of, measure, schema
from stages.chat.validate import _answers as answers
from stages.chat.validate import _turns as turning

NO_MESSAGES, UNKNOWN_ROLE, EMPTY_TURN, OUT_OF_TURN = "no_messages", "unknown_role", "empty_turn", "out_of_turn"
ORPHAN_RESULT, UNANSWERED, NO_ANSWER, SAME = "orphan_result", "unanswered_call", "no_answer", "chosen_is_rejected"
TRUNCATED, OPEN, REFUSAL, LANGUAGE = "truncated", "left_open", "refusal", "wrong_language"
SHORT, LEAK, MARKED, FEW, MANY = "short_answer", "leaked_prompt", "template_marks", "too_few_turns", "too_many_turns"

COUNTS = (
    "messages_count", "turns", "unknown_roles", "empty_turns", "out_of_turn", "orphan_results", "unanswered_calls",
    "truncated", "open_fences", "open_tags", "refusals", "leaks", "template_marks",
)  # fmt: skip
ADDS = schema(
    **dict.fromkeys(COUNTS, pa.int32()),
    last_role=pa.string(),
    chosen_is_rejected=pa.bool_(),
    **{f"{role}_characters": pa.int64() for role in ROLES},
    shortest_answer=pa.int64(),
    prompt_language=pa.string(),
    answer_language=pa.string(),
)


class Config(StageConfig):
    """What a conversation may not have, and how much of the rest it may; null: off."""

    languages: bool = measure(True, "tell the languages of the last prompt and answer")
    max_unknown_roles: int | None = decide(0, "messages with no known role; more: unknown_role", ge=0)
    max_empty_turns: int | None = decide(0, "messages that say nothing and call nothing; more: empty_turn", ge=0)
    max_out_of_turn: int | None = decide(0, "messages by one whose turn it is not; more: out_of_turn", ge=0)
    max_orphan_results: int | None = decide(0, "results of tools that answer no call; more: orphan_result", ge=0)
    max_unanswered_calls: int | None = decide(
        None, "turns with calls that no result follows, the last turn aside; more: unanswered_call", ge=0
    )
    ends_with_answer: bool = decide(True, "the last message is the assistant's, or else no_answer")
    may_be_rejected: bool = decide(False, "keep a preference whose chosen and rejected answers are the same")
    min_turns: int | None = decide(None, "messages of user and assistant; fewer: too_few_turns", ge=0)
    max_turns: int | None = decide(None, "messages of user and assistant; more: too_many_turns", ge=0)
    max_truncated: int | None = decide(None, "answers that break off in a sentence; more: truncated", ge=0)
    max_open: int | None = decide(None, "answers with an open code fence or tag; more: left_open", ge=0)
    max_refusals: int | None = decide(None, "answers that begin with a refusal; more: refusal", ge=0)
    same_language: bool = decide(False, "the last answer is in the language of its prompt, or else wrong_language")
    min_answer: int | None = decide(None, "characters of the shortest answer; fewer: short_answer", ge=0)
    max_leaks: int | None = decide(None, "answers that give the system prompt away; more: leaked_prompt", ge=0)
    max_template_marks: int | None = decide(
        None, "marks of chat templates in all texts, such as <|im_start|> and [INST]; more: template_marks", ge=0
    )


def libraries(config: Config) -> tuple[str, ...]:
    """What tells words and languages, and the phrases."""
    spoken = ("eldc",) if config.languages else ()
    return ("datapipe.text", "pyarrow", *spoken, f"phrases={answers.phrases().digest}")


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Counts of messages (int32), characters of each role and of the shortest answer, and languages; see ADDS."""
    talks: Any = batch["messages"]
    turns = turns_of(talks)
    counts = {**_structure(turns), **_of_answers(turns)}
    sizes: Any = pc.fill_null(pc.utf8_length(turns.content), 0).to_numpy().astype(np.int64)
    characters = [pa.array(turns.per_document(np.where(turns.role == code, sizes, 0))) for code in range(len(ROLES))]
    spoken = answers.languages(turns) if config.languages else (pa.nulls(len(batch), pa.string()),) * 2
    arrays: list[Any] = [
        *(pa.array(counts[name].astype(np.int32)) for name in COUNTS),
        turning.last_roles(turns, len(batch)),
        _same(turns, batch["rejected"]),
        *characters,
        _shortest(turns, sizes),
        *spoken,
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=ADDS)


def _structure(turns: Turns) -> dict[str, Any]:
    return {
        "messages_count": np.diff(turns.first),
        "turns": turns.per_document(np.isin(turns.role, (USER, ASSISTANT))),
        "unknown_roles": turns.per_document(turns.role == UNKNOWN),
        "empty_turns": turns.per_document(turning.blank(turns)),
        "out_of_turn": turning.out_of_turn(turns),
        "orphan_results": turning.orphan_results(turns),
        "unanswered_calls": turning.unanswered_calls(turns),
    }


def _of_answers(turns: Turns) -> dict[str, Any]:
    at = np.flatnonzero(turns.role == ASSISTANT)
    texts = turns.content.take(pa.array(at))
    told = answers.told(texts)
    leaks = answers.prompts_in_answers(turns)
    leaks[at] |= told["leak"] > 0
    found = {
        "truncated": answers.broken_off(texts) & ~turns.calls[at],
        "open_fences": answers.open_fences(texts),
        "open_tags": answers.open_tags(texts),
        "refusals": told["refusal"] > 0,
    }
    size = len(turns.first) - 1
    counts = {name: np.bincount(turns.document[at[hit]], minlength=size) for name, hit in found.items()}
    marks = turns.per_document(answers.counted(turns.content, answers.MARKS))
    return {**counts, "leaks": turns.per_document(leaks), "template_marks": marks}


def _shortest(turns: Turns, sizes: Any) -> Any:
    """Characters of the shortest answer that calls nothing; null where there is none."""
    most = np.iinfo(np.int64).max
    least = np.full(len(turns.first) - 1, most)
    mine = np.flatnonzero((turns.role == ASSISTANT) & ~turns.calls)
    np.minimum.at(least, turns.document[mine], sizes[mine])
    return pa.array(least, mask=least == most)


def _same(turns: Turns, rejected: Any) -> Any:
    """Whether the one message rejected says what the last one does; null where nothing was rejected."""
    ends, count = turns.first[1:] - 1, len(rejected)
    worse = turns_of(rejected)
    single = (np.diff(worse.first) == 1) & (np.diff(turns.first) > 0)
    mine, theirs = (pa.array(np.where(single, at, 0), mask=~single) for at in (ends, worse.first[:-1]))
    equal = pc.fill_null(pc.equal(turns.content.take(mine), worse.content.take(theirs)), False)
    called = np.zeros(count, np.bool_)
    called[single] = turns.calls[ends[single]] | worse.calls[worse.first[:-1][single]]
    same: Any = equal.to_numpy(zero_copy_only=False) & ~called
    return pa.array(same, mask=np.asarray(rejected.is_null()))


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Which conversations are broken, or have more of something than they may."""
    given: dict[str, Any] = {name: measured[name] for name in measured.schema.names}
    answerer: Any = ROLES[ASSISTANT]
    last: Any = pc.fill_null(pc.not_equal(given["last_role"], answerer), True)
    same: Any = pc.fill_null(given["chosen_is_rejected"], False)
    spoken: Any = pc.fill_null(pc.not_equal(given["prompt_language"], given["answer_language"]), False)
    left_open: Any = pc.add(given["open_fences"], given["open_tags"])
    hit = {
        NO_MESSAGES: below(measured["messages_count"], 1),
        UNKNOWN_ROLE: above(measured["unknown_roles"], config.max_unknown_roles),
        EMPTY_TURN: above(measured["empty_turns"], config.max_empty_turns),
        OUT_OF_TURN: above(measured["out_of_turn"], config.max_out_of_turn),
        ORPHAN_RESULT: above(measured["orphan_results"], config.max_orphan_results),
        UNANSWERED: above(measured["unanswered_calls"], config.max_unanswered_calls),
        NO_ANSWER: last.to_numpy(zero_copy_only=False) & config.ends_with_answer,
        SAME: same.to_numpy(zero_copy_only=False) & (not config.may_be_rejected),
        FEW: below(measured["turns"], config.min_turns),
        MANY: above(measured["turns"], config.max_turns),
        TRUNCATED: above(measured["truncated"], config.max_truncated),
        OPEN: above(left_open, config.max_open),
        REFUSAL: above(measured["refusals"], config.max_refusals),
        LANGUAGE: spoken.to_numpy(zero_copy_only=False) & config.same_language,
        SHORT: below(measured["shortest_answer"], config.min_answer),
        LEAK: above(measured["leaks"], config.max_leaks),
        MARKED: above(measured["template_marks"], config.max_template_marks),
    }
    return first_of(*((rows, reason) for reason, rows in hit.items()))


STAGE = Map(
    name="chat.validate",
    version=1,
    config=Config,
    reads=("messages", "rejected"),
    optional=("rejected",),
    adds=ADDS,
    coded=("last_role", "prompt_language", "answer_language"),
    reasons={
        NO_MESSAGES: "it has no message",
        UNKNOWN_ROLE: "more messages than max_unknown_roles are by none of system, user, assistant and tool",
        EMPTY_TURN: "more messages than max_empty_turns say nothing and call nothing",
        OUT_OF_TURN: "more messages than max_out_of_turn are by one whose turn it is not",
        ORPHAN_RESULT: "more results of tools than max_orphan_results answer no call",
        UNANSWERED: "more turns with calls than max_unanswered_calls have no result",
        NO_ANSWER: "its last message is not the assistant's, and ends_with_answer is on",
        SAME: "its chosen and its rejected answer are the same",
        FEW: "fewer messages of user and assistant than min_turns",
        MANY: "more messages of user and assistant than max_turns",
        TRUNCATED: "more answers than max_truncated break off in a sentence",
        OPEN: "more answers than max_open leave a code fence or a tag open",
        REFUSAL: "more answers than max_refusals begin with a refusal",
        LANGUAGE: "its last answer is in another language than its prompt, and same_language is on",
        SHORT: "its shortest answer has fewer characters than min_answer",
        LEAK: "more answers than max_leaks give the system prompt away",
        MARKED: "its texts hold more marks of chat templates than max_template_marks",
    },
    libraries=libraries,
    process=process,
    decide=decide_reasons,
)
