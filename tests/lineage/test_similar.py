"""Documents like a text: found through the keys, compared exactly, with no text read where shingles are kept."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from datapipe.algo.banding import probability
from datapipe.errors import InputError, RunError
from datapipe.lineage import Found, similar
from tests.cli.toy_run import call
from tests.lineage.conftest import opened
from tests.run.copies import Document, chain, documents, jaccard, near, write
from tests.run.workbench import Done, Workbench

ROWS = documents(120, seed=8)
ORIGINAL = next(row for row in ROWS if row["id"].endswith("2"))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A run that keeps the shingles of all, and of which no text is left."""
    bench = Workbench(tmp_path_factory.mktemp("kept"))
    write(bench, ROWS, files=3)
    done = bench.run("run", chain(bench, "near", index=True))
    for path in bench.input.iterdir():  # where the only copy of the texts is
        path.unlink()
    return done


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """A run without `index`, whose input is there."""
    bench = Workbench(tmp_path_factory.mktemp("plain"))
    write(bench, ROWS, files=3)
    bench.run("run", chain(bench, "near"))
    return bench


def told(found: Found) -> list[tuple[str, float]]:
    return [(each.place.id, round(each.similarity, 6)) for each in found.alike]


def by_hand(text: str, least: float, rows: list[Document] = ROWS) -> list[tuple[str, float]]:
    """Each document compared; of equal ones the first in the corpus first."""
    alike = [(row["id"], round(jaccard(text, row["text"]), 6)) for row in rows]
    return sorted((each for each in alike if each[1] >= least), key=lambda each: -each[1])


def test_a_file_finds_what_comparing_every_document_finds(kept: Done, tmp_path: Path) -> None:
    """At .85 and more a pair shares a band with a probability of .99 or more; the seeds here have no miss."""
    for number, row in enumerate(row for row in ROWS if row["id"].endswith(("0", "2", "4"))):
        text = near(row["text"], "elsewhere")
        file = tmp_path / f"{number}.txt"
        file.write_text(text)
        found = similar(opened(kept.folder), str(file), threshold=0.85, limit=100)
        assert told(found) == by_hand(text, 0.85)
        assert found.alike


def test_a_document_finds_all_others_like_it_with_their_place_and_who_stays(kept: Done) -> None:
    copies = Counter(row["text"].lower() for row in ROWS)
    most, _ = copies.most_common(1)[0]
    first, *others = [row["id"] for row in ROWS if row["text"].lower() == most]
    found = similar(opened(kept.folder), others[0], limit=100)
    assert told(found) == [each for each in by_hand(most, 0.75) if each[0] != others[0]]
    assert {each.place.id: each.survivor for each in found.alike if each.similarity == 1.0}[first] is None
    place = found.alike[0].place
    assert place.url == next(row["url"] for row in ROWS if row["id"] == place.id)
    assert (found.alike[0].source, place.row) == ("toy", int(place.id.rpartition("-")[2]) % 40)


def test_without_kept_shingles_texts_are_read_again_and_give_the_same(plain: Workbench, kept: Done) -> None:
    for row in ROWS[:20]:
        one, other = (similar(opened(run), row["id"]) for run in (plain.folder / "run", kept.folder))
        assert told(one) == told(other)
        assert one.compared == other.compared


def test_limit_and_threshold_choose_and_the_chance_of_finding_is_told(kept: Done, tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text(ORIGINAL["text"])
    whole = similar(opened(kept.folder), str(file), threshold=0.5, limit=100)
    assert whole.threshold == 0.5
    assert whole.probability == pytest.approx(probability(0.5, 14, 8))
    few = similar(opened(kept.folder), str(file), limit=1)
    assert told(few) == told(whole)[:1]
    assert few.threshold == 0.75
    file.write_text(near(near(ORIGINAL["text"], "one"), "another"))
    none = similar(opened(kept.folder), str(file), threshold=1.0)
    assert none.alike == ()
    assert none.nearest is not None
    assert 0.5 < none.nearest < 1.0


def test_a_text_without_words_is_like_nothing(kept: Done, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text(" \n ... \n")
    found = similar(opened(kept.folder), str(tmp_path / "empty.txt"))
    assert (found.alike, found.sharing, found.nearest) == ((), 0, None)


def test_only_the_row_groups_that_hold_the_keys_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datapipe.corpus.layer.SLICED_ROWS", 16)
    bench = Workbench(tmp_path)
    write(bench, ROWS, files=1)
    done = bench.run("run", chain(bench, "near", index=True))
    (path,) = (done.folder / "near/exchange").glob("*-????.parquet")
    groups = pq.ParquetFile(path).metadata.num_row_groups
    read: Counter[str] = Counter()
    reads = pq.ParquetFile.read_row_group

    def counted(file: Any, group: int, columns: list[str]) -> Any:
        read.update(columns)
        return reads(file, group, columns=columns)

    file = tmp_path / "text.txt"
    file.write_text(ORIGINAL["text"])
    context = opened(done.folder)
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    assert similar(context, str(file)).alike
    assert groups > 50
    assert 0 < read["key"] <= 2 * 14  # a bucket of 1/4096 of the keys reaches over two groups at most


def test_of_many_candidates_those_that_share_most_keys_are_compared(
    kept: Done, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "text.txt"
    file.write_text(ORIGINAL["text"])
    whole = similar(opened(kept.folder), str(file), limit=100)
    assert whole.sharing == whole.compared > 2
    monkeypatch.setattr(sys.modules["datapipe.lineage.similar"], "CANDIDATES", 2)
    few = similar(opened(kept.folder), str(file), limit=100)
    assert (few.sharing, few.compared) == (whole.sharing, 2)
    assert told(few)[0] == told(whole)[0] == (ORIGINAL["id"], 1.0)


def test_what_cannot_be_told_is_one_line(plain: Workbench, tmp_path: Path) -> None:
    run = opened(plain.folder / "run")
    cases: list[tuple[str, str | None, str]] = [
        ("nobody", None, "no file 'nobody', and no document"),
        (ROWS[0]["id"], "docs", "'docs' does not tell how alike"),
    ]
    for text, stage, message in cases:
        with pytest.raises(InputError, match=message):
            similar(run, text, stage)
    (tmp_path / "latin.txt").write_bytes("naïve".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        similar(run, str(tmp_path / "latin.txt"))
    (tmp_path / "text.txt").write_text(ORIGINAL["text"])
    scoped = plain.run("scoped", chain(plain, "near", within=["date"]))
    with pytest.raises(InputError, match="of the same date"):
        similar(opened(scoped.folder), str(tmp_path / "text.txt"))
    other = plain.run("other", chain(plain, "exact"))
    with pytest.raises(InputError, match=r"dedup\.minhash"):
        similar(opened(other.folder), ROWS[0]["id"])


def test_keys_of_other_settings_are_refused(plain: Workbench) -> None:
    recipe = plain.folder / "run/recipe.yaml"
    before = recipe.read_text()
    recipe.write_text(before.replace("shingle: 5", "shingle: 4"))
    try:
        with pytest.raises(RunError, match="finish that run first"):
            similar(opened(plain.folder / "run"), ROWS[0]["id"])
    finally:
        recipe.write_text(before)


def test_the_command_prints_a_table_and_json(kept: Done, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(ORIGINAL["text"])
    shown = call("similar", kept.folder, "--text", tmp_path / "text.txt").output
    assert f"1.000        {ORIGINAL['id']}" in shown
    assert "it stays" in shown
    assert "a document 0.75 alike shares one with probability 0.77" in shown
    lines = call("similar", kept.folder, "--text", tmp_path / "text.txt", "--json").output.splitlines()
    told = [json.loads(line) for line in lines]
    assert (told[0]["id"], told[0]["similarity"], told[0]["survivor"]) == (ORIGINAL["id"], 1.0, None)
    none = call("similar", kept.folder, "--text", ROWS[5]["id"], "--threshold", "1").output
    assert none.startswith("no document is 1 alike or more")
