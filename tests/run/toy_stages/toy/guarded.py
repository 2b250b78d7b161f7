"""The counting filter for tests, run under the guard."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location("toy_count_for_guard", Path(__file__).with_name("count.py"))
assert _spec is not None
assert _spec.loader is not None
_count = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_count)

STAGE = dataclasses.replace(_count.STAGE, name="toy.guarded", guarded=True)
