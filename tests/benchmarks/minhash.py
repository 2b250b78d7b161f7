"""Speed of shingles and signatures on real texts, in MB of UTF-8 a second on one core, beside datasketch.

    DATAPIPE_REAL_DATA=... python tests/benchmarks/minhash.py

`signatures` is everything from the text to 112 values over 5-grams of words. datasketch gets the same 5-grams of the
first documents from Python that does the same (casefold, accents off, digits to 0, words by a regular expression);
it hashes with SHA-1, its default, or with the XXH64 that is ours. `bulk alone` is given finished 5-grams. Rounds of all
alternate, and the best of each counts, in CPU time. Then: what sets of shingles take on disk, and to compare.
"""

import gzip
import hashlib
import json
import os
import re
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from datasketch import MinHash

from datapipe.algo.banding import optimal_bands
from datapipe.algo.minhash import band_keys, jaccard_of_pairs, shingle_sets, signatures
from datapipe.text import Segmentation, Shingles, normal_form, shingles

ROUNDS = 5
ROWS = 256
SIZE, PERMUTATIONS = 5, 112
SAMPLE = 1_000_000  # bytes that datasketch gets
TEXTS = ("c4_demo_300.jsonl.gz", "peps.jsonl.gz", "oiwiki_zh.jsonl.gz")
WORD = re.compile(r"[\u3005-\u3007\u3040-\u309f\u3400-\u9fff]|[^\W\u3005-\u3007\u3040-\u309f\u3400-\u9fff]+")
DIGIT = re.compile(r"\d")


def python_shingles(text: str) -> list[bytes]:
    """5-grams of words in about our normal form, by good Python: no loop over characters."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)
        text = unicodedata.normalize("NFC", re.sub(r"[\u0300-\u0345]", "", text))
    words = WORD.findall(DIGIT.sub("0", text.casefold()).replace("'", "").replace("_", ""))
    return [" ".join(words[i : i + SIZE]).encode() for i in range(max(1, len(words) - SIZE + 1))] if words else []


def xxh64_low(data: bytes) -> int:
    """The hash that ours are checked with."""
    return xxhash.xxh64_intdigest(data) & 0xFFFFFFFF


def sha1_low(data: bytes) -> int:
    """Datasketch's default."""
    return int.from_bytes(hashlib.sha1(data).digest()[:4], "little")


def batches(texts: pa.LargeStringArray) -> list[pa.LargeStringArray]:
    """As a stage gets them."""
    return [texts.slice(start, ROWS) for start in range(0, len(texts), ROWS)]


def seconds(work: Callable[[], object]) -> float:
    """CPU time it takes once: what else runs on the machine counts less so."""
    began = time.process_time()
    work()
    return time.process_time() - began


def report_texts(path: Path) -> None:
    """Rates of a file of texts, and the ratios."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = pa.array([json.loads(line)["text"] for line in lines], pa.large_string())
    parts = batches(texts)
    every: list[str] = [text.as_py() for text in texts]
    some = every[: 1 + int(np.searchsorted(np.cumsum([len(text.encode()) for text in every]), SAMPLE))]
    ready = [python_shingles(text) for text in some]
    found = [shingles(part, SIZE) for part in parts]
    values = [signatures(part) for part in found]

    def bulk(given: list[list[bytes]], hashfunc: Callable[[bytes], int]) -> object:
        return MinHash.bulk(given, num_perm=PERMUTATIONS, scheme="affine32", hashfunc=hashfunc)

    works: dict[str, tuple[int, Callable[[], object]]] = {
        "signatures": (texts.nbytes, lambda: [signatures(shingles(part, SIZE), PERMUTATIONS) for part in parts]),
        "of which shingles": (texts.nbytes, lambda: [shingles(part, SIZE) for part in parts]),
        "sets": (texts.nbytes, lambda: [shingle_sets(part) for part in found]),
        "keys of 14 bands": (texts.nbytes, lambda: [band_keys(part, 14, 8) for part in values]),
        "words and normal form": (texts.nbytes, lambda: [normal_form(part, Segmentation.of(part)) for part in parts]),
        "datasketch xxh64": (0, lambda: bulk([python_shingles(text) for text in some], xxh64_low)),
        "datasketch sha1": (0, lambda: bulk([python_shingles(text) for text in some], sha1_low)),
        "bulk alone xxh64": (0, lambda: bulk(ready, xxh64_low)),
    }
    sample = sum(len(text.encode()) for text in some)
    rounds = [[seconds(work) for _, work in works.values()] for _ in range(ROUNDS)]
    rates = {
        name: (size or sample) / min(column) / 1e6
        for (name, (size, _)), column in zip(works.items(), zip(*rounds, strict=True), strict=True)
    }
    print(f"{path.name}: {texts.nbytes / 1e6:.1f} MB, MB/s:", ", ".join(f"{k} {v:.1f}" for k, v in rates.items()))
    ours = rates["signatures"]
    print("  times", ", ".join(f"{k} {ours / v:.1f}" for k, v in rates.items() if k.startswith(("data", "bulk"))))
    report_sets(texts, found)


def report_sets(texts: pa.LargeStringArray, found: list[Shingles]) -> None:
    """What sets of shingles take on disk, and how fast they are compared."""
    sets = pa.concat_arrays([shingle_sets(part) for part in found])
    count = len(sets)
    line = [f"{len(sets.flatten()) / count:.0f} shingles a document of {texts.nbytes / count:.0f} bytes"]
    delta = pa.table({"set": sets})
    encodings: dict[str, dict[str, Any]] = {
        "plain": {"compression": "none", "use_dictionary": False},
        "zstd": {"compression": "zstd", "use_dictionary": False},
        "delta": {
            "compression": "none", "use_dictionary": False,
            "column_encoding": {"set.list.element": "DELTA_BINARY_PACKED"},
        },
    }  # fmt: skip
    for name, options in encodings.items():
        sink = pa.BufferOutputStream()
        pq.write_table(delta, sink, **options)
        line.append(f"{name} {sink.tell() / count:.0f} bytes")
    rows = np.random.default_rng(1).integers(0, count, (2, 2000))
    took = min(seconds(lambda: jaccard_of_pairs(sets, sets, (rows[0], rows[1]))) for _ in range(ROUNDS))
    lengths = np.diff(np.asarray(sets.offsets))
    line.append(f"Jaccard {took * 1e9 / lengths[rows].sum():.2f} ns a shingle")
    print("  sets:", ", ".join(line))


def main() -> None:
    """Print everything."""
    folder = os.environ.get("DATAPIPE_REAL_DATA")
    if not folder:
        sys.exit("set DATAPIPE_REAL_DATA to the folder of real data")
    began = time.perf_counter()
    signatures(shingles(pa.array(["a word"])))
    print(f"kernels ready after {time.perf_counter() - began:.1f} s")
    print(f"bands for a threshold: {1e3 * seconds(lambda: optimal_bands(0.8, PERMUTATIONS)):.0f} ms")
    for name in TEXTS:
        report_texts(Path(folder) / "raw" / name)


if __name__ == "__main__":
    main()
