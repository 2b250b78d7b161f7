"""A report says of a run what its records, its layers and `what-if` say, and nothing of what is not there."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datapipe.registry import Registry
from datapipe.report.card import card
from datapipe.report.facts import gather
from datapipe.report.markdown import summary
from datapipe.report.model import Report
from datapipe.run.context import Context
from datapipe.run.what_if import what_if
from tests.report.conftest import DOCUMENTS, Bench, text_of

WORDS = [len(text_of(number).split()) for number in range(DOCUMENTS)]
FITTING = [number for number in range(DOCUMENTS) if 4 <= WORDS[number] <= 20]
COPIES = sum(number % 10 == 9 for number in FITTING)


@pytest.fixture(scope="module")
def report(whole: Callable[[], Context]) -> Report:
    return gather(whole())


def test_the_funnel_is_what_was_counted_by_hand(report: Report) -> None:
    kept = {name: (stage.came.documents, stage.stayed.documents) for name, stage in report.stages.items()}
    left = len(FITTING) - COPIES
    assert kept == {
        "docs": (DOCUMENTS, DOCUMENTS),
        "length": (DOCUMENTS, len(FITTING)),
        "unique": (len(FITTING), left),
        "out": (left, left),
    }
    length = report.stages["length"]
    assert length.dropped == {
        "too_few_words": sum(words < 4 for words in WORDS),
        "too_many_words": sum(words > 20 for words in WORDS),
    }
    assert length.meanings["too_few_words"] == "fewer words than min_words"
    assert length.kept == len(FITTING) / DOCUMENTS
    assert report.corpus.amount.documents == left
    assert report.run.complete
    assert report.sources["web"].kept == left


def test_a_distribution_counts_every_document_that_came_split_by_what_the_stage_did(report: Report) -> None:
    words = report.stages["length"].measures["words"]
    assert (words.least, words.greatest, words.mean) == (1, 24, sum(WORDS) / DOCUMENTS)
    assert words.edges == tuple(range(1, 26))
    assert words.kept == tuple(sum(each == size for each in WORDS) if 4 <= size <= 20 else 0 for size in range(1, 25))
    assert sum(words.kept) + sum(words.dropped) == DOCUMENTS
    assert words.quantiles["p50"] == sorted(WORDS)[DOCUMENTS // 2 - 1]


@pytest.mark.parametrize("option", ["min_words", "max_words"])
def test_every_step_of_a_slider_is_what_what_if_says(report: Report, whole: Callable[[], Context], option: str) -> None:
    bounds = {bound.option: bound for bound in report.stages["length"].measures["words"].thresholds}
    bound = bounds[option]
    assert (bound.side, bound.value) == (("below", 4) if option == "min_words" else ("above", 20))
    assert len(bound.steps) > 20
    run, counts = whole(), dict(zip(bound.steps, bound.kept, strict=True))
    for step in (*bound.steps[::6], bound.value, bound.steps[-1]):
        assert step is not None
        assert what_if(run, "length", [f"{option}={step}"], Registry()).kept[1] == counts[step]
    assert what_if(run, "length", [f"{option}=null"], Registry()).kept[1] == bound.kept_off


def test_an_option_that_does_not_act_on_its_measure_alone_has_no_steps(bench: Bench) -> None:
    marked = bench.run(marked={"use": "mark.templates", "from": "docs"})  # it marks, and drops only where `drop` is set
    (bound,) = gather(marked, texts=False).stages["marked"].measures["pages"].thresholds
    assert (bound.option, bound.value, bound.steps, bound.kept, bound.kept_off) == ("min_pages", 10, (), (), None)


def test_thresholds_by_language_are_told_and_a_step_holds_for_all_languages(bench: Bench) -> None:
    run = bench.run(language={"use": "filter.language", "keep": None, "from": "docs"}, quality={"use": "filter.gopher"})
    bound = gather(run, texts=False).stages["quality"].measures["stop_words"].thresholds[0]
    assert bound.by_language is not None
    assert bound.steps
    for step, kept in list(zip(bound.steps, bound.kept, strict=True))[:3]:
        assert what_if(run, "quality", [f"{bound.option}={step:.0f}"], Registry()).kept[1] == kept


def test_clusters_are_counted_with_their_documents(report: Report) -> None:
    found = report.duplicates["unique"]
    assert (found.clusters, found.in_clusters, found.dropped) == (COPIES, 2 * COPIES, COPIES)
    assert [(size.least, size.greatest, size.documents) for size in found.sizes] == [(2, 2, 2 * COPIES)]
    assert all(cluster.size == len(set(cluster.ids)) == 2 for cluster in found.largest)


def test_hosts_are_counted_of_what_came_and_of_what_is_left(report: Report) -> None:
    came = report.stages["docs"].categories["host"]
    assert {each.value: each.kept for each in came.values} == {f"h{n}.example": DOCUMENTS // 5 for n in range(5)}
    left = Counter(f"h{n % 5}.example" for n in FITTING)
    told = {each.value: each.kept for each in report.corpus.categories["host"].values}
    assert told.keys() <= left.keys()
    assert sum(told.values()) == len(FITTING) - COPIES


def test_samples_are_the_same_however_the_input_is_cut_and_say_why_each_left(report: Report, bench: Bench) -> None:
    reasons = Counter((each.stage, each.reason) for each in report.samples)
    assert reasons == {
        ("length", "too_few_words"): 3,
        ("length", "too_many_words"): 3,
        ("unique", "duplicate"): 3,
        ("unique", None): 8,
    }
    again = gather(bench.run())
    assert again.samples == report.samples
    short = next(each for each in report.samples if each.reason == "too_few_words")
    assert short.measures == {"words": str(len((short.text or "").split()))}


def test_personal_data_and_escapes_in_texts_are_not_shown(bench: Bench) -> None:
    hostile = {
        "text": "Write to jane.roe@firm.example or <script>alert(1)</script> \u202ecod.exe \x1b[31m now please, all",
        "url": "https://a.example/?mail=jane.roe@firm.example",
    }
    (bench.folder / "in" / "9.jsonl").write_text(json.dumps(hostile) + "\n", encoding="utf-8")
    report = gather(bench.run(docs={"limit": 200}))
    files = (report.model_dump_json(), summary(report), card(report))
    assert not any("jane.roe" in file or "\u202e" in file or "\x1b" in file for file in files)


def test_a_report_is_the_same_twice_but_for_what_the_work_took(whole: Callable[[], Context], report: Report) -> None:
    again = gather(whole())
    assert again.model_dump(exclude={"work"}) == report.model_dump(exclude={"work"})
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_a_half_finished_run_is_told_as_far_as_it_is(bench: Bench) -> None:
    report = gather(bench.run("run", ("docs", "length")))
    assert not report.run.complete
    assert set(report.run.unfinished) == {"unique", "out"}
    assert report.stages["length"].stayed.documents == len(FITTING)
    assert report.stages["unique"].came.documents == 0
    assert report.stages["unique"].kept is None
    assert "not finished" in summary(report)
    assert "not finished" in card(report)


def test_what_a_run_lacks_is_absent(report: Report) -> None:
    assert report.groups is None
    assert report.contamination is None
    assert report.conversations is None
    assert (report.personal, report.mixture, report.packing, report.audit, report.gates) == ({}, {}, {}, {}, ())
    assert report.corpus.amount.tokens is None


def test_bins_cover_all_values_with_the_ends_as_they_are(bench: Bench) -> None:
    run = bench.run(symbols={"use": "filter.symbols", "from": "docs"})
    for name, stage in gather(run, texts=False).stages.items():
        for measure in stage.measures.values():
            assert len(measure.edges) <= 61, name
            assert np.all(np.diff(measure.edges) > 0)
            assert sum(measure.kept) + sum(measure.dropped) + measure.missing == stage.came.documents


def test_every_field_of_the_model_is_described() -> None:
    schema = Report.model_json_schema()
    fields = [field for model in (schema, *schema["$defs"].values()) for field in model.get("properties", {}).values()]
    assert len(fields) > 150
    assert all(field.get("description") for field in fields)


def test_the_card_has_a_head_that_the_hub_reads(report: Report, tmp_path: Path) -> None:
    hub = importlib.import_module("huggingface_hub")  # a second, for one test
    path = tmp_path / "README.md"
    path.write_text(card(report), encoding="utf-8")
    read = hub.DatasetCard.load(path)
    assert read.data.size_categories == ["n<1K"]
    assert read.data.pretty_name == "run"
