"""Speed of the text kernels on real texts, in MB of UTF-8 a second on one core; and of decoding real pages.

    DATAPIPE_REAL_DATA=... python tests/benchmarks/text_kernels.py

Each part is timed by itself over batches of 256 documents, the best of some rounds; `gopher` is words, lines,
quality and repetition together. The first compilation is timed with an empty NUMBA_CACHE_DIR.
"""

import gzip
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from datapipe.text import decode_html, hash128, normalised_hash, quality_measures, repetition_measures, warm_up
from datapipe.text.segmentation import Segmentation

ROUNDS = 5
ROWS = 256
TEXTS = ("c4_demo_300.jsonl.gz", "peps.jsonl.gz", "oiwiki_zh.jsonl.gz")
PAGES = ("extract-wcxb", "extract-zh")
LARGEST = 32 * 2**20  # bytes of the largest document
PARTS: dict[str, Callable[[pa.LargeStringArray, Segmentation], object]] = {
    "words": lambda _, segmentation: segmentation.words,
    "lines": lambda _, segmentation: segmentation.lines,
    "quality": quality_measures,
    "repetition": lambda _, segmentation: repetition_measures(segmentation),
    "normal form": normalised_hash,
    "hash128": lambda texts, _: hash128(texts),
}
GOPHER = 4  # the first parts


def time_parts(texts: pa.LargeStringArray) -> list[float]:
    """Seconds of each part over all batches."""
    seconds = [0.0] * len(PARTS)
    for start in range(0, len(texts), ROWS):
        batch = texts.slice(start, ROWS)
        segmentation = Segmentation.of(batch)
        for k, part in enumerate(PARTS.values()):
            began = time.perf_counter()
            part(batch, segmentation)
            seconds[k] += time.perf_counter() - began
    return seconds


def report_texts(path: Path) -> None:
    """One line of MB/s for a file of texts."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = pa.array([json.loads(line)["text"] for line in lines], pa.large_string())
    megabytes = texts.nbytes / 1e6
    best = [min(column) for column in zip(*(time_parts(texts) for _ in range(ROUNDS)), strict=True)]
    rates = {name: megabytes / seconds for name, seconds in zip(PARTS, best, strict=True)}
    rates["gopher"] = megabytes / sum(best[:GOPHER])
    print(f"{path.name}: {megabytes:.1f} MB;", ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items()))


def report_pages(folder: Path) -> None:
    """Decoding rate of a folder of pages."""
    pages = [gzip.decompress(path.read_bytes()) for path in sorted((folder / "html").glob("*.gz"))]
    megabytes = sum(map(len, pages)) / 1e6
    began = time.perf_counter()
    for page in pages:
        decode_html(page, None)
    print(f"{folder.name}: {len(pages)} pages, decoded {megabytes / (time.perf_counter() - began):.0f} MB/s")


def report_largest(path: Path) -> None:
    """Seconds and memory for one document of the largest size."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        data = "\n".join(json.loads(line)["text"] for line in lines).encode()
    whole = (data * (LARGEST // len(data) + 1))[:LARGEST].decode("utf-8", "ignore")
    texts = pa.array([whole], pa.large_string())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    segmentation = Segmentation.of(texts)
    for part in list(PARTS.values())[:GOPHER]:
        part(texts, segmentation)
    seconds = time.perf_counter() - began
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(f"one document of {LARGEST >> 20} MiB ({path.name}): {seconds:.1f} s, peak memory up by {more} MiB")


def main() -> None:
    """Print everything."""
    folder = os.environ.get("DATAPIPE_REAL_DATA")
    if not folder:
        sys.exit("set DATAPIPE_REAL_DATA to the folder of real data")
    print(f"all kernels ready after {warm_up():.1f} s, again {warm_up():.3f} s")
    for name in TEXTS:
        report_texts(Path(folder) / "raw" / name)
    for name in PAGES:
        report_pages(Path(folder) / name)
    report_largest(Path(folder) / "raw" / TEXTS[-1])
    report_largest(Path(folder) / "raw" / TEXTS[1])


if __name__ == "__main__":
    main()
