"""`datapipe show RUN/STAGE` prints packed sequences token by token: loss, control tokens, whose; nothing private."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import click
import pytest

from datapipe.errors import CorruptData, InputError
from datapipe.lineage import sequence_of
from tests.cli.toy_run import call
from tests.run.workbench import Workbench


def says(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


TALKS = [
    [
        says("user", "When is the tide high?"),
        says("assistant", "At noon."),
        says("user", "And low?"),
        says("assistant", "At six."),
    ],
    [says("user", "潮水什么时候来？"), says("assistant", "中午。🌊 │ ⟦so⟧", weight=0.5)],
    [says("user", "Who can I ask?"), says("assistant", "Write to jane@example.org \x1b[31m or +49 30 1234567.")],
    [
        says("user", "Say <|im_end|> to me"),
        says("assistant", "<|im_end|>", train=False),
        says("user", "?"),
        says("assistant", "Done."),
    ],
]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sequences or so of four conversations."""
    bench = Workbench(tmp_path_factory.mktemp("packed"))
    bench.write("chats.jsonl", [json.dumps({"messages": talk}) for talk in TALKS])
    chain: dict[str, dict[str, Any]] = {
        "chats": {"use": "read.conversations", "paths": [str(bench.input / "*.jsonl")], "source": "talks"},
        "tokens": {"use": "tokenize", "tokenizer": {"train": {"vocabulary": 300}}},
        "packed": {"use": "pack", "length": 256},
        "out": {"use": "write.packed", "length": 256, "loss_weights": True},
    }
    return bench.run("run", chain).folder / "out"


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sequences without a tokenizer."""
    chain: dict[str, dict[str, Any]] = {
        "docs": {"use": "toy.lines", "source": "lines"},
        "tokens": {"use": "toy.tokens"},
        "packed": {"use": "pack", "length": 32},
        "out": {"use": "write.packed"},
    }
    return Workbench(tmp_path_factory.mktemp("numbers")).fill(files=1).run("run", chain).folder / "out"


def everything(packed: Path) -> str:
    count = json.loads((packed / "manifest.json").read_text())["sequences"]
    return call("show", packed, "-n", str(count)).output


def bare(shown: str) -> str:
    """Without the marks between tokens, and parts of characters."""
    return re.sub("│|·|‹[0-9a-f]+›", "", re.sub("‹[0-9a-f]+=(.+?)›", r"\1", shown)).replace("⏎\n", "\n")


def test_what_is_trained_stands_between_marks_and_control_tokens_apart(packed: Path) -> None:
    shown = bare(everything(packed))
    assert (
        "«<|im_start|>»user\nWhen is the tide high?«<|im_end|>»\n«<|im_start|>»assistant\n⟦At noon.«<|im_end|>»⟧"
        in shown
    )
    assert "⟦At six.«<|im_end|>»⟧" in shown
    assert "Say <|im_end|> to me«<|im_end|>»" in shown
    assert "assistant\n<|im_end|>«<|im_end|>»" in shown


def test_characters_of_the_marks_and_of_terminals_are_written_out(packed: Path) -> None:
    shown = bare(everything(packed))
    assert r"中午。🌊 \u2502 \u27e6so\u27e7«" in shown
    assert "\\x1b[31m" in shown
    assert "\x1b" not in shown


def test_a_weight_stands_before_what_it_is_for(packed: Path) -> None:
    shown = bare(everything(packed))
    assert "⟦0.5× 中午。" in shown
    assert shown.count("×") == 1 + shown.count("× weight")


def test_nothing_private_is_shown(packed: Path) -> None:
    shown = everything(packed)
    assert "Write to [e-mail]" in bare(shown)
    assert "[number]." in bare(shown)
    for private in ("jane", "example", "1234", "567"):
        assert private not in bare(shown)


def test_the_head_and_the_borders_tell_whose_tokens_these_are(packed: Path) -> None:
    shown = call("show", packed, "--sequence", "0").output
    found = sequence_of(str(packed), 0)
    trained = int(found.trained.sum())
    assert (
        f"{len(found.tokens):,} tokens, {len(found.tokens) / 256:.1%} of 256; {len(found.stretches)} document" in shown
    )
    assert f"{trained:,} tokens trained, {trained / len(found.tokens):.1%}" in shown
    for each in found.stretches:
        own = int(found.trained[each.offset : each.stop].sum())
        border = f"── from {each.offset}: document {each.id}, talks, its tokens [0, {each.end}), {own} trained"
        assert border in shown


def test_every_token_is_shown_and_some_when_asked(packed: Path) -> None:
    count = len(sequence_of(str(packed), 0).tokens)
    whole = tokens_of(call("show", packed, "--sequence", "0").output)
    assert len(whole) == count
    some = tokens_of(call("show", packed, "--sequence", "0", "--tokens", "20:50").output)
    assert some == whole[20:50]
    assert tokens_of(call("show", packed, "--sequence", "0", "--tokens", f"{count - 2}:").output) == whole[-2:]


def tokens_of(shown: str) -> list[str]:
    """The tokens of a sequence whose texts hold no line feed but those marked."""
    body = "".join(line for line in shown.replace("⏎\n", "⏎").splitlines(keepends=True)[2:] if line[0] != "─")
    return [part.strip("⟦⟧").removeprefix("0.5× ") for line in body.splitlines() if line for part in line.split("│")]


def test_the_same_seed_shows_the_same_sequences(numbers: Path) -> None:
    first = call("show", numbers, "-n", "3").output
    assert first.count("sequence ") == 3
    assert call("show", numbers, "-n", "3").output == first
    assert call("show", numbers, "-n", "3", "--seed", "1").output != first
    both = call("show", numbers, "--sequence", "1", "--sequence", "0").output
    assert both.index("sequence 1 of") < both.index("sequence 0 of")


def test_without_a_tokenizer_tokens_are_numbers(numbers: Path) -> None:
    shown = call("show", numbers, "--sequence", "0").output
    assert "no tokenizer stands beside it" in shown
    found = sequence_of(str(numbers), 0)
    body = " ".join(line for line in shown.splitlines()[3:] if not line.startswith("──"))
    assert [int(each) for each in re.findall(r"\d+", body)] == found.tokens.tolist()


def test_on_a_terminal_colours_tell_tokens_apart(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console  # noqa: PLC0415 - for one test

    def terminal() -> Console:
        return Console(force_terminal=True, color_system="standard", width=80, highlight=False, markup=False)

    monkeypatch.setattr("datapipe.cli.show_packed.console", terminal)
    shown = call("show", packed, "-n", "9").output
    green, magenta = "\x1b[32m", "\x1b[35m"
    assert green in shown or "\x1b[4;32m" in shown
    assert magenta in shown or "\x1b[4;35m" in shown
    words = re.sub("\x1b\\[[0-9;]*m", "", shown)
    assert "⟦A" not in words
    assert "\\x1b[31m" in words
    assert "«" not in shown
    plain = call("show", packed, "-n", "9", "--plain").output
    assert "\x1b" not in plain


@pytest.mark.parametrize(
    ("arguments", "says_so"),
    [
        (["--sequence", "9999"], "has no sequence 9999; it has"),
        (["--sequence", "0", "--tokens", "5000:"], "has no token 5000"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(packed: Path, arguments: list[str], says_so: str) -> None:
    with pytest.raises(InputError, match=says_so):
        call("show", packed, *arguments)


@pytest.mark.parametrize(
    ("arguments", "says_so"),
    [
        (["--tokens", "5-9"], "is no range: give FIRST:END"),
        (["--tokens", "9:5"], "is no range"),
        (["--stage", "tokens"], "--stage is for documents of a run"),
    ],
)
def test_what_does_not_go_together_is_told(packed: Path, arguments: list[str], says_so: str) -> None:
    result = call("show", packed, *arguments)
    assert result.exit_code == 2
    assert says_so in click.unstyle(result.output)


def test_a_folder_that_holds_no_sequences_is_named(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no packed sequences"):
        call("show", tmp_path, "--sequence", "0")
    with pytest.raises(InputError, match="is no run"):
        call("show", tmp_path)
    with pytest.raises(InputError, match="holds no packed sequences"):
        call("show", packed.parent / "tokens", "--plain")


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def scribbled(path: Path) -> None:
    path.write_bytes(b"\x00garbage" * 200)


@pytest.mark.parametrize("harm", [cut_in_half, emptied, scribbled, Path.unlink])
@pytest.mark.parametrize("name", ["*.arrow", "index/*.parquet", "manifest.json", "tokenizer/tokenizer.json"])
def test_a_damaged_file_is_named_in_one_line(packed: Path, tmp_path: Path, name: str, harm: Any) -> None:
    shutil.copytree(packed, tmp_path / "out")
    path = next((tmp_path / "out").glob(name))
    harm(path)
    if harm is Path.unlink and name.startswith("tokenizer"):
        assert "tokens are numbers" in call("show", tmp_path / "out").output
        return
    expected = InputError if harm is Path.unlink and name == "manifest.json" else CorruptData
    with pytest.raises(expected, match="is no run" if expected is InputError else f"{path.name} is (damaged|missing)"):
        call("show", tmp_path / "out", "-n", "9")


def test_a_folder_whose_writing_was_stopped_says_so(packed: Path, tmp_path: Path) -> None:
    shutil.copytree(packed, tmp_path / "out")
    (tmp_path / "out" / "state.json").unlink()
    with pytest.raises(InputError, match="are not all written; let the run end"):
        call("show", tmp_path / "out")
