"""Tokenizers that several of these tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stages.tokenize.styles import STYLES, write
from tests.stages.tokenize.test_masks import folder_of


@pytest.fixture(params=["thinking, as qwen3", "qwen3"])
def thinking(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A tokenizer whose template leaves out earlier reasoning: one of our own, and the real one where it is given."""
    return write(STYLES[request.param], tmp_path) if request.param in STYLES else folder_of(request.param)
