"""A saved model is trained on packed data only where its tokenizer cuts texts as theirs did."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import LlamaConfig, Qwen2Config

from datapipe.errors import InputError
from datapipe.train.tokenizer import check_tokenizer, difference

LETTERS = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
MERGES = [("a", "b"), ("b", "c")]
VOCABULARY = LETTERS | {"ab": 256, "bc": 257}


def cutting(
    vocabulary: dict[str, int] | None = None, merges: list[tuple[str, str]] | None = None, *, lower: bool = False
) -> Tokenizer:
    made = Tokenizer(models.BPE(vocab=vocabulary or VOCABULARY, merges=merges or MERGES))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.add_special_tokens(["<|end|>"])
    if lower:
        made.normalizer = normalizers.Lowercase()
    return made


def split(**options: Any) -> Tokenizer:
    made = cutting()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(**{"add_prefix_space": False} | options)
    return made


def with_token() -> Tokenizer:
    made = cutting()
    made.add_tokens(["more"])
    return made


def with_old_version() -> Tokenizer:
    told = json.loads(cutting().to_str())
    told["model"]["merges"] = [" ".join(pair) for pair in told["model"]["merges"]]  # as it was written before 2024
    return Tokenizer.from_str(json.dumps(told))


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (cutting, ""),
        (with_old_version, ""),
        (lambda: cutting(VOCABULARY | {"ab": 257, "bc": 256}), "tokens have other numbers"),
        (lambda: cutting(LETTERS | {"ab": 256}, MERGES[:1]), "tokens have other numbers"),
        (with_token, "tokens have other numbers"),
        (lambda: cutting(merges=MERGES[::-1]), "merges in another order"),
        (lambda: cutting(lower=True), "normalised or split in another way"),
        (lambda: split(add_prefix_space=True), "normalised or split in another way"),
    ],
)
def test_tokenizers_differ_in_numbers_merges_or_how_texts_are_split(other: Callable[[], Tokenizer], says: str) -> None:
    told = difference(cutting(), other())
    assert (says in told) if says else told == ""


def packed(folder: Path) -> Path:
    folder.mkdir()
    cutting().save(str(folder / "tokenizer.json"))
    return folder


def test_a_model_with_the_tokenizer_of_the_data_is_let_through_and_one_with_another_is_not(tmp_path: Path) -> None:
    data, model = packed(tmp_path / "data"), packed(tmp_path / "model")
    check_tokenizer(str(model), data, trust_code=False)
    cutting(merges=MERGES[::-1]).save(str(model / "tokenizer.json"))
    with pytest.raises(InputError, match="another tokenizer than the packed data \\(merges"):
        check_tokenizer(str(model), data, trust_code=False)


def test_a_smaller_vocabulary_of_an_older_format_is_found_too(tmp_path: Path) -> None:
    """A folder with vocab.json and merges.txt and no tokenizer.json; all its numbers have a row in the model."""
    data, model = packed(tmp_path / "data"), tmp_path / "model"
    Qwen2Config(vocab_size=300).save_pretrained(model)
    (model / "vocab.json").write_text(json.dumps({"a": 0, "b": 1, "ab": 2}), encoding="utf-8")
    (model / "merges.txt").write_text("#version: 0.2\na b\n", encoding="utf-8")
    with pytest.raises(InputError, match="another tokenizer than the packed data \\(tokens have other numbers"):
        check_tokenizer(str(model), data, trust_code=False)


def test_a_model_without_a_tokenizer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    data, model = packed(tmp_path / "data"), tmp_path / "model"
    LlamaConfig(vocab_size=300).save_pretrained(model)
    for name in (str(model), "nobody/no-such-model"):
        with pytest.raises(InputError, match="has no tokenizer to compare") as caught:
            check_tokenizer(name, data, trust_code=False)
        assert "\n" not in str(caught.value)
