"""read.html: a folder of pages, bundled."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import fsspec
import pytest

from stages.read.html import STAGE, Config

PAGE = b"<html>a page</html>"


def pages(config: Config) -> list[dict[str, Any]]:
    """Rows of all bundles; each bundle gives the same rows from every cursor on."""
    found = []
    for split in STAGE.splits(config):
        whole = [row for batch in STAGE.read(split, config, 0) for row in batch.to_pylist()]
        for number, row in enumerate(whole):
            again = [row for batch in STAGE.read(split, config, row["cursor"]) for row in batch.to_pylist()]
            assert again == whole[number:]
        found += whole
    return sorted(found, key=lambda row: row["file"])


def test_pages_reasons_and_urls(tmp_path: Path) -> None:
    files = {
        "a/one.html": PAGE,
        "a/two words.htm.gz": gzip.compress(PAGE),
        "b/broken.html.gz": gzip.compress(PAGE)[:-4],
        "b/empty.html": b"",
        "b/large.html": bytes(101),
        "b/style.css": b"x",
    }
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    config = Config(paths=(str(tmp_path),), source="s", base_url="https://x.example/", max_body_bytes=100)
    found = pages(config)
    assert [(row["file"], row["url"], row["reason"], row["html"], row["bytes"]) for row in found] == [
        ("a/one.html", "https://x.example/a/one.html", None, PAGE, 19),
        ("a/two words.htm.gz", "https://x.example/a/two%20words.htm", None, PAGE, 19),
        ("b/broken.html.gz", "https://x.example/b/broken.html", "damaged_input", None, 0),
        ("b/empty.html", "https://x.example/b/empty.html", "empty_body", None, 0),
        ("b/large.html", "https://x.example/b/large.html", "body_too_large", None, 101),
    ]
    assert found[0]["digest"] == found[1]["digest"]
    assert {row["reason"] for row in found} - {None, "damaged_input"} <= STAGE.reasons.keys()


@pytest.mark.parametrize("count", [1, 600])
def test_many_pages_are_bundled_and_none_is_lost(count: int) -> None:
    for number in range(count):
        with fsspec.open(f"memory://pages{count}/{number}.html", "wb") as out:
            out.write(b"%d" % number)
    config = Config(paths=(f"memory://pages{count}",), source="s")
    found = [row for split in STAGE.splits(config) for b in STAGE.read(split, config, 0) for row in b.to_pylist()]
    assert sorted(int(row["html"]) for row in found) == list(range(count))
    assert {row["url"] for row in found} == {None}
    assert len(list(STAGE.splits(config))) == (1 if count == 1 else 2)
