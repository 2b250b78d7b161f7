"""Pages in bundles: one page more or less can move all pages to other bundles, and must cost no document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datapipe.algo.inputs import _BUNDLE_FILES
from datapipe.errors import InputError
from tests.run.workbench import Done, Workbench, corpus, differences

Chain = dict[str, dict[str, Any]]


def _chain(bench: Workbench, **source: Any) -> Chain:
    return {
        "docs": {"use": "read.html", "source": "pages", "paths": [str(bench.input)], **source},
        "pages": {"use": "toy.pages"},
    }


def _page(bench: Workbench, number: int) -> Path:
    bench.input.mkdir(exist_ok=True)
    path = bench.input / f"page-{number:04}.html"
    path.write_text(f"<p>page {number}" + "x" * (number % 7), encoding="utf-8")
    return path


def _ids(done: Done) -> dict[str, tuple[str, int]]:
    """Id and size of each page, by file."""
    return {row["file"]: (key, row["pages.size"]) for key, row in corpus(done, "pages").items()}


def _bundles(done: Done) -> set[str]:
    return {record.split.name for record in done.records("docs").values() if record.split}


@pytest.fixture
def full(tmp_path: Path) -> Workbench:
    """As many pages as one bundle holds."""
    bench = Workbench(tmp_path)
    for number in range(_BUNDLE_FILES):
        _page(bench, number)
    return bench


def test_a_page_that_splits_the_bundles_is_added_and_no_page_is_lost_or_doubled(full: Workbench) -> None:
    first = full.run("run", _chain(full))
    before = _ids(first)
    assert len(before) == first.kept("pages") == _BUNDLE_FILES
    assert _bundles(first) == {"bundle-0-of-1"}
    page = _page(full, 9000)
    grown = full.run("run", _chain(full))
    assert _bundles(grown) == {"bundle-0-of-2", "bundle-1-of-2"}
    assert len(grown.context.shards["docs"]) == 2
    assert grown.kept("docs") == grown.kept("pages") == _BUNDLE_FILES + 1
    after = _ids(grown)
    assert after.keys() == before.keys() | {page.name}
    assert {name: after[name] for name in before} == before
    fresh = full.run("fresh", _chain(full))
    assert _ids(fresh) == after
    assert [name for name in differences(fresh.folder, grown.folder) if (fresh.folder / name).exists()] == []
    assert full.run("run", _chain(full)).told.tasks == 0


def test_a_page_that_goes_is_named_and_with_leave_the_others_stay(full: Workbench) -> None:
    """The bundles fall into one again; the page that is gone may not come back with the old bundles."""
    _page(full, 9000)
    before = _ids(full.run("run", _chain(full)))
    gone = full.input / "page-0100.html"
    gone.unlink()
    with pytest.raises(
        InputError, match=r"^page-0100\.html, read by an earlier run of 'docs', is gone, or no .*missing=true"
    ):
        full.run("run", _chain(full))
    left = full.run("run", _chain(full, allow_missing=True))
    assert left.kept("docs") == left.kept("pages") == _BUNDLE_FILES
    assert _ids(left) == {name: row for name, row in before.items() if name != gone.name}


def test_a_page_that_goes_from_a_bundle_that_stays_is_named_too(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    for number in range(5):
        _page(bench, number)
    before = _ids(bench.run("run", _chain(bench)))
    (bench.input / "page-0003.html").unlink()
    with pytest.raises(InputError, match=r"^page-0003\.html, read by an earlier run"):
        bench.run("run", _chain(bench))
    left = bench.run("run", _chain(bench, allow_missing=True))
    assert _ids(left) == {name: row for name, row in before.items() if name != "page-0003.html"}
