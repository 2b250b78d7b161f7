"""Reasoning that is masked is read, and the answer behind it alone carries loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.chat.reasoning import Config, process
from stages.tokenize._train import TEMPLATE
from tests.stages.chat.talk_batches import Talk, asked, batch_of
from tests.stages.tokenize.styles import Style, write
from tests.stages.tokenize.talks import call, message
from tests.stages.tokenize.test_masks import spoken, tokenized

TOKENS = ("<s>", "<|im_end|>", "<|im_start|>")
UNTAGGED = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}{% if message.reasoning_content %}"
    "{{ 'Thoughts: ' + message.reasoning_content + ' Answer: ' }}{% endif %}{{ message['content'] }}"
    "{% for call in message.tool_calls or [] %}{{ '[' + call.function.name + ']' }}{% endfor %}{{ '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TALK = [*asked("Why?", "So it is.", reasoning="Let me see."), *asked("How?", "  Like this.", reasoning="Hm.\n\nYes.")]
CALLED = [message("user", "When?"), message("assistant", "", reasoning="Hm.", tool_calls=[call("clock", "{}")])]


def masked(talk: Talk, policy: str = "mask") -> Talk:
    batch = batch_of([talk])
    made: Any = process(batch, Config.model_validate({"policy": policy}), None)["messages"][0].as_py()
    return list(made)


@pytest.mark.parametrize(
    ("template", "talk", "trained", "read"),
    [
        (TEMPLATE, TALK, ["So it is.<|im_end|>", "Like this.<|im_end|>"], "<think>\nLet me see.\n</think>\n\n"),
        (UNTAGGED, TALK, ["So it is.<|im_end|>", "Like this.<|im_end|>"], "Thoughts: Let me see. Answer: "),
        (
            TEMPLATE,
            CALLED,
            ['<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call><|im_end|>'],
            "<think>\nHm.\n</think>\n\n",
        ),
        (UNTAGGED, CALLED, [" Answer: [clock]<|im_end|>"], "Thoughts: Hm."),
    ],
)
def test_the_loss_begins_behind_the_reasoning(
    template: str, talk: Talk, trained: list[str], read: str, tmp_path: Path
) -> None:
    folder = write(Style(template, TOKENS, "{}<|im_end|>"), tmp_path)
    rows, reasons = tokenized(folder, [(masked(talk), None), (masked(talk, "train"), None)])
    assert reasons == [None, None]
    assert spoken(rows[0], folder) == trained
    first = rows[0]["loss"][0]["start"]
    plain = rows[1]["loss"][0]["start"]
    shown = "".join(spoken({"tokens": rows[0]["tokens"], "loss": [{"start": plain, "end": first}]}, folder))
    assert shown == read  # the reasoning stands before it, where the loss of an unmasked turn begins
    assert rows[0]["trained_count"] < rows[1]["trained_count"]


def test_only_the_turns_that_say_so_are_masked(tmp_path: Path) -> None:
    folder = write(Style(TEMPLATE, TOKENS, "{}<|im_end|>"), tmp_path)
    talk = [{**TALK[1], "reasoning_train": False}, {**TALK[3], "reasoning_train": True}]
    (row,), _ = tokenized(folder, [([TALK[0], talk[0], TALK[2], talk[1]], None)])
    assert spoken(row, folder) == ["So it is.<|im_end|>", "<think>\nHm.\n\nYes.\n</think>\n\n  Like this.<|im_end|>"]


def test_masked_reasoning_of_the_last_turn_is_read_and_its_answer_trained(thinking: Path) -> None:
    (row,), (reason,) = tokenized(thinking, [(masked(TALK[:2]), None)])
    assert (reason, row["lost_reasoning"], row["rewritten_turns"]) == (None, 0, 0)
    assert spoken(row, thinking) == ["So it is.<|im_end|>"]
