"""Texts as tokens: what stands around them, what leaves, and a tokenizer that is trained on the corpus."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datapipe.errors import InputError
from stages.tokenize import Config, build, decide_reasons, libraries, process, sketch
from stages.tokenize import _train as training
from tests.stages.tokenize.styles import STYLES, TEXTS, write
from tests.stages.tokenize.talks import batch_of, batch_of_texts, message

CHATML = STYLES["chatml"]


def made(folder: Path, batch: pa.RecordBatch, **options: Any) -> tuple[list[dict[str, Any]], list[str | None]]:
    config = Config(tokenizer=str(folder), **options)
    resource = folder / "resource"
    resource.mkdir(exist_ok=True)
    build(training.merge([]), config, resource)
    found = process(batch, config, resource)
    return found.to_pylist(), decide_reasons(found, config).to_pylist()


def whole(folder: Path) -> Any:
    return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


@pytest.mark.parametrize("spaced", [True, False])
def test_a_text_has_the_tokens_that_the_tokenizer_gives_it_and_its_end(*, spaced: bool, tmp_path: Path) -> None:
    style = STYLES["mistral, a space before answers" if spaced else "chatml"]
    folder = write(style, tmp_path)
    rows, reasons = made(folder, batch_of_texts([*TEXTS, "", None]))
    encoder = whole(folder)
    end = encoder.token_to_id(style.tokens[1])
    assert [row["tokens"] for row in rows[:-2]] == [
        [*encoder.encode(text, add_special_tokens=False).ids, end] for text in TEXTS
    ]
    assert reasons == [None] * len(TEXTS) + ["empty", "empty"]
    assert all(row["loss"] is None and row["trained_count"] == row["token_count"] for row in rows[:-2])


@pytest.mark.parametrize(
    ("options", "config", "first", "last"),
    [
        ({}, {}, False, True),
        ({}, {"add_bos_token": True}, True, True),
        ({"bos": "never"}, {"add_bos_token": True}, False, True),
        ({"bos": "always"}, {}, True, True),
        ({"eos": "never"}, {}, False, False),
        ({"eos": "always"}, {}, False, True),
        ({}, {"eos_token": None}, False, False),
    ],
)
def test_first_and_last_token_are_as_declared(
    options: dict[str, str], config: dict[str, Any], tmp_path: Path, *, first: bool, last: bool
) -> None:
    folder = write(CHATML, tmp_path, **config)
    (row,), _ = made(folder, batch_of_texts(["tide"]), **options)
    begin, end = (whole(folder).token_to_id(token) for token in CHATML.tokens[:2])
    assert (row["tokens"][0] == begin, row["tokens"][-1] == end) == (first, last)


def test_the_token_that_ends_a_text_can_be_named(tmp_path: Path) -> None:
    folder = write(STYLES["gemma"], tmp_path)
    (row,), _ = made(folder, batch_of_texts(["tide"]), end="<end_of_turn>")
    assert row["tokens"][-1] == whole(folder).token_to_id("<end_of_turn>")
    with pytest.raises(InputError, match="no token <none>"):
        made(folder, batch_of_texts(["tide"]), end="<none>")


def test_a_conversation_begins_once(tmp_path: Path) -> None:
    talk = [message("user", "tide"), message("assistant", "noon")]
    for name, times in (("llama3", 1), ("chatml", 1)):
        folder = write(STYLES[name], tmp_path / name)
        (row,), _ = made(folder, batch_of([(talk, None)]), bos="always")
        assert row["tokens"].count(whole(folder).token_to_id(STYLES[name].tokens[0])) == times
        assert row["tokens"][0] == whole(folder).token_to_id(STYLES[name].tokens[0])
    doubled = STYLES["llama3"].template.replace("bos_token + said", "bos_token + bos_token + said")
    folder = write(STYLES["llama3"], tmp_path / "doubled", chat_template=doubled)
    assert made(folder, batch_of([(talk, None)]))[1] == ["doubled_special_token"]


@settings(max_examples=30)
@given(st.lists(st.sampled_from([*CHATML.tokens, "tide", " ", "\n", "<|", "|>", "潮", "im_end"]), min_size=1))
def test_no_text_becomes_a_control_token_and_every_text_comes_back(parts: list[str]) -> None:
    text = "".join(parts)
    rows, _ = made(shared(), batch_of_texts([text]), eos="never")
    control = {whole(shared()).token_to_id(token) for token in CHATML.tokens}
    assert not control & set(rows[0]["tokens"])
    assert whole(shared()).decode(rows[0]["tokens"], skip_special_tokens=False) == text


_SHARED: list[Path] = []


def shared() -> Path:
    """One tokenizer for all examples."""
    assert _SHARED, "see the fixture"
    return _SHARED[0]


@pytest.fixture(scope="module", autouse=True)
def _one_for_all(tmp_path_factory: pytest.TempPathFactory) -> None:
    _SHARED[:] = [write(CHATML, tmp_path_factory.mktemp("chatml"))]


def test_what_is_too_long_leaves_or_loses_its_first_rounds(tmp_path: Path) -> None:
    folder = write(CHATML, tmp_path)
    talk = [message("system", "Answer briefly.")]
    for number in range(6):
        talk += [message("user", f"Question {number}"), message("assistant", f"Answer {number}")]
    batch = batch_of([(talk, None)])
    (whole_row,), _ = made(folder, batch)
    most = whole_row["token_count"] - 1
    assert made(folder, batch, max_tokens=most)[1] == ["too_long"]
    (row,), reasons = made(folder, batch, max_tokens=most, overlong="cut_front")
    assert (reasons, row["cut_messages"]) == ([None], 2)
    assert row["token_count"] + row["cut_tokens"] == whole_row["token_count"]
    text = whole(folder).decode(row["tokens"], skip_special_tokens=False)
    assert "Answer briefly." in text
    assert "Question 0" not in text
    assert "Question 1" in text
    assert len(row["loss"]) == 5
    assert made(folder, batch, max_tokens=16, overlong="cut_front")[1] == ["too_long"]
    assert made(folder, batch_of_texts(["tide " * 99]), max_tokens=16, overlong="cut_front")[1] == ["too_long"]
    assert made(folder, batch_of_texts(["tide " * 99]), max_bytes=100)[1] == ["too_large"]
    with pytest.raises(ValidationError, match="needs max_tokens"):
        Config(tokenizer="x", overlong="cut_front")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chat_template": "{% for"}, "no Jinja template"),
        ({"chat_template": "{{ nothing.there }}"}, "cannot render a question"),
        ({"chat_template": STYLES["llama3"].template}, "<|end_header_id|>, which is no token"),
    ],
)
def test_a_template_that_does_not_fit_is_told_in_one_line(change: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        made(write(CHATML, tmp_path, **change), batch_of_texts(["tide"]))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_tokenizer_that_is_not_there_or_damaged_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="the hub does not give it"):
        libraries(Config(tokenizer="nobody/nothing"))
    with pytest.raises(InputError, match="no tokenizer at"):
        libraries(Config(tokenizer="./nothing"))
    with pytest.raises(InputError, match=r"holds no tokenizer\.json"):
        libraries(Config(tokenizer=str(tmp_path)))
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        made(tmp_path, batch_of_texts(["tide"]))
    folder = write(CHATML, tmp_path / "mute", chat_template=None)
    with pytest.raises(InputError, match="no chat template"):
        made(folder, batch_of([([message("user", "x"), message("assistant", "y")], None)]))
    with pytest.raises(InputError, match="no eos_token"):
        made(write(CHATML, tmp_path / "endless", eos_token=None), batch_of_texts(["tide"]), eos="always")


# ---------------------------------------------------------------------------------------------- trained on the corpus


def trained(parts: list[pa.RecordBatch], folder: Path, **how: Any) -> str:
    config = Config.model_validate({"tokenizer": {"train": {"vocabulary": 400, **how}}})
    folder.mkdir()
    build(training.merge([sketch(part, config) for part in parts]), config, folder)
    digest = hashlib.blake2b(b"".join(path.read_bytes() for path in sorted(folder.iterdir())))
    return digest.hexdigest()


def corpus() -> pa.RecordBatch:
    texts = [f"{text} {number}" for number in range(40) for text in TEXTS]
    ids = pa.array([f"{number:032x}" for number in range(len(texts))])
    return batch_of_texts(list(texts)).append_column("id", ids)


@pytest.mark.parametrize("how", [{}, {"sample": "50%"}])
def test_training_is_the_same_for_any_shards_and_orders(how: dict[str, Any], tmp_path: Path) -> None:
    whole_batch = corpus()
    digests = {trained([whole_batch], tmp_path / "one", **how)}
    for number in range(4):
        order = list(range(len(whole_batch)))
        random.Random(number).shuffle(order)
        mixed = whole_batch.take(pa.array(order, pa.int64()))
        parts = [mixed.slice(at, 13 + number) for at in range(0, len(mixed), 13 + number)]
        digests.add(trained(parts, tmp_path / str(number), **how))
    assert len(digests) == 1


def test_training_from_counts_merges_what_training_from_texts_merges(tmp_path: Path) -> None:
    """The oracle is `tokenizers` itself, given the texts."""
    trained([corpus()], tmp_path / "mine")
    mine = whole(tmp_path / "mine")
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
    theirs.pre_tokenizer = mine.pre_tokenizer
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400 - len(training.THINKS),
        min_frequency=2,
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[training.END, training.OPEN, training.CLOSE],
        show_progress=False,
    )
    theirs.train_from_iterator(corpus()["text"].to_pylist(), trainer)
    vocabulary = mine.get_vocab()
    assert {key: value for key, value in vocabulary.items() if key not in training.THINKS} == theirs.get_vocab()
    assert mine.get_vocab_size() == 400


def test_the_trained_tokenizer_speaks_with_tools_and_reasoning(tmp_path: Path) -> None:
    trained([corpus()], tmp_path / "mine")
    call = {"id": None, "name": "look_up", "arguments": '{"place": "harbour"}'}
    talk = [message("user", "tide"), message("assistant", "", tool_calls=[call], reasoning="Hm.")]
    talk += [message("tool", "noon"), message("assistant", "At noon.")]
    config = Config.model_validate({"tokenizer": {"train": {"vocabulary": 400}}})
    found = process(batch_of([(talk, '[{"name": "look_up"}]')]), config, tmp_path / "mine")
    (row,) = found.to_pylist()
    assert decide_reasons(found, config).to_pylist() == [None]
    decode = whole(tmp_path / "mine").decode
    assert [decode(row["tokens"][span["start"] : span["end"]], skip_special_tokens=False) for span in row["loss"]] == [
        (
            "<think>\nHm.\n</think>\n\n<tool_call>\n"
            '{"name": "look_up", "arguments": {"place": "harbour"}}\n</tool_call><|im_end|>'
        ),
        "At noon.<|im_end|>",
    ]
    assert (row["dropped_characters"], row["rewritten_turns"]) == (0, 0)


def test_the_version_of_a_tokenizer_is_its_bytes(tmp_path: Path) -> None:
    one, two = (str(write(CHATML, tmp_path / name)) for name in ("one", "two"))
    other = str(write(CHATML, tmp_path / "other", add_bos_token=True))
    assert libraries(Config(tokenizer=one)) == libraries(Config(tokenizer=two)) != libraries(Config(tokenizer=other))
