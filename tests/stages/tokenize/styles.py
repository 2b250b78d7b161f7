"""Tokenizers for tests, one for each way in which chat templates are written, trained on a few sentences."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

TEXTS = (
    "What is the tide today? It is high at noon, and low at six.",
    "Answer briefly. The harbour was quiet that morning; two boats came in with the tide.",
    "潮水今天什么时候来？中午最高，六点最低。",
    '{"name": "look_up", "arguments": {"place": "harbour"}}',
)

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + "
    "'\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{% set found = namespace(first=true) %}{% for message in messages %}{% set said = '<|start_header_id|>' + "
    "message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' %}{% if loop.first %}"
    "{% set said = bos_token + said %}{% endif %}{{ said }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{% set role = 'model' if message['role'] == 'assistant' "
    "else message['role'] %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
DEEPSEEK = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] }}{% endif "
    "%}{% if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}{% endif %}{% if message['role'] == "
    "'assistant' %}{% if message['tool_calls'] %}{{ '<｜Assistant｜><｜tool▁calls▁begin｜>' }}{% for call in "
    "message['tool_calls'] %}{{ '<｜tool▁call▁begin｜>' + call['function']['name'] + '\n' + "
    "call['function']['arguments'] + '<｜tool▁call▁end｜>' }}{% endfor %}{{ '<｜tool▁calls▁end｜>"
    "<｜end▁of▁sentence｜>' }}{% else %}{{ '<｜Assistant｜>' + message['content'] + '<｜end▁of▁sentence｜>' }}"
    "{% endif %}{% endif %}{% if message['role'] == 'tool' %}{{ '<｜tool▁outputs▁begin｜>' + message['content'] + "
    "'<｜tool▁outputs▁end｜>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + "
    "' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ SPACE + message['content'] + eos_token }}{% else %}"
    "{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
CHATGLM = (
    "[gMASK]<sop>{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
# As SmolLM2's: a system message of its own where there is none. As Qwen3's: reasoning before the last question is left
# out, and an answer at the end that has none gets an empty block.
GREETED = (
    "{% if not messages or messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou help at the harbour."
    "<|im_end|>\n' }}{% endif %}" + CHATML
)
THINKING = (
    "{% if tools %}{{ '<|im_start|>system\nThese may be called: ' + (tools | tojson) + '<|im_end|>\n' }}{% endif %}"
    "{% set asked = namespace(last=-1) %}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{% set asked.last = loop.index0 %}{% endif %}{% endfor %}{% for message in messages %}"
    "{% set said, thought = message['content'], message['reasoning_content'] or '' %}"
    "{% if not thought and '</think>' in said %}{% set thought = (said.split('</think>')[0].split('<think>')[-1]) %}"
    "{% set said = said.split('</think>')[-1].lstrip() %}{% endif %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' and loop.index0 > asked.last and (thought or loop.last) %}"
    "{{ '<think>\n' + thought.strip('\n') + '\n</think>\n\n' }}{% endif %}{{ said }}"
    "{% for call in message['tool_calls'] or [] %}{{ '\n<tool_call>' + (call['function'] | tojson) + '</tool_call>' }}"
    "{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CALLS = ("begin", "end")
TOOLS = tuple(f"<｜tool▁{what}▁{end}｜>" for what in ("calls", "call", "outputs") for end in CALLS)


@dataclass(frozen=True)
class Style:
    """A template, its control tokens (first and last token of a sequence first), and how an answer reads in it.

    `said`: the text that carries loss for an answer. `last`: the same of the last answer, where it is another. `also`:
    what else may end an answer.
    """

    template: str
    tokens: tuple[str, ...]
    said: str
    last: str | None = None
    also: tuple[str, ...] = ()
    spaced: bool = False  # words begin with their space, as in sentencepiece
    roles: tuple[str, ...] = ("system", "user", "assistant", "tool")
    texts: bool = False  # arguments of calls are texts

    @property
    def ends(self) -> tuple[str, ...]:
        """What may end an answer."""
        return (*(form.partition("{}")[2] for form in (self.said, self.last or self.said)), *self.also)

    def reads(self, answers: list[str]) -> list[str]:
        """What carries loss of some answers."""
        forms = [self.said] * (len(answers) - 1) + [self.last or self.said]
        return [form.format(answer) for form, answer in zip(forms, answers, strict=True)]


PAIR = ("user", "assistant")
STYLES = {
    "chatml": Style(CHATML, ("<s>", "<|im_end|>", "<|im_start|>"), "{}<|im_end|>"),
    "llama3": Style(
        LLAMA3,
        ("<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"),
        "{}<|eot_id|>",
    ),
    "gemma": Style(GEMMA, ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"), "{}<end_of_turn>", roles=PAIR),
    "deepseek": Style(
        DEEPSEEK,
        ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", *TOOLS),
        "{}<｜end▁of▁sentence｜>",
        texts=True,
    ),
    "mistral, a space before answers": Style(
        MISTRAL.replace("SPACE", "' '"), ("<s>", "</s>"), " {}</s>", spaced=True, roles=PAIR
    ),
    "mistral, no space before answers": Style(
        MISTRAL.replace("SPACE", "''"), ("<s>", "</s>"), "{}</s>", spaced=True, roles=PAIR
    ),
    "mistral, bytes": Style(MISTRAL.replace("SPACE", "' '"), ("<s>", "</s>"), " {}</s>", roles=PAIR),
    "chatglm": Style(
        CHATGLM,
        ("<sop>", "<|endoftext|>", "[gMASK]", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>"),
        "{}<|user|>",
        last="{}<|endoftext|>",
        also=("<|tool|>",),  # whoever speaks next ends a turn: behind a call, the tool
    ),
    "greeted, as smollm2": Style(GREETED, ("<s>", "<|im_end|>", "<|im_start|>"), "{}<|im_end|>"),
    "thinking, as qwen3": Style(
        THINKING,
        ("<s>", "<|im_end|>", "<|im_start|>"),
        "{}<|im_end|>",
        last="<think>\n\n</think>\n\n{}<|im_end|>",
    ),
}


@cache
def trained(*, spaced: bool) -> str:
    """A tokenizer without control tokens, as JSON."""
    model = Tokenizer(models.BPE(byte_fallback=spaced, unk_token="<unk>" if spaced else None))
    specials = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))] if spaced else []
    alphabet = [] if spaced else sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    if spaced:
        model.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
        model.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
    else:
        model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        model.decoder = decoders.ByteLevel()
    model.train_from_iterator(TEXTS, trainer)
    told = json.loads(model.to_str())
    told["added_tokens"] = [token for token in told["added_tokens"] if token["content"] == "<unk>"]
    return json.dumps(told)


def write(style: Style, folder: Path, **changes: Any) -> Path:
    """The files of a tokenizer in a folder; `changes` of its tokenizer_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    made = tokenizers.Tokenizer.from_str(trained(spaced=style.spaced))
    made.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in style.tokens])
    made.save(str(folder / "tokenizer.json"))
    config = {"bos_token": style.tokens[0], "eos_token": style.tokens[1], "chat_template": style.template, **changes}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder
