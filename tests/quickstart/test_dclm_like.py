"""`configs/dclm_like.yaml` end to end on the samples, with a classifier trained first, as its header says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from datapipe.cli.fit import fit
from datapipe.engine.local import LocalEngine
from datapipe.engine.task import Limits
from datapipe.errors import InputError
from datapipe.recipe import load_recipe
from datapipe.registry import Registry
from datapipe.run.driver import open_run, run_recipe
from tests.quickstart.corpus import column, fates

ROOT = Path(__file__).parents[2]
RECIPE = Path("configs/dclm_like.yaml")
RULES = ["sites", "text", "language", "length", "quality", "lines", "unique", "seen"]
LIKED = ("news", "encyclopedia")  # what stands for DCLM's reference texts


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the recipe and the samples, and in it."""
    for name in ("configs", "samples"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*settings: str, only: tuple[str, ...] = ()) -> Path:
    """The run folder; the page of endlessly nested elements, on which resiliparse takes long, is given up sooner."""
    recipe = load_recipe(RECIPE, Registry(), settings)
    run_recipe(open_run(recipe, LocalEngine(), limits=Limits(cpu_seconds=2)), only)
    return Path(recipe.run)


def written(folder: Path, texts: dict[str, str], kinds: dict[str, str]) -> list[str]:
    """The texts as lines for `datapipe fit classifier`, in the two files that the recipe's header names."""
    names = {"hq": folder / "good.jsonl", "cc": folder / "crawl.jsonl"}
    for label, path in names.items():
        rows = [
            {"text": text, "label": label, "url": url}
            for url, text in texts.items()
            if (kinds[url] in LIKED) == (label == "hq")
        ]
        assert len(rows) > 10
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return [str(path) for path in names.values()]


def test_pages_pass_the_rules_and_then_a_classifier_trained_on_the_kinds_that_are_liked(home: Path) -> None:
    answers: list[dict[str, Any]] = [
        json.loads(line) for line in (home / "samples/answers.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    pages = {one["url"]: one for one in answers if one.get("file", "").startswith("web/")}
    folder = run(only=("pages", *RULES))
    before = fates(folder, "pages", RULES)
    passed = {url for url, fate in before.items() if fate is None}
    assert {pages[url]["language"] for url in passed} == {"en"}
    assert before["https://odd.example/hostile/nested-divs.html"] == ("text", "timed_out")
    assert {fate[0] for fate in before.values() if fate} >= {"sites", "text", "language", "length", "quality", "unique"}
    good = {url for url, page in pages.items() if page["good"] and page["language"] == "en"}
    assert len(good & passed) > 0.8 * len(good)

    with pytest.raises(InputError, match=r"model models/quality\.npz is no file"):
        run()

    texts = {url: text for url, text in column(folder, "pages", "seen", "text").items() if url in passed}
    data = written(home, texts, {url: page["kind"] for url, page in pages.items()})
    arguments = ["classifier", *data, "--out", "models/quality.npz", "--bits", "14"]
    done = CliRunner().invoke(fit, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    run()
    after = fates(folder, "pages", [*RULES, "best"])
    assert {url: fate for url, fate in after.items() if url not in passed} == {
        url: fate for url, fate in before.items() if url not in passed
    }
    scores = column(folder, "pages", "best", "best.scores")
    for url in passed:
        liked = {each["label"]: each["score"] for each in scores[url]}["hq"]
        assert after[url] == (None if liked >= 0.5 else ("best", "label_not_kept"))
    stays = {url for url in passed if after[url] is None}
    liked_pages = {url for url in passed if pages[url]["kind"] in LIKED}
    assert len(stays & liked_pages) > 0.8 * len(liked_pages)
    assert len(stays - liked_pages) < 0.2 * len(passed - liked_pages)
    assert list((folder / "parquet").rglob("*.parquet"))


def test_dclm_own_model_is_named_by_settings() -> None:
    settings = ("best.engine=fasttext", "best.model=oh_eli5.bin", "best.keep={hq: 0.018112}")
    config: Any = load_recipe(ROOT / RECIPE, Registry(), settings).nodes["best"].config
    assert (config.engine, config.model, config.keep) == ("fasttext", "oh_eli5.bin", {"hq": 0.018112})
