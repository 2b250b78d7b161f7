"""Speed of the filters on URLs and opt-outs, and what a list of one million domains costs.

    python -m tests.benchmarks.urls                              # filter.url
    DATAPIPE_REAL_DATA=... python -m tests.benchmarks.urls       # and filter.optout on real pages

Printed are seconds and memory to read the list, bytes of what is made of it, the time to load that, and documents/s in
batches of 1,024, the best of some rounds; with the list, and with ten domains for comparison. Seconds are CPU time.
"""

import gzip
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from datapipe.stage import StageConfig
from stages.filter import optout, url
from stages.filter.url._lists import build, load

DOMAINS = 1_000_000
DOCUMENTS = 100_000
HOSTS = 20_000  # different ones; 5 pages each
ROWS = 1024
ROUNDS = 3
PAGES = "extract-wcxb"


def peak() -> int:
    """Most memory that this process has used, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def urls(listed: int) -> pa.StringArray:
    """URLs of which one in a hundred lies in a listed domain, in an order without order."""
    order = np.random.default_rng(7).permutation(DOCUMENTS).tolist()
    hosts = [f"www.site{n % HOSTS}.org" if n % 100 else f"a.blocked{n % listed}.example" for n in order]
    return pa.array([f"https://{host}/news/2026/11/{n}-some-words-of-a-title.html" for n, host in enumerate(hosts)])


def rate(batches: list[pa.RecordBatch], stage: object, config: StageConfig, folder: Path) -> float:
    """Documents a second through `process` and `decide`."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for batch in batches:
            stage.decide_reasons(stage.process(batch, config, folder), config)  # type: ignore[attr-defined]
        best = min(best, time.process_time() - began)
    return sum(len(batch) for batch in batches) / best


def report_urls(folder: Path, size: int) -> None:
    """One line for a list of some size."""
    listed = folder / f"{size}.txt"
    listed.write_text("".join(f"blocked{n}.example\n" for n in range(size)), encoding="utf-8")
    few = folder / "few.txt"
    few.write_text("one.example\n", encoding="utf-8")
    config = url.Config(domains=(str(listed),))
    made = folder / f"resource-{size}"
    made.mkdir()
    build(url.Config(domains=(str(few),)), _new(folder))  # imports and kernels
    before, began = peak(), time.process_time()
    build(config, made)
    built, most = time.process_time() - began, peak() - before
    stored = sum(path.stat().st_size for path in made.iterdir()) / 1e6
    began = time.process_time()
    load(made)
    loaded = time.process_time() - began
    table = pa.table({"url": urls(size)})
    speed = rate(table.to_batches(ROWS), url, config, made)
    print(
        f"filter.url, {size:,} domains: read in {built:.2f} s, peak memory up by {most} MiB; {stored:.1f} MB on disk; "
        f"loaded in {loaded * 1000:.1f} ms; {speed:,.0f} documents/s"
    )


def _new(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))


def report_pages(folder: Path, made: Path) -> None:
    """One line for opt-outs on real pages."""
    pages = [gzip.decompress(path.read_bytes()) for path in sorted((folder / "html").glob("*.gz"))]
    config = optout.Config()
    optout.build(config, made)
    nothing = pa.nulls(len(pages), pa.string())
    table = pa.table({"html": pa.array(pages, pa.large_binary()), "robots": nothing})
    batches = table.to_batches(64)
    speed = rate(batches, optout, config, made)
    said: dict[str, int] = {}
    for batch in batches:
        for words in optout.process(batch, config, made)["meta"].to_pylist():
            for word in words or ():
                said[word] = said.get(word, 0) + 1
    told = ", ".join(f"{word} {count}" for word, count in sorted(said.items()))
    print(f"filter.optout, {len(pages)} pages of {folder.name}: {speed:,.0f} pages/s; their meta tags say: {told}")


def main() -> None:
    """Print everything."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in (DOMAINS, 10):
            report_urls(folder, size)
        real = os.environ.get("DATAPIPE_REAL_DATA")
        if real:
            report_pages(Path(real) / PAGES, _new(folder))


if __name__ == "__main__":
    main()
