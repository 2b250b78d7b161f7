"""What the README shows of the quickstart is what the quickstart prints."""

from __future__ import annotations

from pathlib import Path

from tests.quickstart.conftest import ROOT


def test_the_readme_shows_the_real_funnel(quickstart: Path) -> None:
    printed = (quickstart.parents[1] / "printed.txt").read_text(encoding="utf-8")
    rows = [line.strip() for line in printed.splitlines() if line.strip()]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = [block for block in readme.split("```") if "input kept" in block]
    assert len(blocks) == 1
    shown = [line.strip() for line in blocks[0].splitlines() if line.strip()]
    funnel = [row for row in rows if not row.startswith(("Next:", "16 tasks"))]
    assert shown[: len(funnel)] == funnel
