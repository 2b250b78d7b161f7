"""What dedup.minhash makes of corpora that are meant to hurt: a table of documents that leave, seconds and memory.

    PYTHONPATH=. python -m tests.benchmarks.hostile [SHAPE=DOCUMENTS ...]

copies: one text so many times. hub: texts each near to one center and none near to another. empty, short: without
words; of two words, shorter than a shingle, 1,000 different ones. permuted: the same words in another order, compared
word by word, so that all signatures are equal and no two texts. huge: a text of so many bytes, twice, and a short one.
`datapipe run` is timed from its start to its end, by itself for the stage. Memory: as in `near_duplicates`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tests.benchmarks.near_duplicates import Cost, left, run_of

WORDS = 40
HUB_WORDS = 200
CHANGED = 5  # words of a text of the hub, five apart at least: a Jaccard similarity to the center of 171 / 221
FILES = 4
LETTERS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", np.uint8)
MILLION = 1_000_000
SIZES = {"copies": MILLION, "hub": 100_000, "empty": MILLION, "short": MILLION, "permuted": MILLION, "huge": 10**9}
OPTIONS: dict[str, dict[str, Any]] = {"permuted": {"shingle": 1}}


def word(number: int) -> str:
    """A word of seven letters, another for each number: digits would all become 0."""
    return "".join(chr(ord("a") + number // 26**place % 26) for place in range(7))


def texts_of(shape: str, count: int) -> Iterator[str]:
    """The texts of a corpus in order."""
    random = np.random.default_rng(7)
    if shape == "copies":
        yield from [" ".join(map(word, range(WORDS)))] * count
    elif shape == "hub":
        yield from _hub(count)
    elif shape == "empty":
        yield from ("" if number % 2 else " !! " for number in range(count))
    elif shape == "short":
        yield from (f"{word(number % 1000)} twice" for number in range(count))
    elif shape == "permuted":
        words = np.array([word(number) for number in range(WORDS)])
        yield from (" ".join(random.permutation(words)) for _ in range(count))
    else:
        line = " ".join(map(word, range(125_000)))
        yield from (line * (count // len(line)), "a text of its own with words enough", line * (count // len(line)))


def _hub(count: int) -> Iterator[str]:
    """The center stands in the middle; no two texts differ from it in the same places."""
    random = np.random.default_rng(7)
    center = [word(number) for number in range(HUB_WORDS)]
    seen: set[tuple[int, ...]] = set()
    while len(seen) < count:
        if len(seen) == count // 2:
            yield " ".join(center)
        places = tuple(sorted(random.choice(HUB_WORDS // CHANGED - 1, CHANGED, replace=False).tolist()))
        if places not in seen:
            words = list(center)
            for number, place in enumerate(places):  # each stands in five shingles
                words[place * CHANGED + CHANGED - 1] = word(HUB_WORDS + CHANGED * len(seen) + number)
            seen.add(places)
            yield " ".join(words)


def write_corpus(folder: Path, shape: str, count: int) -> None:
    """JSON lines in few files."""
    folder.mkdir()
    texts = texts_of(shape, count)
    share = -(-(3 if shape == "huge" else count + 1) // FILES)
    for number in range(FILES):
        with (folder / f"{number}.jsonl").open("w", encoding="utf-8") as file:
            for _, text in zip(range(share), texts, strict=False):
                file.write(f'{{"text": "{text}"}}\n')


def measure(folder: Path, shape: str, count: int) -> tuple[int, Cost]:
    """Documents that leave, and what the stage costs."""
    write_corpus(folder / "in", shape, count)
    recipe = folder / "recipe.yaml"
    stages = {
        "docs": {
            "use": "read.jsonl",
            "paths": [str(folder / "in")],
            "source": "made",
            "shard_bytes": "32MB",
            "max_record_bytes": "2GB",
        },
        "near": {"use": "dedup.minhash", **OPTIONS.get(shape, {})},
    }
    recipe.write_text(yaml.safe_dump({"run": str(folder / "run"), "stages": stages}))
    run_of(folder, recipe, "docs")
    cost = run_of(folder, recipe)
    return left(folder), cost


def main() -> None:
    """Print the table."""
    given = dict(each.split("=") for each in sys.argv[1:]) or SIZES
    print("corpus | documents, bytes of huge | left | seconds | CPU s | all processes MB | largest MB")
    for shape, count in given.items():
        with tempfile.TemporaryDirectory() as folder:
            gone, cost = measure(Path(folder), shape, int(count))
        memory = f"{cost.together / 1e6:.0f} | {cost.largest / 1e6:.0f}"
        print(f"{shape} | {count} | {gone} | {cost.seconds:.1f} | {cost.cpu:.1f} | {memory}", flush=True)


if __name__ == "__main__":
    main()
