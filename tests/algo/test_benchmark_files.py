"""Items of benchmarks out of files: fields, answers by letter and number, several files, and mistakes in one line."""

from __future__ import annotations

import gzip
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from datapipe.algo.benchmark_files import Where, benchmarks_of, digest_of_benchmarks, items_of
from datapipe.algo.item_index import Item
from datapipe.errors import InputError

ROOT = Path(__file__).parents[2]


def read(path: Path, fields: dict[str, str] | None = None, **named: Any) -> list[Item]:
    return items_of(
        benchmarks_of(
            [str(path)],
            fields or {},
            where=Where(named.get("data"), named.get("fetch", False)),
            names=named.get("names"),
        )
    )


def written(path: Path, *records: Any) -> Path:
    path.write_text("\n".join(map(json.dumps, records)) + "\n", encoding="utf-8")
    return path


def item(text: str, output: str = "", options: tuple[str, ...] = (), context: str = "") -> Item:
    return Item("b", 0, text, output, options, context)


LETTERED = {"input": "q", "options": ["A", "B"], "output": "a"}
LISTED = {"input": "q", "options": "o", "output": "a"}
FORMS: dict[str, tuple[dict[str, Any], dict[str, Any], Item]] = {
    "input": ({"input": "q"}, {"q": "Why?"}, item("Why?")),
    "two fields": ({"input": ["c", "q"]}, {"c": "It rains.", "q": "Why?"}, item("It rains. Why?")),
    "a number": ({"input": "q", "output": "a"}, {"q": "Why?", "a": 42}, item("Why?", "42")),
    "context": ({"input": "q", "context": "p"}, {"q": "Why?", "p": "A page."}, item("Why?", context="A page.")),
    "answer by number": (LISTED, {"q": "?", "o": ["x", "y"], "a": 1}, item("?", "y", ("x", "y"))),
    "answer by letter": (LETTERED, {"q": "?", "A": "x", "B": "y", "a": "B"}, item("?", "y", ("x", "y"))),
    "no such letter": (LISTED, {"q": "?", "o": ["x"], "a": "Z"}, item("?", "Z", ("x",))),
    "field in field": ({"input": "q", "options": "o.text"}, {"q": "?", "o": {"text": ["x"]}}, item("?", "", ("x",))),
}


@pytest.mark.parametrize(("entry", "record", "expected"), FORMS.values(), ids=FORMS)
def test_fields_become_an_item(tmp_path: Path, entry: dict[str, Any], record: dict[str, Any], expected: Item) -> None:
    written(tmp_path / "b.jsonl", record)
    described = tmp_path / "all.yaml"
    described.write_text(yaml.safe_dump({"b": entry}), encoding="utf-8")
    assert read(described, data=str(tmp_path)) == [expected]


def test_a_list_of_inputs_is_as_many_items(tmp_path: Path) -> None:
    path = written(tmp_path / "turns.jsonl", {"input": ["One?", "Two?"]}, {"input": "Three?"})
    assert [(one.number, one.input) for one in read(path)] == [(0, "One?"), (1, "Two?"), (2, "Three?")]


def test_all_kinds_of_files_give_the_same(tmp_path: Path) -> None:
    records = [{"input": "Why?", "options": ["x", "y"]}, {"input": "Who?", "options": ["z"]}]
    paths = [tmp_path / name for name in ("one.jsonl", "one.json", "one.parquet", "one.jsonl.gz")]
    written(paths[0], *records)
    paths[1].write_text(json.dumps(records), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(records), paths[2])
    paths[3].write_bytes(gzip.compress(paths[0].read_bytes()))
    assert [read(path) for path in paths] == [read(paths[0])] * 4
    assert [one.benchmark for one in read(paths[3])] == ["one", "one"]


def test_what_items_are_made_of_counts_and_not_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    here, there = (written(folder / "b.jsonl", {"input": "Why?"}) for folder in (tmp_path, tmp_path / "other"))

    def digest(path: Path) -> str:
        return digest_of_benchmarks(benchmarks_of([str(path)], {}, where=Where(), names=None))

    before = digest(here)
    assert digest(there) == before
    written(there, {"input": "Who?"})
    assert digest(there) != before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("b: {inputs: q}", "did you mean input"),
        ("b: {output: q}", "add `input: FIELD`"),
        ("b: {hub: some/where, input: q}", "fetched from some/where"),
        ("b: {input: q, hosts: ['a b']}", "hosts that are none"),
        ("- b", "no list of benchmarks"),
        ("b: [", "cannot be read as YAML"),
    ],
)
def test_a_bad_description_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says) as caught:
        read(path, data=str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"question": "Why?"}', "it has question"),
        ('{"input": ""}', "no text in input"),
        ("", "has no items"),
        ("[", "no JSON"),
    ],
)
def test_a_bad_file_is_one_line_without_its_text(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "b.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=says) as caught:
        read(path)
    assert "Why" not in str(caught.value)


def test_the_catalogue_describes_the_standard_benchmarks() -> None:
    described = yaml.safe_load((ROOT / "configs/benchmarks.yaml").read_text(encoding="utf-8"))
    asked = (
        "mmlu mmlu_pro ceval cmmlu gsm8k math bbh humaneval mbpp arc_easy arc_challenge hellaswag piqa winogrande "
        "boolq openbookqa commonsenseqa siqa lambada truthfulqa ifeval mt_bench alpaca_eval gpqa aime"
    )
    assert sorted(described) == sorted(asked.split())
    assert all({"hub", "split", "input"} <= set(entry) for entry in described.values())


def test_benchmarks_of_the_catalogue_are_found_by_name(tmp_path: Path) -> None:
    written(tmp_path / "piqa.jsonl", {"goal": "Boil an egg", "sol1": "In water", "sol2": "In sand"})
    items = read(ROOT / "configs/benchmarks.yaml", data=str(tmp_path), names=("piqa",))
    assert items == [Item("piqa", 0, "Boil an egg", "", ("In water", "In sand"))]
    with pytest.raises(InputError, match="there are no items of"):
        read(ROOT / "configs/benchmarks.yaml", data=str(tmp_path))


def test_a_folder_laid_out_like_a_data_set_of_the_hub_is_read_by_subset_and_split(tmp_path: Path) -> None:
    card = {"configs": [{"config_name": "main", "data_files": [{"split": "test", "path": "main/test*"}]}]}
    (tmp_path / "sums" / "main").mkdir(parents=True)
    (tmp_path / "sums" / "README.md").write_text(f"---\n{yaml.safe_dump(card)}---\n", encoding="utf-8")
    pq.write_table(pa.table({"question": ["One and one?"]}), tmp_path / "sums" / "main" / "test-0.parquet")
    pq.write_table(pa.table({"question": ["Two and two?"]}), tmp_path / "sums" / "main" / "train-0.parquet")
    described = tmp_path / "all.yaml"
    entry = {"hub": str(tmp_path / "sums"), "config": "main", "split": "test", "input": "question"}
    described.write_text(yaml.safe_dump({"sums": entry}), encoding="utf-8")
    assert read(described) == [Item("sums", 0, "One and one?")]
    described.write_text(yaml.safe_dump({"sums": {**entry, "split": "dev"}}), encoding="utf-8")
    with pytest.raises(InputError, match="dev") as caught:
        read(described)
    assert "\n" not in str(caught.value)


def test_what_the_hub_cannot_give_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets: Any = import_module("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    described = tmp_path / "all.yaml"
    described.write_text("sums: {hub: nobody/sums, split: test, input: question}", encoding="utf-8")
    with pytest.raises(InputError, match="nobody/sums") as caught:
        read(described, fetch=True)
    assert "\n" not in str(caught.value)
