"""Texts for the tests of `datapipe.text`."""

import gzip
import json
import random
from pathlib import Path

import pyarrow as pa
import pytest

SCRIPTS = (
    (0x00, 0x250), (0x300, 0x370), (0x5D0, 0x700), (0x900, 0x980), (0xE00, 0xE80), (0x1000, 0x1050), (0x1E90, 0x1F00),
    (0x2000, 0x2070), (0x3000, 0x3100), (0x4E00, 0x4E40), (0xAC00, 0xAC50), (0xFB00, 0xFB20), (0xFF00, 0xFFF0),
    (0x1F600, 0x1F610), (0x20000, 0x20010), (0x10400, 0x10450), (0x1E900, 0x1E940),
)  # fmt: skip
PIECES = (
    "aB", "c", "c d", "the", "THE", "it's", "’", "'", "\n", "\n\n", "\r\n", " ", "\t", ".", "...", "…", "。", "！", "?",
    "”", ")", "#", "##", "- ", "ß", "SS", "İ", "é", "e\u0301", "०", "7", "_", "你好", "カナ", "か\u3099", "ไทย",
    "\u200d", "\u2028", "\x85", "\u3000", "😀", "한국",
)  # fmt: skip


@pytest.fixture(scope="session")
def real_texts(real_data: Path) -> list[str]:
    """Some English and Chinese documents."""
    names = ("c4_demo_300.jsonl.gz", "oiwiki_zh.jsonl.gz", "peps.jsonl.gz")
    return [text for name in names for text in _texts(real_data / "raw" / name, limit=60)]


def _texts(path: Path, *, limit: int) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line, _ in zip(lines, range(limit), strict=False)]


@pytest.fixture(scope="session")
def mixed_texts() -> list[str]:
    """2,000 short texts of all kinds of characters, and some of no text at all."""
    rng = random.Random(20)

    def character() -> str:
        if rng.random() < 0.6:
            return rng.choice(PIECES)
        return chr(rng.randrange(*rng.choice(SCRIPTS)))

    texts = ["".join(character() for _ in range(rng.randrange(60))) for _ in range(2000)]
    return ["", " ", "\n\n", "...", "_", "😀", *texts]


@pytest.fixture(scope="session")
def repetitive_texts() -> list[str]:
    """1,000 texts of few different words and lines."""
    rng = random.Random(21)
    words = ("a", "B", "b", "cc", "Straße", "STRASSE", "的", ".", "\n", "\n\n", "x y")
    return [" ".join(rng.choice(words) for _ in range(rng.randrange(100))) for _ in range(1000)]


@pytest.fixture(scope="session")
def half_masked() -> tuple[pa.StringArray, pa.StringArray]:
    """Three texts, and the same memory with the second made null without taking its bytes away."""
    full = pa.array(["one", "two words", "three"])
    _, offsets, data = full.buffers()
    assert offsets is not None
    assert data is not None
    return full, pa.StringArray.from_buffers(3, offsets, data, pa.py_buffer(b"\x05"), 1)
