"""Earlier runs that changed, are damaged or gone: noticed, one clear line each, and the remedy that it names works."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datapipe.errors import CorruptData, DatapipeError, InputError, RunError
from datapipe.registry import Registry
from datapipe.run.reopen import reopen
from datapipe.run.standing import stage_states
from tests.run.copies import Chain, chain, documents, left, write
from tests.run.workbench import TOYS, Done, Workbench, differences

ROWS = documents(80, seed=6)


class Pair:
    """A run with `index`, and the bench of one after it."""

    def __init__(self, folder: Path, stage: str) -> None:
        self.stage = stage
        self.first, self.second = Workbench(folder / "first"), Workbench(folder / "second")
        for bench, rows in ((self.first, ROWS[:40]), (self.second, ROWS[40:])):
            bench.folder.mkdir(parents=True)
            write(bench, rows, files=2, name="x" if bench is self.first else "y")
        self.old = self.earlier()

    def earlier(self, made: Chain | None = None) -> Done:
        return self.first.run("run", made or chain(self.first, self.stage, index=True))

    def later(self) -> Done:
        return self.second.run("run", self.recipe())

    def recipe(self) -> Chain:
        return chain(self.second, self.stage, index=True, against=[str(self.first.folder / "run")])

    def file(self, pattern: str) -> Path:
        return min((self.first.folder / "run" / self.stage / "exchange").glob(pattern))


@pytest.fixture
def near_pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path, "near")


@pytest.mark.parametrize("stage", ["exact", "near"])
def test_other_texts_of_the_same_documents_of_an_earlier_run_are_noticed(tmp_path: Path, stage: str) -> None:
    """A stage above theirs now changes what is compared: the same rows come in, with other keys."""
    made = Pair(tmp_path, stage)
    recipe = chain(made.second, stage, index=True, against=[str(made.old.folder)])
    options = {"normalise": False} if stage == "exact" else {}
    made.earlier(chain(made.first, stage, index=True, **options))
    recipe[stage] |= options
    before = left(made.second.run("run", recipe), stage)
    made.earlier(cut_short(chain(made.first, stage, index=True, **options)))
    after = left(made.second.run("run", recipe), stage)
    assert before != after
    assert after == left(made.second.run("fresh", recipe), stage)


def cut_short(made: Chain) -> Chain:
    """All lines that stand twice are cut before: other texts, the same documents."""
    docs, stage = made
    lines = {"use": "dedup.host_lines", "min_pages": 2, "min_share": 0.0, "min_words": None}
    return {docs: made[docs], "hosts": lines, stage: made[stage]}


def states(folder: Path) -> dict[str, str]:
    return {state.name: state.text for state in stage_states(reopen(str(folder), Registry(TOYS), str(TOYS)))}


@pytest.mark.parametrize("gone", ["docs/*-0000.parquet", "docs/records.parquet", "docs", "near/stage.json"])
def test_an_earlier_run_of_which_files_are_gone_is_refused(near_pair: Pair, gone: str) -> None:
    """Without its shards it would count as having no documents, and what stands there would come again."""
    old = near_pair.old.folder
    for path in list(old.glob(gone)):
        (shutil.rmtree if path.is_dir() else Path.unlink)(path)
    with pytest.raises((RunError, InputError, CorruptData)) as told:
        near_pair.later()
    assert str(old) in _one_line(told)


def test_an_earlier_run_that_has_hardly_begun_is_refused(near_pair: Pair) -> None:
    old = near_pair.old.folder
    for path in old.iterdir():
        if path.name != "recipe.yaml":
            (shutil.rmtree if path.is_dir() else Path.unlink)(path)
    with pytest.raises(RunError, match="is not done"):
        near_pair.later()


def test_status_names_an_earlier_run_that_changed_or_is_gone(near_pair: Pair) -> None:
    done = near_pair.later()
    assert states(done.folder)["near"] == "done"
    write(near_pair.first, documents(10, seed=9), files=1, name="z")
    near_pair.earlier()
    said = states(done.folder)["near"]
    assert said.startswith("stale (0 of 2 shards current)")
    assert "an earlier run" in said
    near_pair.later()
    assert states(done.folder)["near"] == "done"
    shutil.rmtree(near_pair.old.folder)
    assert "is no run" in states(done.folder)["near"]


# ---------------------------------------------------------------------------------------------- damage

DAMAGES: dict[str, Callable[[Path], object]] = {
    "zero bytes": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "one byte": lambda path: path.write_bytes(_flipped(path.read_bytes())),
    "missing": Path.unlink,
}
KEYS, MEASURED, NOTE = "*-????.parquet", "measured/*.parquet", "measured/*.json"


def _flipped(data: bytes) -> bytes:
    """The first byte behind a third of them that matters; some in a Parquet footer say nothing that is read."""
    for at in range(len(data) // 3, len(data)):
        changed = data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]
        if not data.startswith(b"PAR1") or _read(changed) != _read(data):
            return changed
    raise AssertionError


def _read(data: bytes) -> list[Any] | None:
    try:
        return pq.read_table(io.BytesIO(data)).to_pylist()
    except (pa.ArrowException, OSError, ValueError):
        return None


def _one_line(error: pytest.ExceptionInfo[DatapipeError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert error.value.remedy
    return text


def _cases(patterns: Sequence[str]) -> list[Any]:
    """One damage to each kind of file in CI; all others under `full`."""
    few = {(patterns[0], "truncated"), (patterns[-1], "missing")}
    cases = [(pattern, damage) for pattern in patterns for damage in DAMAGES]
    return [pytest.param(*case, marks=() if case in few else pytest.mark.full) for case in cases]


@pytest.mark.parametrize(("pattern", "damage"), _cases([KEYS, MEASURED, NOTE]))
def test_a_damaged_file_of_an_earlier_run_is_told_and_that_run_makes_it_anew(
    near_pair: Pair, pattern: str, damage: str
) -> None:
    well = near_pair.second.run("well", near_pair.recipe())
    path = near_pair.file(pattern)
    DAMAGES[damage](path)
    if (pattern, damage) == (NOTE, "one byte"):  # may still be JSON
        path.write_bytes(path.read_bytes().replace(b'"', b"'"))
    with pytest.raises((CorruptData, InputError, RunError)) as told:
        near_pair.later()
    line = _one_line(told)
    if isinstance(told.value, CorruptData):
        assert str(path) in line
        assert "delete it there" in line
        path.unlink()
    near_pair.earlier()
    assert path.exists()
    assert differences(well.folder, near_pair.later().folder) == []


@pytest.mark.parametrize(("pattern", "damage"), _cases([MEASURED, NOTE]))
def test_a_damaged_file_of_what_is_measured_here_is_made_anew(near_pair: Pair, pattern: str, damage: str) -> None:
    whole = near_pair.first.run("whole", chain(near_pair.first, "near", index=True))
    DAMAGES[damage](near_pair.file(pattern))
    write(near_pair.first, documents(10, seed=9), files=1, name="z")
    try:
        grown = near_pair.earlier()
    except CorruptData as error:
        assert "delete it and run again" in str(error)  # noqa: PT017 - only some damages are met here
        near_pair.file(pattern).unlink()
        grown = near_pair.earlier()
    fresh = near_pair.first.run("fresh", chain(near_pair.first, "near", index=True))
    assert differences(fresh.folder, grown.folder) == []
    assert differences(whole.folder, grown.folder)


@pytest.mark.parametrize(
    "damage", ["one byte", *(pytest.param(name, marks=pytest.mark.full) for name in DAMAGES if name != "one byte")]
)
def test_a_damaged_file_of_a_round_is_made_anew(near_pair: Pair, damage: str) -> None:
    """What rests on it is taken away first, so that it is read."""
    run = near_pair.old.folder
    well = Path(shutil.copytree(run, run.parent / "well"))
    for number in range(4):
        folder = run / f"near/exchange/round-{number}"
        path = min(folder.glob("*.parquet"))
        DAMAGES[damage](path)
        _forget_what_rests_on(run, number)
        if damage != "missing":
            with pytest.raises(CorruptData, match="delete it and run again") as told:
                near_pair.earlier()
            assert str(path) in _one_line(told)
            path.unlink()
        near_pair.earlier()
        assert differences(well, run) == []


def _forget_what_rests_on(run: Path, number: int) -> None:
    """The later rounds, and the layers: so that the files of a round are read."""
    for later in range(number + 1, 4):
        shutil.rmtree(run / f"near/exchange/round-{later}")
    for shard in (run / "near").glob("*-*.parquet"):
        shard.unlink()


def test_the_record_of_a_round_that_is_damaged_is_made_anew(near_pair: Pair) -> None:
    run = near_pair.old.folder
    well = Path(shutil.copytree(run, run.parent / "well"))
    for path in run.glob("near/exchange/round-*/*.json"):
        path.write_text(json.dumps({"fingerprint": "x"}))
    for shard in (run / "near").glob("*-*.parquet"):
        shard.unlink()
    near_pair.earlier()
    assert differences(well, run) == []


def test_without_index_the_remedy_that_is_told_works(tmp_path: Path) -> None:
    made = Pair(tmp_path, "near")
    bare: dict[str, Any] = chain(made.first, "near")
    shutil.rmtree(made.old.folder)
    made.earlier(bare)
    with pytest.raises(InputError, match="index: true"):
        made.later()
    made.earlier()
    assert left(made.later(), "near")
