"""Make `datapipe/algo/background.npz` and its record from the real texts: `python -m tests.real.background`.

Every second document of each source up to a number of bytes, so that none outweighs the others; the rest, and all
other sources, stay unseen.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
from pathlib import Path

import numpy as np

from datapipe.algo.background import PATH, make_background
from datapipe.algo.folded_tokens import fold_table
from datapipe.algo.item_index import LENGTHS

MOST_BYTES = 2_000_000
MOST_GRAMS = 100_000
PAGE = 20_000  # characters of Shakespeare that count as one document
LINES = {
    "raw/c4_demo_300.jsonl.gz": "text",
    "raw/peps.jsonl.gz": "text",
    "raw/oiwiki_zh.jsonl.gz": "text",
    "raw/tang_poems.jsonl.gz": "text",
    "extract-wcxb/gold.jsonl.gz": "main_content",
}
TEXTS: dict[str, str | None] = {
    "raw/wiki_demo_30.txt.gz": r"\n",
    "raw/wikitext2_test.txt.gz": r"\n(?= = [^=\n]+ = \n)",
    "raw/wikitext2_valid.txt.gz": r"\n(?= = [^=\n]+ = \n)",
    "raw/tinyshakespeare.txt.gz": None,  # by pages
}


def sources(folder: Path) -> dict[str, list[str]]:
    """All documents of each source."""
    found: dict[str, list[str]] = {}
    for name, column in LINES.items():
        with gzip.open(folder / name, "rt", encoding="utf-8") as lines:
            found[name] = [text for line in lines if (text := json.loads(line).get(column))]
    for name, between in TEXTS.items():
        whole = gzip.decompress((folder / name).read_bytes()).decode()
        pages = [whole[at : at + PAGE] for at in range(0, len(whole), PAGE)]
        found[name] = [one for one in re.split(between, whole) if len(one) > 20] if between else pages
    return found


def chosen(documents: list[str]) -> list[str]:
    """Every second one, from the first on, up to MOST_BYTES."""
    sizes = np.cumsum([len(one.encode()) for one in documents[::2]])
    return documents[::2][: int(np.searchsorted(sizes, MOST_BYTES)) + 1]


def main() -> None:
    """Write both files."""
    folder = os.environ.get("DATAPIPE_REAL_DATA")
    if not folder:
        sys.exit("set DATAPIPE_REAL_DATA to the folder of real data")
    taken = {name: chosen(documents) for name, documents in sources(Path(folder)).items()}
    every = [text for documents in taken.values() for text in documents]
    table = make_background(every, fold_table(), LENGTHS, most_grams=MOST_GRAMS)
    np.savez_compressed(PATH, **table._asdict())
    record = {
        "made_by": "python -m tests.real.background",
        "documents": {
            name: {"documents": len(some), "bytes": sum(len(text.encode()) for text in some)}
            for name, some in taken.items()
        },
        "taken": f"every second document of a source, up to {MOST_BYTES} bytes",
        "holds": "hashes of tokens under 9 bits and of runs in two documents or more; no text",
        "tokens": len(table.tokens),
        "runs": len(table.grams),
    }
    PATH.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
