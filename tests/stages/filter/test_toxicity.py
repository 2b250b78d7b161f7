"""filter.toxicity: who is judged, by which list, and which threshold a document passes; the words are mild stand-ins.

How well the models do on real data stands in tests/real/test_toxicity.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from datapipe.algo.linear import load_model
from datapipe.errors import InputError
from datapipe.schema import COLUMNS
from stages.filter.toxicity import ADDS, MODELS, STAGE, Config, decide_reasons, languages, process

HERE = Path(str(STAGE.process.__code__.co_filename)).parent
CALM = "The harbour was quiet that morning, and two boats came in with the tide."
RUDE = "You are such a stupid idiot, shut the fuck up you bitch."
HATEFUL = "Those people are filthy vermin, and all immigrants should be shot."
CHINESE = "清晨的港口很安静，两条船随潮水进港。"


def run(rows: Sequence[tuple[str | None, str | None]], **options: Any) -> pa.RecordBatch:
    texts, codes = zip(*rows, strict=True) if rows else ((), ())
    arrays = [pa.array(texts, pa.large_string()), pa.array(codes, pa.string())]
    return process(pa.RecordBatch.from_arrays(arrays, names=["text", "language"]), Config(**options), None)


@pytest.fixture
def words(tmp_path: Path) -> str:
    """Lists of three languages, and files that are none."""
    folder = tmp_path / "words"
    folder.mkdir()
    (folder / "en").write_text("grump\nsilly goose\n", encoding="utf-8")
    (folder / "zh.txt").write_text("笨蛋\n", encoding="utf-8")
    (folder / "de").write_text("# mild\nBlödian\n", encoding="utf-8")
    (folder / "LICENSE").write_text("CC-BY-4.0 grump\n", encoding="utf-8")
    return str(folder)


def test_models_judge_english_and_chinese_and_lists_their_own_languages(words: str) -> None:
    rows: list[tuple[str | None, str | None]] = [
        (CALM, "en"), (CHINESE, "zh"), (CHINESE, "zh-Hant-TW"), ("Ein Blödian", "de"), ("Un idiot", "fr"), (CALM, None),
    ]  # fmt: skip
    alone, listed = run(rows), run(rows, words=words)
    assert alone["judged"].to_pylist() == [True, True, True, False, False, False]
    assert listed["judged"].to_pylist() == [True, True, True, True, False, False]
    assert alone["listed_words"].null_count == 6
    assert listed["listed_words"].to_pylist() == [0, 0, 0, 1, None, None]
    for name in ("toxicity", "worst_passage"):
        assert listed[name].is_valid().to_pylist() == [True, True, True, False, False, False]
    assert listed["hate"].is_valid().to_pylist() == [True] + [False] * 5  # the Chinese data tell no categories
    assert languages(Config()) == ("en", "zh")
    assert languages(Config(words=words)) == ("de", "en", "zh")


def test_what_insults_or_hates_scores_higher_than_what_does_not() -> None:
    calm, rude, hateful, mixed, empty = run(
        [(CALM, "en"), (RUDE, "en"), (HATEFUL, "en"), (f"{CALM} " * 40 + RUDE * 6, "en"), (None, "en")]
    ).to_pylist()
    assert (calm["toxicity"] < 0.2, rude["toxicity"] > 0.8) == (True, True)
    assert (calm["hate"] < 0.1, hateful["hate"] > 0.5) == (True, True)
    assert (mixed["toxicity"] < 0.3, mixed["worst_passage"] > 0.8) == (True, True)
    assert (empty["toxicity"], empty["hate"], empty["worst_passage"]) == (0, 0, 0)


def talk(*contents: str | None) -> list[dict[str, Any]]:
    return [{"role": ("user", "assistant")[at % 2], "content": said} for at, said in enumerate(contents)]


def run_talks(rows: Sequence[tuple[str | None, Any, str | None]], **options: Any) -> pa.RecordBatch:
    texts, talks, codes = zip(*rows, strict=True)
    arrays = [
        pa.array(texts, pa.large_string()), pa.array(talks, COLUMNS["messages"]), pa.array(codes, pa.string()),
    ]  # fmt: skip
    return process(pa.RecordBatch.from_arrays(arrays, names=["text", "messages", "language"]), Config(**options), None)


def test_a_conversation_is_judged_by_its_messages(words: str) -> None:
    """Each message as a text by itself: means by bytes, the worst of all, words summed; unsaid ones count for none."""
    grump = f"{CALM} A grump, a grump."
    alone = run([(grump, "en"), (RUDE, "en"), (CALM, "en")], words=words).to_pylist()
    sizes = [len(text) for text in (grump, RUDE, CALM)]
    whole = run_talks(
        [(None, talk(grump, RUDE, None, CALM), "en"), (CALM, None, "en"), (None, [], "en"), (None, talk("x"), "fr")],
        words=words,
    ).to_pylist()
    for name in ("toxicity", "hate"):
        mean = sum(one[name] * size for one, size in zip(alone, sizes, strict=True)) / sum(sizes)
        assert whole[0][name] == pytest.approx(mean, abs=2e-4)
    assert whole[0]["toxicity"] > alone[2]["toxicity"]  # were messages passed over, it would be 0
    assert whole[0]["worst_passage"] == max(one["worst_passage"] for one in alone)
    assert [one["listed_words"] for one in whole] == [2, 0, 0, None]
    assert whole[1] == alone[2]
    assert (whole[2]["judged"], whole[2]["toxicity"], whole[3]["judged"]) == (True, 0, False)


def test_conversations_among_pages_change_nothing_of_the_pages(words: str) -> None:
    pages = [(RUDE, "en"), (None, "en"), ("你这个笨蛋", "zh"), ("Ein Blödian", "de")]
    mixed = [(None, talk(CALM, HATEFUL), "zh"), *((text, None, code) for text, code in pages), (CALM, talk(RUDE), "en")]
    found = run_talks(mixed, words=words)
    assert found.slice(1, 4).equals(run(pages, words=words))
    assert found.slice(5, 1).equals(run([(RUDE, "en")], words=words))  # what is said counts, not the text beside it


@pytest.mark.parametrize(
    ("text", "language", "plain", "undone"),
    [
        ("A grump and a silly goose.", "en", 2, 2),
        ("grumpy", "en", 0, 0),
        ("A g-r-u-m-p, a GRUUUMP and a gr\u200bump.", "en", 0, 3),
        ("5illy g00se", "en", 0, 1),
        ("你这个笨蛋", "zh", 1, 1),
        ("笨\u200b蛋", "zh", 0, 1),
        ("silly goose", "zh", 0, 0),
    ],
)
def test_listed_words_are_counted(words: str, text: str, language: str, plain: int, undone: int) -> None:
    assert run([(text, language)], words=words)["listed_words"].to_pylist() == [plain]
    assert run([(text, language)], words=words, obfuscation=True)["listed_words"].to_pylist() == [undone]


@pytest.mark.parametrize(
    ("numbers", "options", "reason"),
    [
        ((0.5, 0.13, 1.0, 0), {}, None),  # at the thresholds
        ((0.501, 0.13, 1.0, 0), {}, "toxic"),
        ((0.501, 0.131, 1.0, 1), {}, "hateful"),
        ((0.0, 0.0, 0.0, 1), {}, "listed_words"),
        ((0.0, 0.0, 0.0, 1), {"max_words": 1}, None),
        ((0.0, 0.0, 0.0, 9), {"max_words": None}, None),
        ((0.1, 0.0, 0.91, 0), {"max_passage": 0.9}, "toxic_passage"),
        ((0.1, 0.0, 0.9, 0), {"max_passage": 0.9}, None),
        ((0.9, 0.9, 1.0, 0), {"max_toxicity": None, "max_hate": None}, None),
        ((None, None, None, None), {"max_passage": 0.0}, None),
    ],
)
def test_a_document_leaves_past_a_threshold(
    numbers: tuple[Any, ...], options: dict[str, Any], reason: str | None
) -> None:
    toxicity, hate, passage, count = numbers
    kinds = dict(zip(ADDS.names, ADDS.types, strict=True))
    values = {"judged": True, "toxicity": toxicity, "hate": hate, "worst_passage": passage, "listed_words": count}
    arrays = [pa.array([value], kinds[name]) for name, value in values.items()]
    measured = pa.RecordBatch.from_arrays(arrays, names=list(values))
    assert decide_reasons(measured, Config(**options)).to_pylist() == [reason]


def test_what_the_lists_say_is_in_the_fingerprint_and_not_where_they_lie(words: str, tmp_path: Path) -> None:
    before = STAGE.libraries_for(Config(words=words))
    moved = Path(words).rename(tmp_path / "elsewhere")
    assert STAGE.libraries_for(Config(words=str(moved))) == before
    (moved / "en").write_text("grump\n", encoding="utf-8")
    assert STAGE.libraries_for(Config(words=str(moved))) != before
    assert [name for name in before if name.startswith(("en=", "zh="))] == list(STAGE.libraries_for(Config())[1:])


def test_a_folder_without_lists_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("nothing\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds no list of words; name its files by language"):
        STAGE.libraries_for(Config(words=str(tmp_path)))


def test_the_models_are_small_and_their_cards_say_what_they_are() -> None:
    assert sum((HERE / f"{code}.npz").stat().st_size for code in MODELS) < 2_000_000
    for code in MODELS:
        record = load_model(HERE / f"{code}.npz").record
        card = (HERE / f"{code}.md").read_text(encoding="utf-8")
        assert record["licence"] in card
        assert f"{record['held_out']['documents']:,} documents: accuracy" in card
