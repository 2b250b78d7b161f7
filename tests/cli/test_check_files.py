"""Models, lists and languages that a recipe names: what is wrong with them is told by `check` and before a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from datapipe.cli.check import check
from datapipe.cli.run import run
from datapipe.errors import InputError, RecipeError
from datapipe.registry import Registry
from datapipe.run.reopen import reopen
from datapipe.run.what_if import what_if
from tests.stages.filter.models import BAD, GOOD, linear


def recipe(folder: Path, stages: dict[str, dict[str, Any]]) -> str:
    lines = [json.dumps({"text": text}) for text in (GOOD, BAD)]
    (folder / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    docs = {"use": "read.jsonl", "paths": [str(folder / "in.jsonl")], "source": "mine"}
    made = {"run": str(folder / "run"), "stages": {"docs": docs, **stages}}
    (folder / "r.yaml").write_text(yaml.safe_dump(made, sort_keys=False), encoding="utf-8")
    return str(folder / "r.yaml")


@pytest.mark.parametrize("command", [check, run])
def test_every_stage_whose_files_are_missing_is_named_with_its_line(command: Any, tmp_path: Path) -> None:
    path = recipe(
        tmp_path,
        {
            "quality": {"use": "filter.gopher", "languages": str(tmp_path / "tongues")},
            "mild": {"use": "filter.toxicity", "words": str(tmp_path / "words")},
            "model": {"use": "filter.classifier", "model": str(tmp_path / "none.npz")},
        },
    )
    with pytest.raises(RecipeError) as told:
        CliRunner().invoke(command, [path], catch_exceptions=False)
    lines = (tmp_path / "r.yaml").read_text(encoding="utf-8").splitlines()
    for problem, name, missing in zip(
        told.value.problems, ("quality", "mild", "model"), ("tongues", "words", "none.npz"), strict=True
    ):
        assert problem.where == f"{path}:{lines.index(f'  {name}:') + 1}: stages.{name}"
        assert missing in problem.message
        assert problem.remedy
    assert not (tmp_path / "run").exists()


def test_a_label_that_the_model_has_not_is_no_effect_of_what_if(tmp_path: Path) -> None:
    model = linear(tmp_path)
    path = recipe(tmp_path, {"kind": {"use": "filter.classifier", "model": str(model), "drop": {"spam": 0.5}}})
    CliRunner().invoke(run, [path, "--local"], catch_exceptions=False)
    registry = Registry(None)
    context = reopen(str(tmp_path / "run"), registry)
    with pytest.raises(InputError, match="the model has no label 'spamm'; it has good, spam"):
        what_if(context, "kind", ["drop={spamm: 0.5}"], registry)
    assert what_if(context, "kind", ["drop={good: 0.5}"], registry).reasons == {"label_dropped": (1, 1)}
    model.unlink()  # what was measured is still there to be decided anew
    assert what_if(context, "kind", ["drop=null"], registry).kept == (1, 2)


def test_thresholds_of_single_languages_in_a_recipe_are_told_where_they_belong(tmp_path: Path) -> None:
    path = recipe(tmp_path, {"quality": {"use": "filter.gopher", "min_words": {"zh": 30}}})
    with pytest.raises(RecipeError, match="stands in its file: `datapipe stages NAME --languages` says how"):
        CliRunner().invoke(check, [path], catch_exceptions=False)
