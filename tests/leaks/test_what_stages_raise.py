"""What a stage raises may hold a text of a document: it is in no error, of whatever function, in whichever process."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest

from datapipe.cli.main import main
from datapipe.engine.calling import place_of, said_by, streamed
from datapipe.engine.task import Call
from datapipe.errors import StageError

STAGES = Path(__file__).parent / "stages_dir"
SECRET = "wilhelmina"  # no pattern knows a name


def recipe(folder: Path, stages: str) -> Path:
    (folder / "in.jsonl").write_text(json.dumps({"text": f"{SECRET} wrote a letter"}) + "\n", encoding="utf-8")
    path = folder / "r.yaml"
    head = f"run: {folder}/run\nstages:\n  docs: {{use: read.jsonl, paths: [{folder}/in.jsonl], source: x}}\n"
    path.write_text(f"{head}  {stages}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(("how", "kind"), [("process", "KeyError"), ("decide", "RuntimeError")])
@pytest.mark.parametrize("where", [["--local"], pytest.param(["--workers", "1"], marks=pytest.mark.full)])
def test_a_stage_that_breaks_down_tells_kind_and_line_of_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], how: str, kind: str, *, where: list[str]
) -> None:
    path = recipe(tmp_path, f"broken: {{use: plant.breaks, how: {how}}}")
    with pytest.raises(SystemExit) as ended:
        main(["run", str(path), "--stages", str(STAGES), *where])
    printed = "".join(capfd.readouterr())
    assert ended.value.code == 1
    assert "stage 'broken' broke down on shard" in printed
    assert f"{kind} at breaks.py:" in printed
    assert SECRET not in printed
    left = [file for file in (tmp_path / "run").rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
    assert [file for file in left if "docs" not in file.parts] == []


def test_the_error_of_a_stage_is_behind_no_error_that_is_told() -> None:
    def stream() -> object:
        yield 1
        raise ValueError(SECRET)

    call = Call("toy", "toy.lines", "{}")
    given = streamed(call, "shard", stream())  # type: ignore[arg-type]
    assert next(given) == 1
    with pytest.raises(StageError) as caught:
        next(given)
    whole = "".join(traceback.format_exception(caught.value))
    assert SECRET not in whole
    assert "ValueError at test_what_stages_raise.py:" in str(caught.value)


def test_what_an_error_says_is_told_where_it_cannot_be_a_text() -> None:
    def said(raises: object) -> str:
        try:
            raises()  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001 - any
            return said_by(error)
        raise AssertionError

    def literal() -> None:
        raise ImportError("libfast.so cannot be opened\nread on")

    def text() -> None:
        raise NotImplementedError(f"not for {SECRET}")

    def name() -> None:
        no_such_name  # type: ignore[name-defined]  # noqa: B018, F821

    def module() -> None:
        __import__("no_such_library.deep")

    assert said(literal) == "ImportError: libfast.so cannot be opened"
    assert said(name) == "NameError: name 'no_such_name' is not defined"
    assert said(module) == "ModuleNotFoundError: No module named 'no_such_library'"
    assert said(text).startswith("NotImplementedError at test_what_stages_raise.py:")
    assert place_of(ValueError()) == "an unknown place"
