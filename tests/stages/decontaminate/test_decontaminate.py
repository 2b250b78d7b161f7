"""What stands in a document, by hand-made items in English and Chinese; what is cut; conversations; odd input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.contract import check_stage
from datapipe.errors import InputError
from datapipe.schema import COLUMNS
from stages.decontaminate import STAGE, Config

QUESTION = (
    "A cartographer measures the lagoon beside Ravenscourt with a knotted rope; how many fathoms does she record?"
)
OPTIONS = ["seventeen fathoms", "forty-one fathoms", "ninety-three fathoms", "no fathoms whatsoever"]
SOLVED = "Tobias stacks 1,250 copper kettles on 25 crooked shelves. How many kettles does each shelf bear?"
SOLUTION = (
    "Divide the kettles evenly among the shelves: 1250 kettles over 25 shelves gives 50 kettles for each shelf. "
    "Checking backwards, fifty kettles times twenty-five shelves restores the original copper hoard, so nothing was "
    "dropped, dented or borrowed by the neighbouring tinker during the arithmetic."
)
CHINESE = "如果一个蓄水池每小时注入三十立方米的水，同时漏掉七立方米，那么装满四百六十立方米的水池需要多少小时？"
SHORT = "Kangaroos eat what?"
KITCHEN = "Where would a careful cook keep a whetstone when nobody needs it?"
ROOMS = ["drawer", "oven", "windowsill"]
PASSAGE = (
    "The Brackwater lighthouse was raised on a reef of basalt between 1832 and 1841 by masons from three parishes. Its "
    "lantern burned whale oil until the harbour board laid a gas main over the causeway, which the winter storms tore "
    "up twice before the engineers gave the lamp an electric dynamo of its own."
)
ABOUT = "did the lamp of the Brackwater lighthouse ever burn gas"
ITEMS: list[dict[str, Any]] = [
    {"input": QUESTION, "options": OPTIONS},
    {"input": SOLVED, "output": SOLUTION},
    {"input": CHINESE},
    {"input": SHORT, "options": ["grass and shrubs", "polished granite"]},
    {"input": KITCHEN, "options": ROOMS},
    {"input": ABOUT, "context": PASSAGE},
]
BEFORE = "The regional museum opens at nine. Its garden has old pear trees and a bench under each of them."
AFTER = "Visitors may leave coats with the porter. On Mondays the house stays closed, except in August."
FILLER = ["Bread is baked twice a day here.", "The bus leaves from the other side.", "It rained for most of that week."]


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("items") / "riddles.jsonl"
    path.write_text("\n".join(json.dumps(item) for item in ITEMS) + "\n", encoding="utf-8")
    return path


class Trial:
    """The stage with an index of its own."""

    def __init__(self, benchmark: Path, folder: Path, **values: Any) -> None:
        self.config = Config(benchmarks=(str(benchmark),), **values)
        self.folder = folder
        assert STAGE.prepare is not None
        STAGE.prepare.build(self.config, folder)

    def measured(
        self, texts: list[str | None], messages: list[Any] | None = None, urls: list[str | None] | None = None
    ) -> pa.RecordBatch:
        nothing = [None] * len(texts)
        arrays: list[Any] = [
            pa.array(texts, COLUMNS["text"]),
            pa.array(messages or nothing, COLUMNS["messages"]),
            pa.array(urls or nothing, COLUMNS["url"]),
        ]
        batch = pa.RecordBatch.from_arrays(arrays, names=["text", "messages", "url"])
        return STAGE.process(batch, self.config, self.folder)

    def reasons(self, *texts: str | None) -> list[str | None]:
        found = self.measured(list(texts))
        assert STAGE.decide is not None
        return STAGE.decide(found.select(STAGE.decides_for(self.config)), self.config).to_pylist()


@pytest.fixture(scope="module")
def dropping(benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial(benchmark, tmp_path_factory.mktemp("drop"))


@pytest.fixture(scope="module")
def cutting(benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial(benchmark, tmp_path_factory.mktemp("cut"), action="cut", min_left=None)


def listed(batch: pa.RecordBatch, name: str) -> list[Any]:
    array: Any = batch[name]
    return array.to_pylist()


def amid(text: str) -> str:
    return f"{BEFORE} {text} {AFTER}"


def talk(*turns: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content, "train": True, "weight": 1.0} for role, content in turns]


HALF = " ".join(QUESTION.split()[:6])
CASES: list[tuple[str, str, str | None]] = [
    ("nothing of an item", "Nothing here is asked.", None),
    ("the question", QUESTION, "holds_input"),
    (
        "the question, other marks",
        QUESTION.replace(";", " --").replace("?", " ??").replace(" ", "\u00a0"),
        "holds_input",
    ),
    ("the question in capitals", QUESTION.upper(), "holds_input"),
    ("accents and width", QUESTION.replace("measures", "méasures").replace("rope", "ｒｏｐｅ"), "holds_input"),
    ("with options", f"{QUESTION} {' '.join(OPTIONS)}", "holds_input_output"),
    (
        "options in another order",
        f"{QUESTION}\nA. {OPTIONS[2]}\nB. {OPTIONS[0]}\nC. {OPTIONS[3]}",
        "holds_input_output",
    ),
    ("options without the question", " ".join(OPTIONS), None),
    ("a third of the question", HALF, None),
    ("the question backwards", " ".join(reversed(QUESTION.split())), None),
    ("a number written otherwise", SOLVED.replace("1,250", "1250"), "holds_input"),
    ("question and solution", f"{SOLVED} {SOLUTION}", "holds_input_output"),
    ("the solution alone", SOLUTION, "holds_output"),
    ("Chinese", CHINESE, "holds_input"),
    (
        "Chinese, other marks and spaces",
        CHINESE.replace("，", " ").replace("？", "").replace("水", "水 "),
        "holds_input",
    ),
    ("half of the Chinese", CHINESE[: len(CHINESE) // 3], None),
    ("traditional characters", CHINESE.replace("个", "個").replace("时", "時").replace("满", "滿"), "holds_input"),
    ("options of a word each", f"{KITCHEN} {' '.join(ROOMS)}", "holds_input_output"),
    ("options of a word each, before", f"{' '.join(ROOMS)} {KITCHEN}", "holds_input"),
    (
        "one word in nine changed",
        QUESTION.replace("lagoon", "bay").replace("knotted", "long"),
        "holds_input",
    ),
    ("half a question beside its passage", f"{PASSAGE} {ABOUT.replace('Brackwater', 'old')}", "holds_input"),
    ("half a question alone", ABOUT.replace("Brackwater", "old"), None),
    ("the passage alone", PASSAGE, None),
    ("too short by itself", SHORT, None),
    ("short, with its options", f"{SHORT} a) grass and shrubs b) polished granite", "holds_input_output"),
]


@pytest.mark.parametrize(("what", "text", "reason"), CASES, ids=[what for what, _, _ in CASES])
def test_a_document_leaves_by_what_it_holds(dropping: Trial, what: str, text: str, reason: str | None) -> None:
    assert dropping.reasons(amid(text)) == [reason]


def test_a_question_of_several_sentences_may_be_diluted(dropping: Trial) -> None:
    first, second = SOLVED.split(". ")
    assert dropping.reasons(amid(f"{first}. {FILLER[0]} {FILLER[1]} {second}")) == ["holds_input"]


def test_a_question_of_one_sentence_may_not(dropping: Trial) -> None:
    words = QUESTION.split()
    assert dropping.reasons(" ".join([*words[:6], *FILLER, *words[6:12], *FILLER, *words[12:]])) == [None]


def test_evidence_says_what_and_where(dropping: Trial) -> None:
    text = f"Où ? {CHINESE} {BEFORE}"
    (found,) = listed(dropping.measured([text]), "evidence")
    assert [(one["benchmark"], one["item"], one["kind"], one["message"]) for one in found] == [
        ("riddles", 2, "input", None)
    ]
    told = text.encode()[found[0]["start"] : found[0]["end"]].decode()
    assert told == CHINESE.rstrip("？")
    assert found[0]["score"] == 1


def test_a_conversation_is_looked_at_message_by_message(dropping: Trial) -> None:
    said = [talk(("user", SOLVED), ("assistant", SOLUTION)), talk(("user", "Hello."), ("assistant", QUESTION)), talk()]
    found = dropping.measured([None] * 3, said)
    evidence = [[(one["kind"], one["message"]) for one in row] for row in listed(found, "evidence")]
    assert evidence == [[("input", 0), ("output", 1)], [("input", 1)], []]
    assert [value > 1 for value in listed(found, "input_output")] == [True, False, False]


def test_limits_are_changed_without_measuring_again(dropping: Trial) -> None:
    found = dropping.measured([amid(QUESTION)])
    strength = found["input"][0].as_py()
    assert STAGE.decide is not None
    for limit, reason in ((strength + 0.1, None), (strength - 0.1, "holds_input"), (None, None)):
        config = dropping.config.model_copy(update={"max_input": limit})
        assert STAGE.decide(found, config).to_pylist() == [reason]


def test_marking_drops_nothing(benchmark: Path, tmp_path: Path) -> None:
    assert Trial(benchmark, tmp_path, action="mark").reasons(amid(QUESTION)) == [None]


# ---------------------------------------------------------------------------------------------- hosts

URLS = [
    "https://en.wikipedia.org/wiki/Reef",
    "https://wikipedia.org.example.com/",
    "http://Riddles.Example/1",
    "https://www.riddles.example/2",
    "https://notriddles.example/",
    None,
]


@pytest.mark.parametrize("action", ["drop", "cut", "mark"])
def test_documents_from_hosts_of_a_benchmark_leave_by_themselves(tmp_path: Path, action: str) -> None:
    entry = {"input": "input", "hosts": ["wikipedia.org", "riddles.example"]}
    index = tmp_path / "index"
    index.mkdir()
    (tmp_path / "riddles.jsonl").write_text(json.dumps({"input": QUESTION}), encoding="utf-8")
    described = tmp_path / "all.yaml"
    described.write_text(json.dumps({"riddles": entry}), encoding="utf-8")  # which is YAML too
    trial = Trial(described, index, data=str(tmp_path), action=action)
    found = trial.measured([FILLER[0]] * len(URLS), urls=URLS)
    theirs = [True, False, True, True, False, False]
    assert listed(found, "publisher") == ["riddles" if one else None for one in theirs]
    assert STAGE.decide is not None
    decided = found.select(STAGE.decides_for(trial.config))
    leaving = [one and action != "mark" for one in theirs]
    assert STAGE.decide(decided, trial.config).to_pylist() == ["from_publisher" if one else None for one in leaving]
    kept = trial.config.model_copy(update={"drop_publishers": False})
    assert STAGE.decide(decided, kept).null_count == len(URLS)


# ---------------------------------------------------------------------------------------------- cutting


def test_sentences_that_hold_an_item_are_cut(cutting: Trial) -> None:
    found = cutting.measured([amid(f"So: {QUESTION}"), BEFORE])
    assert listed(found, "text") == [f"{BEFORE}  {AFTER}", BEFORE]
    assert listed(found, "words_left") == [len(f"{BEFORE} {AFTER}".split()), None]


def test_every_copy_is_cut(cutting: Trial) -> None:
    (text,) = listed(cutting.measured([amid(f"{QUESTION} {FILLER[0]} {QUESTION} {FILLER[1]} {QUESTION}")]), "text")
    assert "cartographer" not in text
    assert FILLER[0] in text and FILLER[1] in text  # noqa: PT018
    assert cutting.reasons(" ".join([QUESTION] * 40)) == ["items_left"]


def test_messages_are_cut_in_their_places(cutting: Trial) -> None:
    found = cutting.measured([None], [talk(("user", f"{SOLVED} Thanks."), ("assistant", "Fifty."))])
    assert [one["content"] for one in listed(found, "messages")[0]] == [" Thanks.", "Fifty."]
    assert listed(found, "text") == [None]


def test_a_document_of_which_little_is_left_leaves(benchmark: Path, tmp_path: Path) -> None:
    trial = Trial(benchmark, tmp_path, action="cut", min_left=20)
    assert trial.reasons(f"{QUESTION} {FILLER[0]}", amid(QUESTION), FILLER[0]) == ["too_little_left", None, None]


# ---------------------------------------------------------------------------------------------- invariants

PARTS = [
    QUESTION,
    *OPTIONS,
    SOLVED,
    SOLUTION,
    CHINESE,
    SHORT,
    BEFORE,
    AFTER,
    *FILLER,
    "é漢\U00020000",
    "\n",
    "？！",
    HALF,
]
TEXTS = st.lists(st.lists(st.sampled_from(PARTS) | st.text(max_size=20), max_size=6).map(" ".join), max_size=6)


@settings(max_examples=60)
@given(texts=TEXTS, at=st.integers(0, 6))
def test_an_answer_depends_on_the_document_alone(cutting: Trial, texts: list[str], at: int) -> None:
    whole = cutting.measured(list(texts)).to_pylist()
    assert cutting.measured(list(texts[:at])).to_pylist() + cutting.measured(list(texts[at:])).to_pylist() == whole


@settings(max_examples=60)
@given(texts=TEXTS)
def test_what_is_left_is_utf_8_of_the_text_and_holds_no_item(cutting: Trial, texts: list[str]) -> None:
    found = cutting.measured(list(texts))
    found["text"].validate(full=True)
    for text, row in zip(texts, found.to_pylist(), strict=True):
        rest = iter(text)
        assert all(character in rest for character in row["text"])
        for one in row["evidence"]:
            text.encode()[one["start"] : one["end"]].decode()
    again = cutting.measured(listed(found, "text"))
    for left, cut_again in zip(listed(found, "items_left"), listed(again, "words_left"), strict=True):
        assert cut_again is None or left > 0


# ---------------------------------------------------------------------------------------------- gpt3


@pytest.fixture(scope="module")
def gpt3(benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial(benchmark, tmp_path_factory.mktemp("gpt3"), like="gpt3", action="cut", min_left=1)


THIRTEEN = " ".join(QUESTION.split()[:13])


@pytest.mark.parametrize(
    ("text", "left", "pieces"),
    [
        ("x" * 500 + f" {' '.join(QUESTION.split()[:12])} " + "y" * 500, None, None),
        ("x" * 500 + f" {THIRTEEN} " + "y" * 500, "x" * 301 + "\n\n" + "y" * 301, 2),
        ("x" * 398 + f" {THIRTEEN.upper()} " + "y" * 500, "y" * 301, 1),
        ("漢" * 500 + f" {THIRTEEN}! " + "y" * 500, "漢" * 301 + "\n\n" + "y" * 302, 2),
        (THIRTEEN, "", 0),
    ],
    ids=["12 words", "13 words", "a piece too short", "characters, not bytes", "nothing left"],
)
def test_gpt3_cuts_200_characters_around_13_words(gpt3: Trial, text: str, left: str | None, pieces: int | None) -> None:
    found = gpt3.measured([text])
    assert listed(found, "text") == [text if left is None else left]
    assert listed(found, "pieces") == [pieces]
    assert gpt3.reasons(text) == ["too_little_left" if left == "" else None]


def test_gpt3_drops_what_is_cut_into_more_than_ten_pieces(gpt3: Trial) -> None:
    ten = f" {THIRTEEN} ".join(["z" * 700] * 10)
    assert gpt3.reasons(ten, f"{ten} {THIRTEEN} {'z' * 700}") == [None, "too_many_pieces"]


def test_gpt3_keeps_the_contract(benchmark: Path) -> None:
    config = Config(benchmarks=(str(benchmark),), like="gpt3", action="cut")
    assert [str(finding) for finding in check_stage(STAGE, config=config)] == []


def test_gpt3_asks_for_cuts() -> None:
    with pytest.raises(ValueError, match="action: cut"):
        Config(benchmarks=("x.jsonl",), like="gpt3")


# ---------------------------------------------------------------------------------------------- odd input


def test_a_long_text_of_items_is_looked_at_in_blocks(dropping: Trial) -> None:
    far = " ".join(FILLER * 5_000)
    found = dropping.measured([f"{far} {QUESTION} {far} {CHINESE}"])
    assert [one["item"] for one in listed(found, "evidence")[0]] == [0, 2]


@pytest.mark.parametrize("config", [{"fields": {"question": "input"}}, {"names": ("riddle",)}], ids=str)
def test_a_mistake_in_the_config_is_one_line(benchmark: Path, config: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        STAGE.libraries_for(Config(benchmarks=(str(benchmark),), **config))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [12345, {"a": "b"}, ["x"], "short"])
def test_a_benchmark_without_words_to_look_for_is_told_in_one_line(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps({"input": value}) + "\n", encoding="utf-8")
    assert STAGE.prepare is not None
    (tmp_path / "index").mkdir()
    with pytest.raises(InputError, match=r"no item of the benchmarks has enough words|has no items|has no text"):
        STAGE.prepare.build(Config(benchmarks=(str(path),)), tmp_path / "index")
