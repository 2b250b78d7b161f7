"""What the README shows of the quickstart is what the quickstart prints."""

from __future__ import annotations

import re
from pathlib import Path

from tests.quickstart.conftest import ROOT


def rows(text: str) -> list[str]:
    """The rows of a funnel, whatever the width of its columns."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return [line for line in lines if line and set(line) != {"─"} and not re.match(r"Next:|\d+ tasks in ", line)]


def test_the_readme_shows_the_real_funnel(quickstart: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = [block for block in readme.split("```") if "input kept" in block]
    assert len(blocks) == 1
    printed = (quickstart.parents[1] / "printed.txt").read_text(encoding="utf-8")
    assert rows(blocks[0]) == rows(printed)
