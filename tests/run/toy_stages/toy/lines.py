"""Source for tests: each line of a text file is a document; its text is transient, its URL is stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import xxhash

from datapipe.schema import COLUMNS
from datapipe.stage import File, Source, SourceConfig, Split, place, schema

ROWS = 5  # of one batch


class Config(SourceConfig):
    """Options of the test source."""

    journal: str | None = place(None, "file that gets a line for each batch read")


def splits(config: Config) -> list[Split]:
    """One split a file."""
    found = [path for pattern in config.paths for path in Path(pattern).parent.glob(Path(pattern).name)]
    files = [File(str(p), p.name, p.stat().st_size, str(p.stat().st_mtime_ns)) for p in sorted(found)]
    return [Split(file.name, (file,)) for file in files]


def read(split: Split, config: Config, cursor: int) -> Iterator[pa.RecordBatch]:
    """Lines from the one numbered `cursor` on."""
    lines = Path(split.files[0].path).read_text(encoding="utf-8").splitlines()
    for start in range(cursor, len(lines), ROWS):
        numbers = range(start, min(start + ROWS, len(lines)))
        texts = [lines[number] for number in numbers]
        if config.journal:
            with Path(config.journal).open("a", encoding="utf-8") as journal:
                journal.write(f"{split.name} {start}\n")
        yield pa.RecordBatch.from_pydict(
            {
                "file": pa.array([split.name] * len(texts)),
                "record": pa.array(numbers, pa.int64()),
                "cursor": pa.array(numbers, pa.int64()),
                "bytes": pa.array([len(text.encode()) for text in texts], pa.int64()),
                "digest": pa.array([xxhash.xxh3_128_digest(text.encode()) for text in texts], pa.binary(16)),
                "reason": pa.array(["damaged_input" if "DAMAGED" in text else None for text in texts], pa.string()),
                "url": pa.array([f"http://lines.example/{split.name}/{number}" for number in numbers]),
                "text": pa.array([None if "DAMAGED" in text else text for text in texts], pa.large_string()),
            }
        )


STAGE = Source(
    name="toy.lines",
    version=1,
    config=Config,
    adds=schema(url=COLUMNS["url"], text=COLUMNS["text"]),
    splits=splits,
    read=read,
    transient=("text",),
)
