"""read.hub: data sets of a hub, of `save_to_disk` and of folders laid out like them; splits, subsets and changes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datapipe.errors import InputError
from stages.read.hub import STAGE, Config
from tests.stages.read.hub_server import hub

TEXTS = [f"text {number} ü" for number in range(30)]
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session", autouse=True)
def _library_s_own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the library keeps goes to a folder of the tests; it is set before the library is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


def config(path: Path | str, **options: Any) -> Config:
    return Config(paths=(str(path),), source="s", **options)


def read(given: Config) -> dict[str, list[Any]]:
    """Texts by file; each split gives the same rows from every cursor on."""
    found = {}
    for split in STAGE.splits(given):
        whole = [row for batch in STAGE.read(split, given, 0) for row in batch.to_pylist()]
        for number, row in enumerate(whole):
            again = [row for batch in STAGE.read(split, given, row["cursor"]) for row in batch.to_pylist()]
            assert again == whole[number:]
        found[split.name] = [row["reason"] or row["text"] for row in whole]
    return found


def saved(folder: Path, texts: list[str], shards: int = 1) -> Path:
    """What `save_to_disk` writes; that the library does write it so is another test."""
    folder.mkdir(parents=True)
    names = [f"data-{number:05}-of-{shards:05}.arrow" for number in range(shards)]
    each = len(texts) // shards
    for number, name in enumerate(names):
        table = pa.table({"text": texts[number * each : (number + 1) * each]})
        with pa.ipc.new_stream(str(folder / name), table.schema) as out:
            out.write_table(table, max_chunksize=4)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    return folder


def test_a_saved_data_set_is_read_shard_by_shard_without_the_library(tmp_path: Path) -> None:
    found = read(config(saved(tmp_path / "set", TEXTS, shards=3)))
    assert found == {f"data-0000{n}-of-00003.arrow": TEXTS[n * 10 : n * 10 + 10] for n in range(3)}


def test_a_saved_data_set_with_splits_names_them(tmp_path: Path) -> None:
    for name, texts in {"train": TEXTS, "dev": TEXTS[:2]}.items():
        saved(tmp_path / "set" / name, texts)
    (tmp_path / "set/dataset_dict.json").write_text('{"splits": ["train", "dev"]}')
    assert read(config(tmp_path / "set")) == {"train/data-00000-of-00001.arrow": TEXTS}
    assert read(config(tmp_path / "set", split="dev")) == {"dev/data-00000-of-00001.arrow": TEXTS[:2]}
    with pytest.raises(InputError, match=r"has no split 'devel'; there are train, dev; set split: dev"):
        STAGE.splits(config(tmp_path / "set", split="devel"))


def test_the_library_writes_what_is_read(tmp_path: Path) -> None:
    program = (
        "import sys, datasets\n"
        "made = datasets.Dataset.from_dict({'text': [f'text {n} ü' for n in range(30)], 'n': list(range(30))})\n"
        "made.save_to_disk(sys.argv[1], num_shards=2)\n"
        "datasets.DatasetDict({'test': made}).save_to_disk(sys.argv[2])\n"
    )
    places = [tmp_path / "one", tmp_path / "several"]
    subprocess.run([sys.executable, "-c", program, *map(str, places)], check=True, capture_output=True)
    assert [text for texts in read(config(places[0])).values() for text in texts] == TEXTS
    assert read(config(places[1])) == {"test/data-00000-of-00001.arrow": TEXTS}


def parquet(texts: list[str]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"text": texts}), out, row_group_size=7)
    return out.getvalue()


FILES = {
    "jsonl": b"".join(json.dumps({"text": text}).encode() + b"\n" for text in TEXTS),
    "json": json.dumps([{"text": text} for text in TEXTS]).encode(),
    "csv": b"n,text\n" + b"".join(f"{number},{text}\n".encode() for number, text in enumerate(TEXTS)),
    "parquet": parquet(TEXTS),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_folder_of_data_files_is_laid_out_as_the_library_says(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "set" / "data"
    folder.mkdir(parents=True)
    (folder / f"train-00000.{kind}").write_bytes(FILES[kind])
    (folder / f"test-00000.{kind}").write_bytes(FILES[kind][:0] if kind == "jsonl" else FILES[kind])
    assert read(config(tmp_path / "set")) == {f"data/train-00000.{kind}": TEXTS}
    with pytest.raises(InputError, match="has no split 'dev'; there are train, test"):
        STAGE.splits(config(tmp_path / "set", split="dev"))


def test_a_file_changed_in_place_is_another_file(tmp_path: Path) -> None:
    folder = saved(tmp_path / "set", TEXTS)
    (before,) = STAGE.splits(config(folder))
    path = folder / "data-00000-of-00001.arrow"
    path.write_bytes(path.read_bytes().replace(b"text 7", b"Text 7"))
    (after,) = STAGE.splits(config(folder))
    assert (before.name, before.files[0].size) == (after.name, after.files[0].size)
    assert before.files != after.files


def test_other_types_are_refused_with_a_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.txt").write_bytes(b"text\n")
    with pytest.raises(InputError, match="not txt; try revision: refs/convert/parquet"):
        STAGE.splits(config(folder))


def test_a_folder_without_data_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="check its name, subset and revision") as caught:
        STAGE.splits(config(tmp_path))
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------------------------------------- a hub

CARD = b"""---
configs:
- config_name: en
  data_files:
  - split: train
    path: en/*.parquet
  - split: test
    path: extra/en.parquet
  default: true
- config_name: zh
  data_files: zh/*.parquet
---
"""
FIRST = {
    "README.md": CARD,
    "en/0.parquet": parquet(["a", "b"]),
    "en/1.parquet": parquet(TEXTS * 500),
    "extra/en.parquet": parquet(["test"]),
    "zh/0.parquet": parquet(["中"]),
}
SECOND = FIRST | {"en/0.parquet": parquet(["A", "b"]), "en/2.parquet": parquet(["c"])}
COMMITS = {"1" * 40: FIRST, "2" * 40: SECOND}
PROGRAM = """
import json, sys
from datapipe.errors import InputError
from stages.read.hub import STAGE, Config
for options in json.loads(sys.argv[1]):
    config = Config(paths=[options.pop("name", "someone/things")], source="s", **options)
    try:
        splits = STAGE.splits(config)
        files = {s.name: [s.files[0].modified, sum(len(b) for b in STAGE.read(s, config, 0))] for s in splits}
    except InputError as error:
        files = {"error": str(error)}
    print(json.dumps(files))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], list[Any], Path]:
    """What a process that talks to a hub reads, what the hub was asked for, and where the library keeps things."""
    home = tmp_path_factory.mktemp("home")
    cases = [
        {"revision": "1" * 40},
        {},
        {"subset": "zh"},
        {"split": "test"},
        {"subset": "fr"},
        {"revision": "no-such"},
        {"name": "nobody/none"},
    ]
    with hub(COMMITS) as server:
        environment = {**os.environ, "HF_ENDPOINT": server.url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"}
        command = [sys.executable, "-c", PROGRAM, json.dumps(cases)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], server.asked, home


def test_a_subset_and_split_of_a_hub_at_a_revision(answers: tuple[list[Any], list[Any], Path]) -> None:
    first, main, chinese, test = ({name: rows for name, (_, rows) in found.items()} for found in answers[0][:4])
    assert first == {"en/0.parquet": 2, "en/1.parquet": 15_000}
    assert main == {"en/0.parquet": 2, "en/1.parquet": 15_000, "en/2.parquet": 1}
    assert chinese == {"zh/0.parquet": 1}
    assert test == {"extra/en.parquet": 1}


def test_a_new_commit_changes_the_files_whose_content_changed(answers: tuple[list[Any], list[Any], Path]) -> None:
    first, main = answers[0][:2]
    assert first["en/0.parquet"][0] != main["en/0.parquet"][0]
    assert first["en/1.parquet"][0] == main["en/1.parquet"][0] != ""


def test_what_a_hub_does_not_have_is_one_clear_line(answers: tuple[list[Any], list[Any], Path]) -> None:
    for found, says in zip(answers[0][4:], ("fr", "no-such", "nobody/none"), strict=True):
        assert says in found["error"]
        assert found["error"].endswith("check its name, subset and revision, and your access")
        assert "\n" not in found["error"]


def test_files_are_fetched_in_ranges_and_kept_nowhere(answers: tuple[list[Any], list[Any], Path]) -> None:
    _, asked, home = answers
    fetched = [span for method, path, span in asked if path.endswith(".parquet") and method == "GET"]
    assert fetched
    assert all(fetched)
    assert not [path for path in home.rglob("*") if path.is_file() and path.read_bytes().startswith(b"PAR1")]


def test_the_library_is_not_imported_before_it_is_needed() -> None:
    program = "import sys, stages.read.hub; print('datasets' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_of_a_saved_data_set_only_its_own_split_can_be_asked(tmp_path: Path) -> None:
    folder = saved(tmp_path / "set", TEXTS)
    with pytest.raises(InputError, match="is a data set without splits, not 'dev'; leave split out"):
        STAGE.splits(config(folder, split="dev"))
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps(state | {"_split": "train"}))
    assert read(config(folder, split="train")) == read(config(folder)) == {"data-00000-of-00001.arrow": TEXTS}
    with pytest.raises(InputError, match="is split 'train', not 'dev'; set split: train"):
        STAGE.splits(config(folder, split="dev"))


@pytest.mark.parametrize("option", ["subset", "revision"])
def test_a_saved_data_set_has_no_subset_or_revision(tmp_path: Path, option: str) -> None:
    saved(tmp_path / "set/train", TEXTS)
    (tmp_path / "set/dataset_dict.json").write_text('{"splits": ["train"]}')
    for folder in (tmp_path / "set", tmp_path / "set/train"):
        with pytest.raises(InputError, match="no subsets or revisions"):
            STAGE.splits(config(folder, **{option: "x"}))


def test_the_library_that_detects_charsets_is_named() -> None:
    assert isinstance(STAGE.libraries, tuple)
    assert "resiliparse" in STAGE.libraries


@pytest.mark.parametrize("content", ["[]", "{", '{"splits": 3}', '{"splits": [1]}', '{"splits": ["../x"]}'])
def test_a_damaged_list_of_splits_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "dataset_dict.json").write_text(content)
    with pytest.raises(InputError, match=r"dataset_dict\.json (cannot be read|names no splits)"):
        STAGE.splits(config(tmp_path))


@pytest.mark.parametrize("name", ["../one.arrow", "data-*.arrow", "/etc/one.arrow", ".."])
def test_a_saved_data_set_names_files_beside_its_state_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    with pytest.raises(InputError, match="no file beside it"):
        STAGE.splits(config(tmp_path))
