"""Every kind of mistake in a recipe, with the line and key at which it is told and what mends it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.errors import InputError, RecipeError
from datapipe.recipe import load_recipe
from datapipe.registry import Registry

REGISTRY = Registry(Path(__file__).parent / "stages_dir")

GOOD = """\
run: runs/x
stages:
  pages: {use: read.toy, paths: [a], source: web}
  text: {use: body}
  language: {use: filter.tongue}
  quality: {use: filter.size}
"""

# name, text put below GOOD (or instead of it, if it begins with `run:` or `=`), the problems expected
CASES: list[tuple[str, str, list[str]]] = [
    (
        "unknown stage",
        "  a: {use: filter.sise}",
        ["r.yaml:7: stages.a.use: there is no stage 'filter.sise'; did you mean"],
    ),
    (
        "unknown option",
        "  a:\n    use: filter.size\n    leest: 1",
        ["r.yaml:9: stages.a.leest: is not an option here; did you mean least?"],
    ),
    (
        "common key misspelt",
        "  a: {use: filter.size, wear: x}",
        ["stages.a.wear: is not an option here; did you mean where?"],
    ),
    ("whole number", "  a: {use: filter.size, least: x}", ["stages.a.least: must be a whole number, not 'x'"]),
    ("fraction", "  a: {use: filter.size, least: 1.5}", ["stages.a.least: must be a whole number, not 1.5"]),
    ("limit", "  a: {use: filter.size, least: -1}", ["stages.a.least: must be at least 0, not -1"]),
    ("union", "  a: {use: filter.size, most: [1]}", ["stages.a.most: must be a whole number or a number, not [1]"]),
    (
        "nested",
        "  a: {use: filter.size, unit: {nam: x}}",
        ["stages.a.unit.nam: is not an option here; did you mean name?"],
    ),
    ("nested type", "  a: {use: filter.size, unit: 3}", ["stages.a.unit: must be a mapping of keys to values, not 3"]),
    ("choice", "  a: {use: body, engine: fasd}", ["must be fast or careful, not 'fasd'; did you mean fast?"]),
    ("list", "  a: {use: filter.tongue, keep: en}", ["stages.a.keep: must be a list, not 'en'; put it in [brackets]"]),
    (
        "item of a list",
        "  a:\n    use: filter.tongue\n    keep:\n    - en\n    - 3",
        ["r.yaml:11: stages.a.keep.1: must be text, not 3; put it in quotes"],
    ),
    (
        "bool",
        "  b: {use: read.toy, paths: [b], source: b, allow_missing: maybe}",
        ["must be true or false, not 'maybe'"],
    ),
    ("share", "  b: {use: read.toy, paths: [b], source: b, sample: 2}", ["stages.b.sample: must be at most 1, not 2"]),
    (
        "size",
        "  b: {use: read.toy, paths: [b], source: b, shard_bytes: 3 apples}",
        ["write a size as a number of bytes"],
    ),
    ("empty list", "  b: {use: read.toy, paths: [], source: b}", ["stages.b.paths: must hold at least 1"]),
    (
        "missing options",
        "  b: {use: read.toy}",
        ["r.yaml:7: stages.b.paths: is missing; files, folders or globs", "stages.b.source: is missing"],
    ),
    (
        "not transient",
        "  b: {use: read.toy, paths: [b], source: b, keep: [htm]}",
        ["`htm` is no transient column of `read.toy`; did you mean html?"],
    ),
    ("no use", "  a: {least: 3}", ["stages.a: `use` is missing"]),
    ("use is no text", "  a: {use: 3}", ["stages.a.use: must be the name of a stage"]),
    ("stage is no mapping", "  a: filter.size", ["r.yaml:7: stages.a: a stage is a mapping"]),
    ("stage is empty", "  a:", ["stages.a: a stage is a mapping"]),
    (
        "name",
        "  My-Filter: {use: filter.size}",
        ["stages.My-Filter: a stage's name is made of a-z, 0-9 and _; such as my_filter"],
    ),
    (
        "reserved",
        "  seed: {use: filter.size}",
        ["stages.seed: 'seed' is a word of its own in recipes; call it seed_stage"],
    ),
    ("keyword", "  class: {use: filter.size}", ["'class' is a word of its own"]),
    (
        "key twice",
        "  quality: {use: filter.size}",
        ["r.yaml:7: stages.quality: the key 'quality' stands here and on line 6; keep one"],
    ),
    (
        "option twice",
        "  a: {use: filter.size, least: 1, least: 2}",
        ["stages.a.least: the key 'least' stands here and on line 7"],
    ),
    (
        "unknown parent",
        "  a: {use: filter.size, from: qality}",
        ["stages.a.from: there is no stage 'qality' in this recipe; did you mean quality?"],
    ),
    ("parent twice", "  a: {use: filter.size, from: [text, text]}", ["stages.a.from: 'text' stands here twice"]),
    ("from is a number", "  a: {use: filter.size, from: 3}", ["stages.a.from: must be the name of a stage or a list"]),
    ("no parent", "  a: {use: filter.size, from: []}", ["stages.a.from: `filter.size` needs documents to read"]),
    ("own parent", "  a: {use: filter.size, from: a}", ["the stages form a circle: a → a"]),
    (
        "circle",
        "  a: {use: filter.size, from: b}\n  b: {use: filter.size}",
        ["r.yaml:7: stages.a.from: the stages form a circle: a → b → a"],
    ),
    (
        "below",
        "  a: {use: filter.size, from: b}\n  b: {use: filter.size, from: text}",
        ["'b' stands below 'a'; move 'b' above it"],
    ),
    (
        "source with parents",
        "  b: {use: read.toy, from: text, paths: [b], source: b}",
        ["`read.toy` is a source and reads from no stage"],
    ),
    (
        "sink as parent",
        "  o: {use: write.files}\n  a: {use: filter.size, from: o}",
        ["'o' writes files and hands no documents on"],
    ),
    (
        "documents twice",
        "  a: {use: filter.size, from: [text, quality]}",
        ["the documents of 'pages' arrive twice, by way of 'text' and of 'quality'"],
    ),
    (
        "input twice",
        "  b: {use: read.toy, paths: [c, a], source: web}\n  t: {use: body, from: [pages, b]}",
        ["the documents of a arrive twice: 'pages' and 'b' read"],
    ),
    (
        "column of no stage",
        "  b: {use: read.lines, paths: [b], source: b}\n  a: {use: filter.by_tongue}",
        [
            (
                "r.yaml:8: stages.a: `filter.by_tongue` reads column `language`, which no stage above "
                "gives; stage 'language' of this recipe gives it"
            )
        ],
    ),
    (
        "column of another stage",
        "run: x\nstages:\n  p: {use: read.toy, paths: [a], source: w}\n  a: {use: filter.size}",
        ["r.yaml:4: stages.a: `filter.size` reads column `text`, which no stage above gives; given by", "body"],
    ),
    (
        "column of one branch",
        "  b: {use: read.lines, paths: [b], source: b}\n  a: {use: filter.by_tongue, from: [quality, b]}",
        ["reads column `language`, which documents from b do not have"],
    ),
    (
        "where: column",
        "  a: {use: filter.size, where: quality.character > 3}",
        ["stages.a.where: there is no column `quality.character` here; did you mean quality.characters"],
    ),
    (
        "where: own column",
        "  a: {use: filter.size, where: a.characters > 3}",
        ["there is no column `a.characters` here"],
    ),
    (
        "where: type",
        "  a: {use: filter.size, where: language > 3}",
        ["`language` (text) cannot be compared with `3` (number)"],
    ),
    ("where: syntax", "  a: {use: filter.size, where: language ==}", ["does not parse"]),
    (
        "where: syntax below a mistake",
        "  a: {use: nothing}\n  b: {use: filter.size, where: x ==}",
        ["no stage 'nothing'", "r.yaml:8: stages.b.where: `x ==` does not parse"],
    ),
    ("where: not text", "  a: {use: filter.size, where: true}", ["stages.a.where: must be text; put it in quotes"]),
    ("where: kind", "  o: {use: write.files, where: language == 'en'}", ["`where` has no meaning for a Sink"]),
    (
        "resource",
        "  a: {use: filter.tongue, resource: runs/y}",
        ["`filter.tongue` prepares nothing that another run could lend"],
    ),
    ("sink's own word", "  o: {use: write.files, columns: []}", ["stages.o: no column to write; name one"]),
    (
        "sink's by",
        "  o: {use: write.files, by: langage}",
        ["reads column `langage`, which no stage above gives; did you mean language"],
    ),
    (
        "sink's by: type",
        "  o: {use: write.files, by: record}",
        ["stages.o.by: `record` is a column of int64; `by` takes one of strings, such as language"],
    ),
    (
        "sink's column",
        "  o: {use: write.files, columns: [textt]}",
        ["reads column `textt`, which no stage above gives; did you mean text"],
    ),
    (
        "several on one stage",
        "  a: {use: filter.size, least: x, leest: 3, where: b ==}",
        ["stages.a.least", "stages.a.leest", "stages.a.where"],
    ),
    (
        "goes on after wrong options",
        "  a: {use: filter.size, least: x}\n  b: {use: filter.size, where: a.character > 3}",
        [
            "stages.a.least",
            "r.yaml:8: stages.b.where: there is no column `a.character` here; did you mean a.characters",
        ],
    ),
    (
        "first stage",
        "run: x\nstages:\n  a: {use: filter.size}",
        ["r.yaml:3: stages.a: the first stage must be a source, and `filter.size` is none"],
    ),
    ("no stages", "run: x", ["stages: a recipe needs stages"]),
    ("empty stages", "run: x\nstages: {}", ["stages: a recipe needs stages"]),
    ("no run", "=stages: {p: {use: read.toy, paths: [a], source: w}}", ["run: is missing"]),
    (
        "unknown top key",
        "clusterr: {kind: local}",
        ["r.yaml:7: clusterr: is not an option here; did you mean cluster?"],
    ),
    ("cluster kind", "cluster: {kind: slrm}", ["cluster.kind: must be local, inprocess or address, not 'slrm'"]),
    (
        "cluster address",
        "cluster: {kind: address}",
        ["r.yaml:7: cluster: kind: address needs the address of a scheduler"],
    ),
    ("cluster workers", "cluster: {workers: 0}", ["cluster.workers: must be more than 0, not 0"]),
    ("seed", "seed: -1", ["seed: must be at least 0, not -1"]),
    ("empty file", "=", ["r.yaml: a recipe is a mapping with `run` and `stages`"]),
    ("a list", "=- a\n- b", ["r.yaml:1: a recipe is a mapping"]),
    ("no YAML", "=run: [a\nstages: }", ["r.yaml:2: this is not YAML"]),
    ("tab", "=run:\n\tx: 1", ["r.yaml:2: this is not YAML"]),
    ("two documents", "=run: a\n---\nrun: b", ["this is not YAML"]),
    (
        "object tag",
        "seed: !!python/object/apply:os.system ['x']",
        ["r.yaml:7: seed: the tag tag:yaml.org,2002:python/object/apply:os.system is not allowed"],
    ),
    ("own tag", "description: !secret x", ["the tag !secret is not allowed"]),
    ("wrong tag", "seed: !!int x", ["seed: 'x' is no int"]),
    ("merge key", "  a:\n    <<: {least: 1}\n    use: filter.size", ["merge keys are not supported"]),
    ("mapping as key", "? {a: b}\n: c", ["a key must be plain text"]),
    ("deep", "description: " + "[" * 5000 + "]" * 5000, ["nested more than 24 deep"]),
    ("zero byte", "description: a\0b", ["this is not YAML"]),
    ("unknown alias", "description: *a", ["r.yaml:7: this is not YAML"]),
]


def write(folder: Path, text: str) -> Path:
    text = textwrap.dedent(text[1:]) if text.startswith("=") else text if text.startswith("run:") else GOOD + text
    path = folder / "r.yaml"
    path.write_text(text + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(Path("r.yaml"), REGISTRY)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(caught.value.problems)
    assert len(lines) == (1 if expected[-1] == "body" else len(expected)), lines  # a mistake is told once
    for part in expected:
        assert any(part in line for line in lines), lines
    assert all(line.startswith("r.yaml") for line in lines)


def test_problems_stand_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "  a: {use: filter.size, least: x}\n  b: {use: nothing}\nsed: 3")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, REGISTRY, ["quality.leest=1", "qualty.least=1"])
    wheres = [problem.where.removeprefix(str(path)) for problem in caught.value.problems]
    assert wheres[:3] == [":7: stages.a.least", ":8: stages.b.use", ":9: sed"]
    assert all(where.startswith("--set") for where in wheres[3:])


BOMB = "description: x\n" + "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
BOMB += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))


def test_alias_bombs_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="aliases repeat more than 100 values"):
        load_recipe(write(tmp_path, BOMB), REGISTRY)


def test_a_list_within_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"aliases repeat|is not an option|must be text"):
        load_recipe(write(tmp_path, "description: &a [*a, *a]"), REGISTRY)


@pytest.mark.parametrize(
    ("data", "message"),
    [(None, "cannot be read"), (b"run: \xff", "not UTF-8"), (b"#" * (1 << 20) + b"##", "at most 1,048,576")],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, data: bytes | None, message: str) -> None:
    if data is not None:
        (tmp_path / "r.yaml").write_bytes(data)
    with pytest.raises(InputError, match=message):
        load_recipe(tmp_path / "r.yaml", REGISTRY)


SETTINGS = [
    ("quality.leest=1", "stages.quality.leest: is not an option here; did you mean least?"),
    ("quality.least=x", "stages.quality.least: must be a whole number, not 'x'"),
    ("qualty.least=1", "--set qualty.least=1: there is no stage 'qualty'; did you mean quality?"),
    ("quality=1", "'quality' is a stage; name an option"),
    ("quality.least.x=1", "'stages.quality.least' is no mapping"),
    ("quality.least", "this is no key=value"),
    ("=3", "this is no key=value"),
    ("quality.least=[", "put the value in quotes"),
    ("cluster.worker=3", "cluster.worker: is not an option here; did you mean workers?"),
    ("sede=3", "there is no stage 'sede'; did you mean seed"),
    ("quality.where=x ==", "does not parse"),
]


@pytest.mark.parametrize(("setting", "message"), SETTINGS, ids=[case[0] for case in SETTINGS])
def test_wrong_settings(tmp_path: Path, setting: str, message: str) -> None:
    extra = "quality: {use: filter.size, least: 3}"
    path = write(tmp_path, "")
    path.write_text(path.read_text().replace("quality: {use: filter.size}", extra))
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, REGISTRY, [setting])
    assert len(caught.value.problems) == 1
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"--set {setting}")


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(max_size=80), st.text("{}[]:,-&*!'\" \nabc<?|>#%@", max_size=80)))
def test_no_text_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises((RecipeError, InputError)):
        load_recipe(path, REGISTRY)


@pytest.mark.parametrize(
    ("use", "column"),
    [("{use: dedup.url}", "url"), ("{use: dedup.exact, column: url}", "url"), ("{use: dedup.exact}", None)],
)
def test_children_of_one_document_are_not_compared_by_what_they_all_have_from_it(
    tmp_path: Path, use: str, column: str | None
) -> None:
    text = f"""\
run: runs/x
stages:
  pages: {{use: read.html, paths: [pages], source: web}}
  text: {{use: extract}}
  parts: {{use: split.paragraphs}}
  unique: {use}
"""
    path = tmp_path / "r.yaml"
    path.write_text(text, encoding="utf-8")
    if column is None:
        load_recipe(path, Registry(None))
        return
    with pytest.raises(RecipeError, match=f"documents cut from one share its `{column}`") as told:
        load_recipe(path, Registry(None))
    assert "above the stage that cuts them" in str(told.value)


def test_packing_takes_no_where_since_what_it_passed_by_would_stand_in_the_shards(tmp_path: Path) -> None:
    text = """\
run: runs/x
stages:
  chats: {use: read.conversations, paths: [chats], source: chats}
  parts: {use: split.parts}
  tokens: {use: tokenize, tokenizer: {train: {vocabulary: 500}}}
  train: {use: pack, where: "split == 'train'"}
  out: {use: write.packed}
"""
    path = tmp_path / "r.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match="would be written all the same, one a sequence") as told:
        load_recipe(path, Registry(None))
    keep = "{use: filter.metadata, keep: \"split == 'train'\"}"
    assert str(told.value).startswith(f"{path}:6: stages.train.where")
    assert f"put {keep} above" in str(told.value)
    above = text.replace("  train: {use: pack, where: \"split == 'train'\"}", f"  only: {keep}\n  train: {{use: pack}}")
    path.write_text(above, encoding="utf-8")
    assert load_recipe(path, Registry(None)).children("only") == ("train",)
