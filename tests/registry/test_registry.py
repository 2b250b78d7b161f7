"""Finding stages: by path, from installed packages, from a folder; what stands in the way is said in one line."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from datapipe.errors import DatapipeError, InputError, StageError
from datapipe.registry import Registry, _Entry

ROOT = Path(__file__).resolve().parents[2]
TOYS = ROOT / "tests/recipe/stages_dir"

STAGE = """
from datapipe.stage import Map, StageConfig
STAGE = Map(name={name!r}, version=1, config=StageConfig, process=lambda batch, config, resource: batch.select([]))
"""


def put(folder: Path, path: str, text: str) -> Path:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def python(code: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*paths, ROOT)))}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, cwd="/"
    )


def test_built_in_stages_are_named_by_their_path_and_load_under_that_name() -> None:
    registry = Registry()
    assert {"filter.length", "filter.gopher", "dedup.exact", "extract", "write.parquet"} <= set(registry.names())
    assert registry.names() == tuple(sorted(registry.names()))
    assert not [name for name in registry.names() if "._" in name or name.startswith("_")]
    assert registry.load("filter.length").name == "filter.length"
    assert registry.origin("filter.length") == "built-in"
    assert registry.module_file("filter.url") == ROOT / "stages/filter/url/__init__.py"


def test_listing_imports_no_stage() -> None:
    code = (
        "import sys; from pathlib import Path; from datapipe.registry import Registry;"
        f"r = Registry(Path({str(TOYS)!r})); [r.module_file(name) for name in r.names()];"
        "print([m for m in sys.modules if m.startswith(('stages', '_datapipe_local', 'numba', 'trafilatura'))])"
    )
    assert python(code).stdout.strip() == "[]"


def test_a_folder_of_stages_is_found_and_shadows_nothing(tmp_path: Path) -> None:
    put(tmp_path, "json.py", STAGE.format(name="json"))
    put(tmp_path, "my/rule.py", "from . import _parts\n" + STAGE.format(name="my.rule"))
    put(tmp_path, "my/_parts.py", "HELP = 1\n")
    put(tmp_path, "folder/__init__.py", STAGE.format(name="folder"))
    put(tmp_path, "folder/inner.py", STAGE.format(name="folder.inner"))
    put(tmp_path, "helper.py", "x = 1\n")
    put(tmp_path, "Not-a-name.py", STAGE.format(name="x"))
    registry = Registry(tmp_path)
    assert set(registry.names()) - set(Registry().names()) == {"json", "my.rule", "folder"}
    for name in ("json", "my.rule", "folder"):
        assert registry.load(name).name == name
        assert registry.origin(name) == str(tmp_path)
    assert "json" not in sys.modules or not str(sys.modules["json"].__file__).startswith(str(tmp_path))


def test_a_registry_travels_by_its_path_alone() -> None:
    registry = Registry(TOYS)
    registry.names()
    assert pickle.loads(pickle.dumps(registry)) == registry
    assert len(pickle.dumps(registry)) < 500
    code = f"import pickle; r = pickle.loads({pickle.dumps(registry)!r}); print(r.load('filter.size').name)"
    assert python(code).stdout.strip() == "filter.size"


def test_stages_of_installed_packages_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "foreign_pack/__init__.py", "raise RuntimeError('imported while listing')\n")
    put(tmp_path, "foreign_rule.py", "RULE = None\n" + STAGE.format(name="their.rule").replace("STAGE =", "RULE ="))
    put(tmp_path, "foreign-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    points = "[datapipe.stages]\ntheir.rule = foreign_rule:RULE\ntheir.bad = foreign_pack.bad\n"
    put(tmp_path, "foreign-1.0.dist-info/entry_points.txt", points)
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry()
    assert {"their.rule", "their.bad"} <= set(registry.names())
    assert registry.origin("their.rule") == "foreign"
    assert registry.module_file("their.rule") == tmp_path / "foreign_rule.py"
    assert registry.load("their.rule").name == "their.rule"
    with pytest.raises(StageError, match=r"cannot be imported: .*imported while listing"):
        registry.load("their.bad")


BROKEN = [
    ("syntax", "STAGE = (\n", r"x\.py:1: SyntaxError"),
    ("raises", "a = 1\nSTAGE = a.b\n", r"x\.py:2: AttributeError"),
    ("no stage", "STAGE = 5\n", r"STAGE is not a stage; bind STAGE to a Source, Map"),
    ("other name", STAGE.format(name="y"), r"calls itself 'y'; give it name='x'"),
    ("absent", "import surely_absent.part\nSTAGE = 1\n", r"'x' needs the package 'surely_absent', which is not inst"),
    ("own part", "from . import gone\nSTAGE = 1\n", r"x\.py:1: ImportError"),
]


@pytest.mark.parametrize(("text", "message"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_broken_stage_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    put(tmp_path, "x.py", text)
    with pytest.raises(StageError, match=message) as caught:
        Registry(tmp_path).load("x")
    assert "\n" not in str(caught.value)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.metadata.requires", lambda name: ["click", "Surely_Absent>=1 ; extra == 's3'"])
    monkeypatch.setattr("datapipe.registry._local", lambda folder: iter(()))
    entry = _Entry("x", "built_in_like", "STAGE", None, "built-in")
    monkeypatch.setattr("datapipe.registry._built_in", lambda: iter([entry]))
    put(tmp_path, "built_in_like.py", "import surely_absent\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(StageError, match=r"needs the package 'surely_absent'.*; pip install 'datapipe\[s3\]'"):
        Registry().load("x")


def test_two_stages_of_one_name_are_an_error_naming_both(tmp_path: Path) -> None:
    put(tmp_path, "filter/length.py", STAGE.format(name="filter.length"))
    with pytest.raises(InputError, match=r"stages/filter/length\.py \(built-in\) and .*length\.py .*; rename"):
        Registry(tmp_path).names()


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("filter.lenght", "did you mean filter.length"),
        ("gopher", "filter.gopher"),
        ("zzzzzz", "there are: chat.conflicts, chat.dedup, chat.reasoning"),
    ],
)
def test_an_unknown_stage_lists_what_is_near(name: str, remedy: str) -> None:
    with pytest.raises(InputError, match=f"there is no stage '{name}'") as caught:
        Registry().load(name)
    assert remedy in caught.value.remedy


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Registry(tmp_path / "gone").names()


@pytest.mark.parametrize("path", ["stages/__init__.py", "stages.py"])
def test_a_foreign_package_called_stages_gives_one_clear_line(tmp_path: Path, path: str) -> None:
    file = put(tmp_path, path, "raise RuntimeError\n")
    done = python("from datapipe.cli.main import main; main(['stages'])", tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert str(file) in done.stderr
    assert "uninstall or rename it" in done.stderr


def test_a_namespace_folder_called_stages_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    assert python("from datapipe.registry import Registry; Registry().load('filter.length')", tmp_path).returncode == 0


def test_stages_put_into_sys_modules_by_hand_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = type(sys)("stages")
    foreign.__spec__ = None
    monkeypatch.setitem(sys.modules, "stages", foreign)
    with pytest.raises(DatapipeError, match="stands in the way"):
        Registry().names()
