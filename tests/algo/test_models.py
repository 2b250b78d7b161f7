"""Packages that only some users need."""

from __future__ import annotations

import subprocess
import sys

LOADS = """
import sys
from datapipe.algo.models import package
package("presidio_analyzer", extra="pii", stage="mask.pii")
assert "spacy" in sys.modules
assert not {"torch", "transformers"} & set(sys.modules)
import torch
"""


def test_what_masks_personal_data_loads_no_torch_though_it_is_installed() -> None:
    done = subprocess.run([sys.executable, "-c", LOADS], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
