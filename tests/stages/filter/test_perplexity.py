"""filter.perplexity: perplexities worked out on paper, buckets, what is kept and dropped, and what cannot be used."""

from __future__ import annotations

import json
import sys
import time
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from datapipe.errors import InputError
from stages.filter.perplexity import ADDS, STAGE, Config, _models, _normal, _percentiles, decide_reasons, process
from tests.run.workbench import Workbench
from tests.stages.filter import arpas


@pytest.fixture
def models(tmp_path: Path) -> dict[str, str]:
    return arpas.models(tmp_path)


def batch_of(texts: list[str | None], languages: list[str | None] | str = "en") -> pa.RecordBatch:
    codes = [languages] * len(texts) if isinstance(languages, str) else languages
    columns = [pa.array(texts, pa.large_string()), pa.array(codes, pa.string())]
    return pa.RecordBatch.from_arrays(columns, names=["text", "language"])


def measured(batch: pa.RecordBatch, **options: Any) -> dict[str, list[Any]]:
    return process(batch, Config(**options), None).to_pydict()


# Sums of log10 probabilities by tests/stages/filter/arpas.py, and words with ends of sentences.
PERPLEXITIES = [
    ("en", "boats came", 0.25 + 0.1 + 0.2, 3),
    ("en", "Bóats  CAME", 0.25 + 0.1 + 0.2, 3),
    ("en", "boats came\nboats", 0.55 + 1.5, 5),
    ("en", "boats\n\nboats", 1.5 + 1.2 + 1.5, 5),
    ("en", "boats\u3000came", 0.55, 3),
    ("en", "tide", 1.5 + 0.3 + 0.9, 2),
    ("zh", "港口。", 0.5 + 0.25 + (0.25 + 0.125) + 0.125, 4),  # <s> 港; 港 口; . with the back-off of 口; . </s>
    ("zh", "港 口 .", 1.25, 4),
    ("zh", "口", (0.75 + 0.5) + (1 + 0.125), 2),
]


@pytest.mark.parametrize(("language", "text", "total", "words"), PERPLEXITIES)
def test_perplexity_is_that_worked_out_on_paper(
    models: dict[str, str], language: str, text: str, total: float, words: int
) -> None:
    found = measured(batch_of([text], language), models=models)
    assert found["perplexity"] == [pytest.approx(10 ** (total / words), abs=1e-3)]


def test_languages_without_a_model_are_not_judged_and_texts_without_lines_have_no_perplexity(
    models: dict[str, str],
) -> None:
    texts, languages = ["boats", "boats", "boats", "", None], ["en", "de", None, "en", "zh"]
    found = measured(batch_of(texts, languages), models=models)
    assert found["judged"] == [True, False, False, True, True]
    assert [value is None for value in found["perplexity"]] == [False, True, True, True, True]
    assert found["percentile"] == found["bucket"] == [None] * 5


def test_as_it_stands_a_text_is_not_normalised(models: dict[str, str]) -> None:
    upper, lower = measured(batch_of(["BOATS CAME", "boats came"]), models=models, normalise=False)["perplexity"]
    assert lower == pytest.approx(10 ** (0.55 / 3), abs=1e-3)
    assert upper == pytest.approx(10 ** ((1.8 + 1.5 + 0.9) / 3), abs=1e-3)


# ---------------------------------------------------------------------------------------------- normal form


NORMAL = [
    ("Crème BRÛLÉE", "creme brulee"),
    ("In 1999, ٣٤ and ４", "in 0000, 00 and 0"),
    ("“a” «b» ‘c’", '"a" "b" ‘c\''),
    ("wait… – — ━ ►", "wait... -  -  - -"),
    ("你好，世界。「对」！（是）", '你好,世界."对"!(是)'),
    ("a\tb\x00c\x85d", "abcd"),
    ("a\u00a0b\u2003c\u3000d", "a b c d"),
    ("İstanbul Straße ŒUVRE", "istanbul straße œuvre"),
    ("ΟΔΟΣ", "οδοσ"),
    ("が", "か"),
    ("line one\nLine two", "line one\nline two"),
    ("", ""),
    (None, None),
]


@pytest.mark.parametrize(("text", "form"), NORMAL)
def test_normal_form(text: str | None, form: str | None) -> None:
    assert _normal.normalised(pa.array([text], pa.large_string())).to_pylist() == [form]


def plain_normal(text: str) -> str:
    """The normal form, a character at a time."""
    marks = {mark: by for characters, by in _normal.PUNCTUATION for mark in characters.strip("[]")}
    folded = unicodedata.normalize("NFD", "".join(c.lower() for c in text))
    bare = "".join(c for c in folded if unicodedata.category(c) != "Mn")
    digits = "".join("0" if unicodedata.category(c) == "Nd" else marks.get(c, c) for c in bare)
    seen = "".join(c for c in digits if c == "\n" or unicodedata.category(c) != "Cc")
    return "".join(" " if unicodedata.category(c) in {"Zs", "Zl", "Zp"} else c for c in seen)


# Letters that all versions of Unicode in use agree on.
@given(st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs", "Cn"]), max_size=40))
def test_the_normal_form_is_that_of_plain_python(text: str) -> None:
    known = "".join(c for c in text if unicodedata.category(c) != "Lm" and len(c.lower()) == 1)
    assert _normal.normalised(pa.array([known], pa.large_string())).to_pylist() == [plain_normal(known)]


def test_only_scripts_without_spaces_are_cut_by_characters() -> None:
    texts: Any = pa.array(["我爱 Linux 6 ひら", "สวัสดี", "plain 한글"], pa.large_string())
    found = [text.split() for text in _normal.by_characters(texts).to_pylist()]
    assert found == [["我", "爱", "Linux", "6", "ひ", "ら"], list("สวัสดี"), ["plain", "한글"]]


TOUGH: dict[str, str] = {
    "marks in turn": "\u0301\u0323",
    "spacing marks in turn": "\U0001d165\U0001d16d",
    "empty lines": "\n",
    "one word": "x",
    "Chinese": "清晨的港口",
    "words": "boats ",
}


@pytest.mark.parametrize("kind", TOUGH)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_eight_times_the_text_takes_no_more_than_some_eight_times_as_long(
    models: dict[str, str], language: str, kind: str
) -> None:
    """Quadratic would be 64 times; the best of some rounds, since others may use the machine."""

    def seconds(characters: int) -> float:
        text = f"a{TOUGH[kind] * (characters // len(TOUGH[kind]))}"
        began = time.process_time()
        assert measured(batch_of([text], language), models=models)["perplexity"][0] > 1
        return time.process_time() - began

    seconds(100)
    once, eight = min(seconds(10_000) for _ in range(3)), min(seconds(80_000) for _ in range(2))
    assert eight < 24 * (once + 0.001)


# ---------------------------------------------------------------------------------------------- buckets


def histogram(folder: Path, perplexities: dict[str, list[float]]) -> Path:
    sketches = [
        _percentiles.sketch_of(pa.array([code] * len(values), pa.string()), np.array(values))
        for code, values in perplexities.items()
    ]
    folder.mkdir(exist_ok=True)
    _percentiles.build(_percentiles.merge(sketches), None, folder)
    return folder


def test_a_percentile_is_the_share_of_documents_below(tmp_path: Path) -> None:
    folder = histogram(tmp_path / "made", {"en": [10, 20, 20, 40, 80], "zh": [1000.0] * 3})
    found = _percentiles.percentiles_of(np.array([1, 10, 11, 20, 40, 80, 1e9]), "en", folder)
    assert found is not None
    assert found.tolist() == [0, 0, 20, 20, 60, 80, 100]
    assert _percentiles.percentiles_of(np.array([5.0]), "de", folder) is None


@pytest.mark.parametrize(
    ("percentiles", "buckets"),
    [
        ((30, 60), ["head"] * 3 + ["middle"] * 3 + ["tail"] * 4),
        ((10, 90), ["head"] + ["middle"] * 8 + ["tail"]),
        ((0, 100), ["middle"] * 10),
        ((31, 59), ["head"] * 4 + ["middle"] * 2 + ["tail"] * 4),
        (None, [None] * 10),
    ],
)
def test_buckets_end_at_their_percentiles(
    models: dict[str, str], tmp_path: Path, percentiles: Any, buckets: list[str | None]
) -> None:
    """Ten documents of 1 to 10 unknown words each have a perplexity of their own, the longer the higher."""
    batch = batch_of([" ".join(["tide"] * n) for n in range(1, 11)])
    config = Config(models=models, percentiles=percentiles)
    assert STAGE.prepare is not None
    assert STAGE.prepare.sketch is not None
    folder = tmp_path / "made"
    folder.mkdir()
    STAGE.prepare.build(STAGE.prepare.sketch(batch, config), config, folder)
    found = process(batch, config, folder).to_pydict()
    assert found["perplexity"] == sorted(set(found["perplexity"]))
    assert found["bucket"] == buckets


def test_a_sketch_is_the_same_for_any_cuts_and_stays_small() -> None:
    values = 10 ** np.random.default_rng(5).normal(2.5, 2.5, 200_000).clip(0, 300)
    whole = _percentiles.sketch_of(pa.array(["en"] * len(values), pa.string()), values)
    parts = [
        _percentiles.sketch_of(pa.array(["en"] * len(some), pa.string()), some)
        for some in np.split(values[::-1], [1, 17, 90_000])
    ]
    assert _percentiles.merge(parts).equals(whole)
    assert whole.num_rows <= _percentiles.LAST + 1
    assert pa.compute.sum(whole["documents"]).as_py() == len(values)
    huge = _percentiles.sketch_of(pa.array(["en"] * 2, pa.string()), np.array([1e21, 1e300]))
    assert huge["bin"].to_pylist() == [_percentiles.LAST]


def test_a_percentile_is_close_to_the_exact_one(tmp_path: Path) -> None:
    values = 10 ** np.random.default_rng(5).normal(2.5, 0.3, 20_000).clip(0)
    folder = histogram(tmp_path / "made", {"en": values.tolist()})
    found = _percentiles.percentiles_of(values, "en", folder)
    assert found is not None
    exact = 100 * np.searchsorted(np.sort(values), values) / len(values)
    assert np.abs(found - exact).max() < 0.25  # a bin, 0.1% of a decade, holds no more of these


def test_a_sample_is_a_share_of_the_documents_by_id(models: dict[str, str]) -> None:
    ids = [f"{n:032x}" for n in range(2000)]
    batch = batch_of(["boats"] * 2000).append_column("id", pa.array(ids))
    assert STAGE.prepare is not None
    assert STAGE.prepare.sketch is not None
    config = Config(models=models, sample=0.25)
    sketches = [STAGE.prepare.sketch(part, config) for part in (batch, batch.slice(0, 1000), batch.slice(1000))]
    counts: list[Any] = [sketch["documents"].to_pylist()[0] for sketch in sketches]
    assert 440 < counts[0] < 560
    assert counts[1] + counts[2] == counts[0]
    assert callable(STAGE.prepare.reads)
    assert set(STAGE.prepare.reads(config)) == {"text", "language", "id"}


# ---------------------------------------------------------------------------------------------- decisions


KEPT = None
NOT, LOW, HIGH = "bucket_not_kept", "perplexity_too_low", "perplexity_too_high"


@pytest.mark.parametrize(
    ("options", "reasons"),
    [
        ({}, [KEPT] * 5),
        ({"keep": ["head", "middle"]}, [KEPT, KEPT, NOT, KEPT, KEPT]),
        ({"keep": []}, [NOT, NOT, NOT, KEPT, KEPT]),
        ({"max_perplexity": 50}, [KEPT, KEPT, HIGH, KEPT, HIGH]),
        ({"max_perplexity": 49.9}, [KEPT, HIGH, HIGH, KEPT, HIGH]),
        ({"min_perplexity": 5}, [KEPT] * 5),
        ({"min_perplexity": 5.1}, [LOW, KEPT, KEPT, KEPT, KEPT]),
        ({"keep": ["head"], "max_perplexity": 60}, [KEPT, NOT, NOT, KEPT, HIGH]),
    ],
)
def test_documents_leave_by_bucket_and_by_perplexity(options: dict[str, Any], reasons: list[str | None]) -> None:
    perplexities, buckets = [5.0, 50.0, 500.0, None, 80.0], ["head", "middle", "tail", None, None]
    columns: list[Any] = [pa.array(perplexities, pa.float64()), pa.array(buckets, pa.string())]
    batch = pa.RecordBatch.from_arrays(columns, names=["perplexity", "bucket"])
    assert decide_reasons(batch, Config(models={"en": "any"}, **options)).to_pylist() == reasons


def lines(folder: Path, count: int) -> None:
    rows = [{"text": " ".join(["tide"] * n), "language": "en"} for n in range(1, count + 1)]
    (folder / "in.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def recipe(folder: Path, models: dict[str, str], **options: Any) -> dict[str, dict[str, Any]]:
    columns = {"text": "text", "language": "language"}
    source = {"use": "read.jsonl", "paths": [str(folder / "in.jsonl")], "source": "s", "columns": columns}
    return {"docs": source, "likely": {"use": "filter.perplexity", "models": models, **options}}


def digest(run: Path) -> str:
    told: str = json.loads((run / "likely/resource.json").read_text(encoding="utf-8"))["digest"]
    return told


def test_a_run_keeps_the_buckets_asked_for_and_measures_anew_with_another_model(
    models: dict[str, str], tmp_path: Path
) -> None:
    lines(tmp_path, 10)
    bench = Workbench(tmp_path)
    done = bench.run("run", recipe(tmp_path, models, keep=["head"]))
    assert done.dropped("likely") == {NOT: 7}
    before = digest(done.folder)
    chain = recipe(tmp_path, models, keep=["head"])
    chain["docs"]["shard_bytes"] = 100
    again = bench.run("other", chain)
    assert len(again.records("likely")) > 1
    assert (again.dropped("likely"), digest(again.folder)) == ({NOT: 7}, before)
    path = Path(models["en"])
    path.write_text(path.read_text(encoding="utf-8").replace("-1.5\t<unk>", "-2.5\t<unk>"), encoding="utf-8")
    assert digest(bench.run("run", recipe(tmp_path, models, keep=["head"])).folder) != before


def test_without_percentiles_nothing_is_measured_beforehand(models: dict[str, str], tmp_path: Path) -> None:
    lines(tmp_path, 4)
    done = Workbench(tmp_path).run("run", recipe(tmp_path, models, percentiles=None, max_perplexity=10.0**1.36))
    assert (done.folder / "likely/resource/percentiles.json").read_text(encoding="utf-8") == "{}\n"
    assert done.dropped("likely") == {HIGH: 3}  # one word alone has 10 ** 1.35


# ---------------------------------------------------------------------------------------------- models


def test_a_missing_model_is_one_clear_line() -> None:
    with pytest.raises(InputError, match=r"model none\.arpa is no file"):
        STAGE.libraries_for(Config(models={"en": "none.arpa"}))


def test_pieces_without_a_model_are_refused() -> None:
    with pytest.raises(ValueError, match="de has pieces but no n-gram model"):
        Config(models={"en": "en.arpa"}, pieces={"de": "de.model"})


def test_a_binary_model_without_kenlm_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "en.bin"
    path.write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0")
    monkeypatch.setitem(sys.modules, "kenlm", None)
    with pytest.raises(InputError, match=r"pip install 'datapipe\[kenlm\]'"):
        measured(batch_of(["boats"]), models={"en": str(path)})


def test_a_binary_model_that_kenlm_cannot_read_is_one_clear_line(tmp_path: Path) -> None:
    pytest.importorskip("kenlm")
    path = tmp_path / "en.bin"
    path.write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0")
    with pytest.raises(InputError, match="kenlm cannot read"):
        measured(batch_of(["boats"]), models={"en": str(path)})


def test_kenlm_and_the_own_reader_give_the_same(models: dict[str, str]) -> None:
    pytest.importorskip("kenlm")
    texts = pa.array(["boats came\nboats", " tide \t in\r\n", "", "\n", None, "came\u3000in"], pa.large_string())
    path = Path(models["en"])
    expected, found = _models._kenlm(path, "")(texts), _models.scores_by(path)(texts)
    assert [values.tolist() for values in found] == [values.tolist() for values in expected]


def test_with_pieces_a_document_is_one_sentence_of_them(tmp_path: Path) -> None:
    """A model of pieces of one character: then a, b and the sign of a space are the words."""
    text = ["ab ba abba baab a b"] * 20
    (tmp_path / "in.txt").write_text("\n".join(text), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "in.txt"),
        model_prefix=str(tmp_path / "en"),
        model_type="char",
        vocab_size=6,
        minloglevel=2,
    )
    ngrams = "-1\t<unk>\n-9\t<s>\n-0.5\t</s>\n-0.25\ta\n-0.125\tb\n-0.75\t▁"
    (tmp_path / "en.arpa").write_text(f"\\data\\\nngram 1=6\n\n\\1-grams:\n{ngrams}\n\n\\end\\\n", encoding="utf-8")
    options = {"models": {"en": str(tmp_path / "en.arpa")}, "pieces": {"en": str(tmp_path / "en.model")}}
    # In normal form the line feed vanishes: ▁ a b b a ▁ b </s>; as it stands it is a space, and A is unknown.
    found = measured(batch_of(["Ab\nba b"]), **options)
    assert found["perplexity"] == [pytest.approx(10 ** ((2 * 0.75 + 2 * 0.25 + 3 * 0.125 + 0.5) / 8), abs=1e-3)]
    found = measured(batch_of(["Ab\nba b"]), normalise=False, **options)
    assert found["perplexity"] == [pytest.approx(10 ** ((3 * 0.75 + 1 + 0.25 + 3 * 0.125 + 0.5) / 9), abs=1e-3)]


def test_a_file_of_pieces_that_is_none_is_one_clear_line(models: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "en.model").write_text("no model", encoding="utf-8")
    with pytest.raises(InputError, match="is no sentencepiece model"):
        measured(batch_of(["boats"]), models=models, pieces={"en": str(tmp_path / "en.model")})


def test_the_columns_are_those_declared(models: dict[str, str]) -> None:
    assert process(batch_of(["boats", None]), Config(models=models), None).schema == ADDS
