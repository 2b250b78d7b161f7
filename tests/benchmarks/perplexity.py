"""How fast filter.perplexity measures documents on one core, and an ARPA model loads.

    DATAPIPE_REAL_DATA=... python tests/benchmarks/perplexity.py

Through `process`, without buckets (they measure every document once more), with models of the 1- to 3-grams of the
same texts; the best of some rounds, compiling left out. kenlm's scoring, where it is installed, stands beside on the
texts in normal form.
"""

import gzip
import json
import os
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa

from datapipe.algo.arpa import load_arpa
from stages.filter.perplexity import Config, _models, _normal, process
from tests.algo.test_arpa import arpa_of

ROUNDS = 5
SETS = {
    "en": ("dedup-articles/articles_1000.jsonl.gz", "dedup-peps/docs.jsonl.gz"),
    "zh": ("raw/oiwiki_zh.jsonl.gz",),
}


def texts_of(path: Path) -> list[str]:
    """The texts of a file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def best(call: Any) -> float:
    """CPU seconds, the best round."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
    return min(found)


def main() -> None:
    """Print megabytes a second, and the seconds of loading."""
    real = Path(os.environ["DATAPIPE_REAL_DATA"])
    for code, names in SETS.items():
        texts = pa.array([text for name in names for text in texts_of(real / name)], pa.large_string())
        forms = _normal.normalised(texts)
        words = _normal.by_characters(forms) if code == "zh" else forms
        megabytes = texts.nbytes / 1e6
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"{code}.arpa")
            lines = [line for text in words.to_pylist() for line in text.split("\n") if line.strip()]
            path.write_text(arpa_of(lines), encoding="utf-8")
            began = time.process_time()
            model = load_arpa(path, "benchmark")
            print(f"{code}: {megabytes:.1f} MB; model {path.stat().st_size / 1e6:.0f} MB", end=", ")
            print(f"loaded in {time.process_time() - began:.1f} s")
            config = Config(models={code: str(path)}, percentiles=None)
            batch = pa.record_batch({"text": texts, "language": pa.array([code] * len(texts))})
            print(f"  process {megabytes / best(lambda b=batch, c=config: process(b, c, None)):.1f} MB/s", end=", ")
            print(f"normal form {megabytes / best(lambda t=texts: _normal.normalised(t)):.1f} MB/s", end=", ")
            print(f"scoring {megabytes / best(lambda m=model, w=words: m.scores(w)):.1f} MB/s")
            if find_spec("kenlm"):
                kenlm = _models._kenlm(path, "")
                print(f"  kenlm's scoring {megabytes / best(lambda k=kenlm, w=words: k(w)):.1f} MB/s")


if __name__ == "__main__":
    main()
