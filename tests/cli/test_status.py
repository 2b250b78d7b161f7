"""`datapipe status` says of each stage how far it is, and names what made it stale."""

from __future__ import annotations

from pathlib import Path

from tests.cli.toy_run import call, finished


def lines(shown: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split() for line in shown.splitlines() if line.strip()}


def test_a_finished_run_is_told_with_its_sums(tmp_path: Path) -> None:
    bench = finished(tmp_path)
    found = lines(call("status", bench.folder / "run").output)
    assert found["docs"][:4] == ["docs", "done", "41", "39"]
    assert found["count"][1] == "done"
    assert "too_short" in found["count"]


def test_a_stale_stage_names_the_changed_setting(tmp_path: Path) -> None:
    bench = finished(tmp_path)
    recipe = bench.folder / "run/recipe.yaml"
    recipe.write_text(recipe.read_text().replace("min_words: 3", "min_words: 2"))
    shown = call("status", bench.folder / "run").output
    assert "stale (0 of 3 shards current): min_words: 3 -> 2" in " ".join(shown.split())
