"""What is known of a conversation's shape is true of the conversation; what became of each message is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2.ext
import jinja2.sandbox
import pytest

from stages.split.turns import Config as SplitConfig
from stages.split.turns import turns_of
from stages.tokenize import STAGE, Config
from stages.tokenize import _turns as turning
from stages.tokenize._tokenizer import load
from stages.tokenize._turns import Fault, render
from tests.stages.tokenize.styles import CHATML, STYLES, write
from tests.stages.tokenize.talks import batch_of, call, message, real
from tests.stages.tokenize.test_masks import folder_of, prepared, qwen, spoken, tokenized

ASKED = message("user", "What is the tide today?")
SECOND = message("user", "And later?")


def rendered(messages: list[dict[str, Any]], tools: str | None, folder: Path) -> Any:
    try:
        return render(messages, tools, load(prepared(folder)), "all")
    except Fault as fault:
        return fault.reason


@pytest.mark.parametrize("name", ["qwen3", "smollm2", *STYLES])
def test_the_shape_of_a_conversation_says_what_rendering_all_its_turns_says(
    name: str, tmp_path: Path, real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real conversations, with the turns of every row rendered from its texts, and of none."""
    folder = write(STYLES[name], tmp_path) if name in STYLES else folder_of(name)
    talks = list(real(real_data))[::100]
    monkeypatch.setattr(turning, "EVERY", 1)
    every = [rendered(*talk, folder) for talk in talks]
    monkeypatch.setattr(turning, "EVERY", 1 << 64)
    assert [rendered(*talk, folder) for talk in talks] == every
    assert sum(not isinstance(each, str) for each in every) > len(every) / 4


READS_TEXTS = CHATML.replace("{% if add_generation_prompt", "{% if messages[-1].content | length > 20 and messages | "
                             "length < 4 %}!{% endif %}{% if add_generation_prompt")  # fmt: skip
LOOKS = CHATML.replace("{% if add_generation_prompt", "{% if 'tide' in messages[-1].content and messages | length < 4 "
                       "%}!{% endif %}{% if add_generation_prompt")  # fmt: skip


@pytest.mark.parametrize("every", [1, 1 << 64])
def test_a_template_that_looks_into_texts_at_inference_alone_is_seen(
    every: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the length of texts in rows that are rendered turn by turn; by words that its source names in all."""
    monkeypatch.setattr(turning, "EVERY", every)
    talk = [ASKED, message("assistant", "The tide is high at noon."), ASKED, message("assistant", "No.")]
    looks, reads = (
        tokenized(write(STYLES["chatml"], tmp_path / str(at), chat_template=source), [(talk, None)])
        for at, source in enumerate((LOOKS, READS_TEXTS))
    )
    assert looks[1] == [None]
    assert looks[0][0]["rewritten_turns"] == 2  # by the marks alone it would be none
    assert reads[1] == ["template_reads_text" if every == 1 else None]


# ---------------------------------------------------------------------------------------------- by message


def test_what_became_of_each_message_is_told_and_adds_up(tmp_path: Path) -> None:
    folder = write(STYLES["chatml"], tmp_path)
    talk = [ASKED, message("assistant", "one", reasoning="Hm."), SECOND, message("assistant", "two", weight=0.5)]
    talk += [SECOND, message("assistant", "three", train=False)]
    ((row,), _) = tokenized(folder, [(talk, None)], lost_reasoning="keep")
    told = row["by_message"]
    end = len("<|im_end|>")
    assert [each["dropped"] for each in told] == [0, 3, 0, 0, 0, 0]
    assert [each["added"] for each in told] == [0, end, 0, end, 0, 0]
    assert [each["weight"] for each in told] == [0, 1, 0, 0.5, 0, 0]
    assert [each["trained"] for each in told][::2] == [0, 0, 0]
    assert [each["trained"] for each in told if each["weight"]] == [one["end"] - one["start"] for one in row["loss"]]
    assert sum(each["trained"] for each in told) == row["trained_count"]
    assert sum(each["dropped"] for each in told) == row["dropped_characters"]
    assert sum(each["added"] for each in told) == row["added_characters"]


def test_messages_that_are_cut_stand_as_null_in_their_place(tmp_path: Path) -> None:
    folder = write(STYLES["chatml"], tmp_path)
    talk = [message("system", "Answer.")]
    for number in range(4):
        talk += [message("user", f"Question {number}"), message("assistant", f"Answer {number}")]
    ((whole,), _) = tokenized(folder, [(talk, None)])
    most = whole["token_count"] - 1
    ((row,), _) = tokenized(folder, [(talk, None)], max_tokens=most, overlong="cut_front")
    assert [each is None for each in row["by_message"]] == [False, True, True] + [False] * 6
    assert [each["trained"] for each in row["by_message"] if each and each["trained"]] == [
        one["end"] - one["start"] for one in row["loss"]
    ]
    assert row["by_message"][4]["weight"] == 1


def test_arguments_that_the_template_leaves_out_are_lost_and_counted(tmp_path: Path) -> None:
    names = "{% for one in message.tool_calls or [] %}{{ one.function.name }}{% endfor %}"
    folder = write(
        STYLES["chatml"], tmp_path, chat_template=CHATML.replace("{{ '<|im_start|>'", names + "{{ '<|im_start|>'")
    )
    talk = [ASKED, message("assistant", "x", tool_calls=[call("look", '{"place": "harbour"}')])]
    assert tokenized(folder, [(talk, None)])[1] == ["text_lost"]


# ---------------------------------------------------------------------------------------------- split.turns


def plain(given: list[dict[str, Any]], source: str, *, prompt: bool) -> str:
    """What a user of the model renders at inference: Jinja's own sandbox, and nothing of the stage's."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
    )
    told = [{"role": each["role"], "content": each["content"]} for each in given]
    for one, each in zip(told, given, strict=True):
        if each["reasoning"]:
            one["reasoning_content"] = each["reasoning"]
    return environment.from_string(source).render(messages=told, tools=None, add_generation_prompt=prompt)


def children(talk: list[dict[str, Any]]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Each turn's place, and the conversation that `split.turns` makes of it."""
    made = turns_of(talk, SplitConfig(reasoning_only=False))
    places = [at for at, each in enumerate(talk) if each["role"] == "assistant"]
    yield from zip(places, made, strict=True)


THOUGHT = [
    message("system", "Answer briefly."),
    ASKED,
    message("assistant", "It is high at noon.", reasoning="The table says noon."),
    SECOND,
    message("assistant", "Low at six."),
    message("user", "Why?"),
    message("assistant", "<think>\nThe moon.\n</think>\n\nFor the moon."),
    message("user", "So?"),
    message("assistant", "It falls.", reasoning="Noon is past."),
]


def test_behind_split_turns_each_turn_of_qwen3_is_what_it_renders_at_inference() -> None:
    """Prompt and answer, token by token: `tokenizers` on the text that the real template renders."""
    folder = folder_of("qwen3")
    tokenizer = load(prepared(folder))
    source = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))["chat_template"]
    whole = tokenizer.whole
    found = list(children(THOUGHT))
    assert len(found) == 4
    for at, child in found:
        row, reason, said = qwen(child, turns="last")
        assert (reason, row["lost_reasoning"], row["rewritten_turns"]) == (None, 0, 0)
        prompt = plain(THOUGHT[:at], source, prompt=True)
        text = plain(THOUGHT[: at + 1], source, prompt=False)
        assert text.startswith(prompt)
        (span,) = row["loss"]
        assert row["tokens"][: span["start"]] == whole.encode(prompt, add_special_tokens=False).ids
        answer = text[len(prompt) :].removesuffix("\n")
        assert said == [answer]
        assert answer.startswith("<think>\n")
        assert "The table says noon." not in prompt  # reasoning of earlier turns is gone, as at inference


def test_a_conversation_that_loses_reasoning_is_told_the_remedy_and_the_remedy_helps() -> None:
    _, reason, _ = qwen(THOUGHT)
    assert reason == "reasoning_lost"
    assert all("split.turns" in STAGE.reasons[each] for each in ("reasoning_lost", "history_rewritten"))
    described = {name: field.description or "" for name, field in Config.model_fields.items()}
    assert all("split.turns" in described[name] for name in ("lost_reasoning", "rewritten"))
    rows, reasons = tokenized(folder_of("qwen3"), [(child, None) for _, child in children(THOUGHT)], rewritten="drop")
    assert reasons == [None] * 4
    assert [len(spoken(row, folder_of("qwen3"))) for row in rows] == [1] * 4


def test_batches_however_cut_say_the_same(tmp_path: Path, real_data: Path) -> None:
    """What is kept of shapes does not show."""
    folder = write(STYLES["llama3"], tmp_path)
    talks = list(real(real_data))[::150]
    whole, _ = tokenized(folder, talks)
    load(prepared(folder)).speech.kept.__init__()  # type: ignore[union-attr, misc]
    assert [tokenized(folder, [talk])[0][0] for talk in talks[::-1]] == whole[::-1]
    assert len(batch_of(talks)) == len(whole)
