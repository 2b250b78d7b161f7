"""`datapipe fit classifier` from labelled lines to a model that a filter uses."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from datapipe.algo.linear import load_model
from datapipe.cli.fit import fit
from datapipe.errors import InputError
from stages.filter.classifier import STAGE

SAILING = ["harbour", "boat", "tide", "sail", "anchor", "mast", "wind", "captain", "rope", "deck"]
SELLING = ["buy", "cheap", "casino", "bonus", "win", "free", "order", "discount", "pills", "now"]
CHINESE = {"sea": "港口船隻潮水風帆船長甲板", "spam": "博彩優惠贈送註冊免費獎金"}


def rows(count: int = 240) -> list[dict[str, str]]:
    """Sentences of two kinds in two languages, of hosts that have one kind each."""
    chosen = random.Random(5)
    made = []
    for n in range(count):
        kind = ("sea", "spam")[n % 2]
        if n % 4 < 2:
            text = " ".join(chosen.choices(SAILING if kind == "sea" else SELLING, k=9))
        else:
            text = "".join(chosen.choices(CHINESE[kind], k=14))
        made.append({"text": text, "label": kind, "url": f"https://{kind}{n % 20}.example/{n}"})
    return made


def lines(path: Path, made: list[dict[str, str]]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in made), encoding="utf-8")
    return path


def call(*arguments: str | int | Path) -> Result:
    return CliRunner().invoke(fit, ["classifier", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted")
    data = lines(folder / "kinds.jsonl", rows())
    done = call(data, "--out", folder / "kinds.npz", "--bits", 14, "--licence", "CC0-1.0", "--about", "ships and shops")
    assert done.exit_code == 0, done.stderr
    assert "held out: accuracy 1.000" in done.stdout
    return folder / "kinds.npz"


def test_the_record_and_the_card_say_what_the_model_is(fitted: Path) -> None:
    record = load_model(fitted).record
    assert record["documents"] == {"sea": 120, "spam": 120}
    assert record["split"] == {
        "by": "hash of the group",
        "share": 0.2,
        "files": [],
        "met_in_training": record["split"]["met_in_training"],
    }
    assert record["trained_on"] + record["held_out"]["documents"] + record["split"]["met_in_training"] == 240
    assert record["held_out"]["labels"]["spam"]["auc"] == 1.0
    card = fitted.with_suffix(".md").read_text(encoding="utf-8")
    for told in (
        "ships and shops",
        "CC0-1.0",
        "kinds.jsonl",
        "20% held out by the hash of the group",
        "| spam | 0.5 |",
    ):
        assert told in card
    assert str(fitted.parent) not in card
    assert fitted.stat().st_size < 100_000


def test_the_same_lines_in_another_order_give_the_same_bytes(fitted: Path, tmp_path: Path) -> None:
    made = rows()
    random.Random(1).shuffle(made)
    arguments = ("--bits", 14, "--licence", "CC0-1.0", "--about", "ships and shops")
    (tmp_path / "more").mkdir()
    call(lines(tmp_path / "kinds.jsonl", made), "--out", tmp_path / "more/kinds.npz", *arguments)
    assert (tmp_path / "more/kinds.npz").read_bytes() == fitted.read_bytes()
    assert (tmp_path / "more/kinds.md").read_bytes() == fitted.with_suffix(".md").read_bytes()


def test_the_filter_uses_what_was_fitted(fitted: Path) -> None:
    config = STAGE.config.model_validate({"model": str(fitted), "drop": {"spam": 0.8}})
    texts = pa.array(
        ["The captain took the boat to the harbour.", "win a free casino bonus", "免費博彩優惠獎金", "船長在港口"]
    )
    measured = STAGE.process(pa.RecordBatch.from_arrays([texts.cast(pa.large_string())], names=["text"]), config, None)
    assert measured["label"].to_pylist() == ["sea", "spam", "spam", "sea"]
    assert STAGE.decide is not None
    reasons = STAGE.decide(measured, config).to_pylist()
    assert reasons == [None, "label_dropped", "label_dropped", None]


def test_a_set_of_its_own_is_measured_on_and_what_was_trained_on_is_left_out(tmp_path: Path) -> None:
    data = lines(tmp_path / "train.jsonl", rows())
    test = lines(tmp_path / "test.jsonl", [*rows()[:6], *rows(300)[-40:]])
    call(data, "--test", test, "--out", tmp_path / "m.npz", "--bits", 12)
    record = load_model(tmp_path / "m.npz").record
    assert record["trained_on"] == 240
    assert record["split"]["met_in_training"] >= 6
    assert record["split"]["files"] == ["test.jsonl"]


def test_further_texts_are_only_trained_on_and_terms_are_one_word(tmp_path: Path) -> None:
    data = lines(tmp_path / "train.jsonl", rows(80))
    also = lines(
        tmp_path / "also.jsonl", [{"text": f"{SELLING[n % 10]} {SAILING[n // 10]}", "label": "sea"} for n in range(30)]
    )
    (tmp_path / "terms.txt").write_text("# people\ncaptain sailors\n", encoding="utf-8")
    call(data, "--also", also, "--terms", tmp_path / "terms.txt", "--out", tmp_path / "m.npz", "--bits", 12)
    model = load_model(tmp_path / "m.npz")
    assert model.record["extra_documents"] == {"sea": 30}
    assert sum(of["documents"] for of in model.record["held_out"]["labels"].values()) < 80
    assert (len(model.terms), model.record["group_terms"]) == (2, 2)


@pytest.mark.parametrize(
    ("made", "options", "says"),
    [
        (
            [{"text": SAILING[n % 10] + SELLING[n // 10], "label": "a"} for n in range(30)],
            (),
            "have 1 label; give documents of two labels",
        ),
        (
            [{"text": SAILING[n % 10] + SELLING[n // 10], "label": "ab"[n == 0]} for n in range(30)],
            (),
            "1 of 2 labels have one document to train on; give more, or name the labels",
        ),
        (
            [
                {"text": f"{SAILING[n % 10]} {chr(0x4E00 + n)}", "label": f"someone{n // 5}@example.com"}
                for n in range(1010)
            ],
            (),
            "^the documents have 202 labels, over 100; say by --fields which field is the label",
        ),
        (
            [{"text": SAILING[n % 10] + SELLING[n // 10], "label": "a\x1b"} for n in range(30)] + rows(20),
            ("--names", "sea=sea"),
            "have 1 label",
        ),
        (rows(20), ("--fields", "body=x"), "'body' is none of ours"),
        (rows(20), ("--out", "model.bin"), "does not end in .npz"),
    ],
)
def test_what_cannot_be_fitted_is_said_in_one_line(
    tmp_path: Path, made: list[dict[str, str]], options: tuple[str, ...], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        call(lines(tmp_path / "a.jsonl", made), "--out", tmp_path / "m.npz", *options)


def test_labels_come_from_the_names_of_files_that_hold_one_each(tmp_path: Path) -> None:
    made = [{"text": row["text"], "url": row["url"]} for row in rows()]
    sea, spam = lines(tmp_path / "sea.jsonl", made[::2]), lines(tmp_path / "crawl.jsonl", made[1::2])
    done = call(f"good={sea}", f"spam={spam}", "--out", tmp_path / "m.npz", "--bits", 12)
    record = load_model(tmp_path / "m.npz").record
    assert record["documents"] == {"good": 120, "spam": 120}
    assert record["files"] == ["sea.jsonl", "crawl.jsonl"]
    assert "warning" not in done.stderr


def test_a_label_of_one_host_that_is_not_held_out_is_warned_of_and_told_in_the_card(tmp_path: Path) -> None:
    made = [{**row, "url": "https://one.example/"} if row["label"] == "sea" else row for row in rows()]
    done = call(lines(tmp_path / "a.jsonl", made), "--out", tmp_path / "m.npz", "--bits", 12)
    told = "no document of sea was measured on (they are of too few hosts or groups)"
    assert f"warning: {told}" in done.stderr
    assert f"Beware: {told}" in (tmp_path / "m.md").read_text(encoding="utf-8")


def test_what_was_read_and_left_out_and_how_far_training_is_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datapipe.cli.fit_classifier.TELL_SECONDS", 0.0)
    made = [*rows(), {"text": "a line of its own"}, rows()[0]]
    done = call(lines(tmp_path / "a.jsonl", made), "--out", tmp_path / "m.npz", "--bits", 12)
    told = done.stderr.splitlines()
    assert told[0] == "read 120 sea, 120 spam; lines left out: no label 1, the same text again 1"
    passes = [line for line in told if line.startswith("training: ")]
    assert len(passes) == 12  # of fewer than 256 documents
    assert passes[2].startswith("training: 25%, ")
    assert passes[-1] == "training: 100%, 0.0 s left"


def test_terms_that_are_no_text_are_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "terms.txt").write_bytes(b"captain \xff\xfe")
    with pytest.raises(InputError, match=r"terms\.txt cannot be read; write it as UTF-8"):
        call(lines(tmp_path / "a.jsonl", rows(20)), "--out", tmp_path / "m.npz", "--terms", tmp_path / "terms.txt")


def test_a_label_with_a_bar_stays_in_its_cell_of_the_card(tmp_path: Path) -> None:
    made = [{**row, "label": f"{row['label']}|x"} for row in rows(80)]
    call(lines(tmp_path / "a.jsonl", made), "--out", tmp_path / "m.npz", "--bits", 12)
    tables = [line for line in (tmp_path / "m.md").read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert {line.replace(r"\|", "").count("|") for line in tables} == {4, 6}


def test_existing_files_are_kept_unless_forced(fitted: Path) -> None:
    before = np.fromfile(fitted, np.uint8)
    with pytest.raises(InputError, match="exists; give another --out"):
        call(fitted.with_name("kinds.jsonl"), "--out", fitted)
    assert np.array_equal(before, np.fromfile(fitted, np.uint8))
