"""What a sound recipe becomes: its graph, columns, resolved YAML, and the schema for editors."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pyarrow as pa
import pytest

from datapipe.recipe import Recipe, load_recipe, recipe_schema
from datapipe.registry import Registry

TOYS = Path(__file__).parent / "stages_dir"
REGISTRY = Registry(TOYS)

TEXT = """\
run: runs/x
seed: 7
description: "no"
stages:
  pages: {use: read.toy, paths: [a.html], source: web, snapshot: 2026-11-01}
  text: {use: body, engine: careful}
  language: {use: filter.tongue, keep: [en, no]}
  quality:
    use: filter.size
    where: language != 'zh' and language.score > 0.5
    resource: runs/y
    least: 10
  lines: {use: read.lines, from: [], paths: [/abs/b.txt], source: "1e3", shard_bytes: 8MiB, sample: 1%}
  other: {use: filter.size, most: null}
  all: {use: filter.tongue, from: [quality, other]}
  out: {use: write.files}
  out2: {use: write.files}
  halves: {use: cut, from: all}
reuse: [runs/w]
cluster: {workers: 3}
"""


def load(folder: Path, text: str = TEXT, *settings: str) -> Recipe:
    path = folder / "r.yaml"
    path.write_text(text)
    return load_recipe(path, REGISTRY, settings)


def test_parents_default_to_the_stage_above_and_pass_sinks(tmp_path: Path) -> None:
    recipe = load(tmp_path)
    assert {name: node.parents for name, node in recipe.nodes.items()} == {
        "pages": (),
        "text": ("pages",),
        "language": ("text",),
        "quality": ("language",),
        "lines": (),
        "other": ("lines",),
        "all": ("quality", "other"),
        "out": ("all",),
        "out2": ("all",),
        "halves": ("all",),
    }
    assert recipe.children("all") == ("out", "out2", "halves")
    assert recipe.chain("quality") == ("pages", "text", "language", "quality")
    assert recipe.chain("out") == ("all", "out")
    assert recipe.nodes["quality"].line == 8
    assert (recipe.run, recipe.seed, recipe.reuse, recipe.cluster.workers) == ("runs/x", 7, ("runs/w",), 3)


def test_values_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    """`no` is Norwegian, a date is text, and what is in quotes stays text."""
    nodes = load(tmp_path).nodes
    assert nodes["language"].config.model_dump() == {"keep": ("en", "no")}
    assert nodes["pages"].config.model_dump()["snapshot"] == "2026-11-01"
    lines = nodes["lines"].config.model_dump()
    assert (lines["source"], lines["shard_bytes"], lines["sample"]) == ("1e3", 8 << 20, 0.01)


def test_columns_are_followed(tmp_path: Path) -> None:
    recipe = load(tmp_path)
    assert recipe.available("pages")["html"] == pa.large_binary()
    assert recipe.transient("quality") == {"html"}
    after = recipe.columns["all"]
    own = {"language", "language.score", "quality.characters", "quality.odd", "other.characters", "all.score"}
    assert own <= after.types.keys()
    assert {"url", "html", "kind", "language.score", "other.odd"} <= after.partial
    assert not {"id", "text", "source", "language", "all.score"} & after.partial
    assert set(recipe.available("halves")) == {*after.types, "parent_row"}  # children inherit what they do not bring


def test_kept_transient_columns_are_stored(tmp_path: Path) -> None:
    recipe = load(tmp_path, TEXT.replace("paths: [a.html]", "paths: [a.html], keep: [html]"))
    assert recipe.transient("pages") == frozenset()
    assert "html" in recipe.available("text")


def test_where_is_compiled(tmp_path: Path) -> None:
    where = load(tmp_path).nodes["quality"].where
    assert where is not None
    assert where.columns == ("language", "language.score")
    batch = pa.RecordBatch.from_pydict({"language": ["en", "zh", None], "language.score": [0.9, 0.9, 0.9]})
    assert where.mask(batch).tolist() == [True, False, True]  # a missing language is not zh


def test_the_resolved_recipe_reads_back_as_itself(tmp_path: Path) -> None:
    first = load(tmp_path)
    text = first.resolved_yaml()
    second = load(tmp_path, text)
    assert second.resolved_yaml() == text
    for name, node in first.nodes.items():
        other = second.nodes[name]
        assert (node.use, node.config, node.parents, node.where) == (
            other.use,
            other.config,
            other.parents,
            other.where,
        )
    assert second.head == first.head
    for part in ("least: 10", "most: 100000", "most: null", "source: '1e3'", "from: []", "/abs/b.txt", "workers: 3"):
        assert part in text


def test_settings_win(tmp_path: Path) -> None:
    settings = (
        "quality.least=20",
        "quality.where=language == 'en'",
        "quality.unit.name=word",
        "run=runs/b",
        "seed=9",
        "cluster.workers=5",
        "reuse=[a, b]",
        "other.most=",
        "out.from=text",
        "language.keep=[no]",
    )
    recipe = load(tmp_path, TEXT, *settings)
    quality = recipe.nodes["quality"]
    assert quality.config.model_dump() == {"least": 20, "most": 100_000, "unit": {"name": "word"}}
    assert quality.where is not None
    assert quality.where.text == "language == 'en'"
    assert (recipe.run, recipe.seed, recipe.reuse, recipe.cluster.workers) == ("runs/b", 9, ("a", "b"), 5)
    assert recipe.nodes["out"].parents == ("text",)
    assert recipe.nodes["language"].config.model_dump() == {"keep": ("no",)}


def test_aliases_within_reason_are_fine(tmp_path: Path) -> None:
    text = TEXT.replace("keep: [en, no]", "keep: &codes [en, de]").replace(
        "all: {use: filter.tongue,", "all: {use: filter.tongue, keep: *codes,"
    )
    assert load(tmp_path, text).nodes["all"].config.model_dump() == {"keep": ("en", "de")}


def test_a_new_source_below_starts_a_branch_without_from(tmp_path: Path) -> None:
    assert load(tmp_path, TEXT.replace("from: [], ", "")).nodes["lines"].parents == ()


def test_nodes_can_be_pickled_but_for_stages_of_a_folder(tmp_path: Path) -> None:
    node = load(tmp_path).nodes["quality"]
    assert pickle.loads(pickle.dumps(node.where)) == node.where


def test_the_schema_knows_every_stage_and_option() -> None:
    schema = recipe_schema(REGISTRY)
    assert json.loads(json.dumps(schema)) == schema
    assert {"run", "seed", "reuse", "audit", "cluster", "gates", "stages", "description"} == set(schema["properties"])
    assert set(schema["required"]) == {"run", "stages"}
    choices = {c["title"]: c for c in schema["properties"]["stages"]["additionalProperties"]["oneOf"]}
    assert set(choices) == set(REGISTRY.names())
    size = choices["filter.size"]
    assert size["properties"]["use"]["const"] == "filter.size"
    assert size["properties"]["least"]["default"] == 50
    assert "fewer leave as too_few_characters" in size["properties"]["least"]["description"]
    assert {"from", "where", "resource"} <= set(size["properties"])
    assert size["additionalProperties"] is False
    assert "where" not in choices["read.toy"]["properties"]
    assert set(choices["read.toy"]["required"]) == {"use", "paths", "source"}
    for reference in _references(schema):
        assert reference.removeprefix("#/$defs/") in schema["$defs"]


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for part in value.values() for found in _references(part)]
    return [found for part in value for found in _references(part)] if isinstance(value, list) else []


def test_a_stage_that_cannot_be_imported_is_still_offered(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import surely_absent\nSTAGE = 1\n")
    choices = recipe_schema(Registry(tmp_path))["properties"]["stages"]["additionalProperties"]["oneOf"]
    assert "broken" in [choice["title"] for choice in choices]


@pytest.mark.parametrize("number", ["100_000", "1e3", "0x10", ".5", "12:30", "1.", "+.inf", "~", "0o17", "yes", "<<"])
def test_text_that_looks_like_something_else_survives_writing(tmp_path: Path, number: str) -> None:
    text = TEXT.replace('description: "no"', f"description: {json.dumps(number)}")
    first = load(tmp_path, text)
    assert load(tmp_path, first.resolved_yaml()).head.description == number
