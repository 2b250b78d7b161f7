"""filter.classifier: each engine's labels and scores, what is kept and dropped, and what cannot be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
from onnx import TensorProto, helper, numpy_helper
from pydantic import ValidationError

from datapipe.algo.models import digest_of
from datapipe.errors import InputError
from stages.filter.classifier import ADDS, STAGE, Config, decide_reasons, process
from tests.stages.filter.models import BAD, ENGINES, GOOD, fasttext, linear, onnx_model, tiny

SILENT = [None, "", " \n", "...!", "\U0001f600"]


def run(texts: list[str | None], **options: Any) -> pa.RecordBatch:
    batch = pa.RecordBatch.from_arrays([pa.array(texts, pa.large_string())], names=["text"])
    return process(batch, Config(**options), None)


def measured(scores: list[list[tuple[str, float]] | None]) -> pa.RecordBatch:
    rows = [None if row is None else [{"label": label, "score": score} for label, score in row] for row in scores]
    return pa.RecordBatch.from_arrays([pa.array(rows, ADDS.field("scores").type)], names=["scores"])


def with_logits(path: Path, logits: list[list[float]], labels: int = 2) -> Path:
    """The model with other logits for its tokens, and a shape that says so many labels."""
    model = onnx.load(str(path))
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array(logits, np.float32), "table"))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", labels]))
    onnx.save(model, str(path))
    return path


SCORES: list[list[tuple[str, float]] | None] = [
    [("good", 0.75), ("spam", 0.25)],
    [("spam", 0.5), ("good", 0.5)],
    [("spam", 1.0), ("good", 0.0)],
    [],
    None,
]
KEPT, NOT, GONE = None, "label_not_kept", "label_dropped"


@pytest.mark.parametrize(
    ("options", "reasons"),
    [
        ({}, [KEPT] * 5),
        ({"keep": {"good": 0.5}}, [KEPT, KEPT, NOT, NOT, NOT]),
        ({"keep": {"good": 0.51}}, [KEPT, NOT, NOT, NOT, NOT]),
        ({"keep": {"good": 0.6, "spam": 1}}, [KEPT, NOT, KEPT, NOT, NOT]),
        ({"drop": {"spam": 0.5}}, [KEPT, GONE, GONE, KEPT, KEPT]),
        ({"drop": {"spam": 0.51}}, [KEPT, KEPT, GONE, KEPT, KEPT]),
        ({"keep": {"good": 0.5}, "drop": {"spam": 0.5}}, [KEPT, GONE, NOT, NOT, NOT]),
    ],
)
def test_labels_are_kept_and_dropped_from_a_score_on(options: dict[str, Any], reasons: list[str | None]) -> None:
    assert decide_reasons(measured(SCORES), Config(model="any", **options)).to_pylist() == reasons


@pytest.mark.parametrize("engine", ENGINES)
def test_texts_that_say_nothing_get_no_label(engine: Any, tmp_path: Path) -> None:
    model = str(ENGINES[engine](tmp_path))
    found = run([*SILENT, "a quiet day", *SILENT], engine=engine, model=model)
    assert found["label"].is_valid().to_pylist() == [False] * 5 + [True] + [False] * 5
    assert found["score"].null_count == found["scores"].null_count == 10
    assert run([], engine=engine, model=model).schema == ADDS


def test_linear_tells_the_models_probabilities(tmp_path: Path) -> None:
    model = str(linear(tmp_path))
    found = run([GOOD, None, BAD], model=model)
    assert found["label"].to_pylist() == ["good", None, "spam"]
    expected = tiny().probabilities(pa.array([GOOD, BAD])).mean.max(axis=1)
    assert found["score"].drop_null().to_pylist() == pytest.approx(expected.tolist(), abs=5e-5)
    sums = [sum(one["score"] for one in row) for row in found["scores"].to_pylist() if row]
    assert sums == pytest.approx([1, 1], abs=1e-3)
    assert [len(row or ()) for row in run([GOOD], model=model, top=1)["scores"].to_pylist()] == [1]


def test_linear_takes_the_mean_of_passages_or_the_highest(tmp_path: Path) -> None:
    model, text = str(linear(tmp_path)), f"{GOOD}. " * 20 + f"{BAD}. " * 5
    mean, highest = (
        {one["label"]: one["score"] for one in run([text], model=model, passages=how)["scores"][0].as_py()}
        for how in ("mean", "highest")
    )
    assert mean["spam"] < 0.5 < highest["spam"]
    assert highest["good"] > mean["good"]


def test_fasttext_tells_the_models_labels(tmp_path: Path) -> None:
    found = run(
        ["The harbour was quiet.\nTwo boats came in.", "Le port était calme ce matin."],
        engine="fasttext",
        model=str(fasttext(tmp_path)),
        top=2,
    )
    assert found["label"].to_pylist() == ["en", "fr"]
    rows: list[Any] = found["scores"].to_pylist()
    assert [(len(row), row[0]["score"] >= row[1]["score"]) for row in rows] == [(2, True)] * 2


@pytest.mark.parametrize(
    ("text", "good", "spam"),
    [
        ("quiet", 2.0, 0.0),
        ("quiet boats", 1.5, 0.0),
        ("casino casino bonus", 0.0, 7 / 3),
        ("quiet casino", 1.0, 1.5),
        ("quiet " * 40, 2.0, 0.0),  # of another width than the others
    ],
)
def test_onnx_gives_the_softmax_of_the_logits(tmp_path: Path, text: str, good: float, spam: float) -> None:
    model = str(onnx_model(tmp_path))
    others = ["boats", "casino bonus", "casino " * 20]
    found = run([*others, text], engine="onnx", model=model)["scores"][3].as_py()
    total = np.exp(good) + np.exp(spam)
    assert {one["label"]: one["score"] for one in found} == pytest.approx(
        {"good": np.exp(good) / total, "spam": np.exp(spam) / total}, abs=1e-4
    )


def test_onnx_gives_each_label_its_own_score_where_a_text_may_have_several(tmp_path: Path) -> None:
    model = str(onnx_model(tmp_path, problem="multi_label_classification"))
    found = run(["quiet casino"], engine="onnx", model=model)["scores"][0].as_py()
    expected = {"good": 1 / (1 + np.exp(-1.0)), "spam": 1 / (1 + np.exp(-1.5))}
    assert {one["label"]: one["score"] for one in found} == pytest.approx(expected, abs=1e-4)


def test_onnx_reads_no_more_tokens_than_it_is_told(tmp_path: Path) -> None:
    model = str(onnx_model(tmp_path))
    whole, start = (
        run(["quiet " * 8 + "casino " * 60], engine="onnx", model=model, max_tokens=most)["label"][0].as_py()
        for most in (512, 8)
    )
    assert (whole, start) == ("spam", "good")


# ---------------------------------------------------------------------------------------------- models


@pytest.mark.parametrize("engine", ENGINES)
def test_the_bytes_of_the_model_are_in_the_fingerprint(engine: Any, tmp_path: Path) -> None:
    path = ENGINES[engine](tmp_path)
    libraries = STAGE.libraries_for(Config(engine=engine, model=str(path)))
    assert f"model={digest_of(path)}" in libraries
    if engine == "onnx":
        before = libraries
        (tmp_path / "config.json").write_text('{"id2label": {"0": "fine", "1": "spam"}}', encoding="utf-8")
        assert STAGE.libraries_for(Config(engine=engine, model=str(path))) != before


@pytest.mark.parametrize("engine", ENGINES)
def test_a_model_that_is_not_there_or_is_none_is_told_in_one_line(engine: Any, tmp_path: Path) -> None:
    path = tmp_path / "other.bin"
    config = Config(engine=engine, model=str(path))
    with pytest.raises(InputError, match=r"other\.bin is no file; name a model"):
        STAGE.libraries_for(config)
    path.write_bytes(b"neither of them " * 10)
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"other\.bin") as told:
        run([GOOD], engine=engine, model=str(path))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("engine", ["linear", "onnx"])
def test_a_label_that_the_model_has_not_is_told_before_a_run(engine: Any, tmp_path: Path) -> None:
    config = Config(engine=engine, model=str(ENGINES[engine](tmp_path)), drop={"spamm": 0.9})
    with pytest.raises(InputError, match="the model has no label 'spamm'; it has good, spam"):
        STAGE.libraries_for(config)


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("__label__en", "it has en"),  # as the training file of fastText has it
        ("english", "it has "),
    ],
)
def test_a_label_that_a_fasttext_model_has_not_is_told_with_the_nearest(label: str, told: str, tmp_path: Path) -> None:
    config = Config(engine="fasttext", model=str(fasttext(tmp_path)), keep={label: 0.5})
    with pytest.raises(InputError, match=f"the model has no label '{label}'; {told}") as error:
        STAGE.libraries_for(config)
    assert len(str(error.value)) < 200  # of its 176 labels few are named
    assert STAGE.libraries_for(config.model_copy(update={"keep": {"en": 0.5}}))


@pytest.mark.parametrize(
    ("made", "engine", "told"),
    [
        (fasttext, "linear", r"files named \*\.ftz are for engine: fasttext"),
        (linear, "fasttext", r"files named \*\.npz are for engine: linear"),
        (onnx_model, "linear", r"files named \*\.onnx are for engine: onnx"),
    ],
)
def test_a_model_of_another_engine_is_told_with_the_engine_it_is_for(
    made: Any, engine: Any, told: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=told):
        STAGE.libraries_for(Config(engine=engine, model=str(made(tmp_path)), keep={"good": 0.5}))


def test_no_label_to_keep_is_no_config() -> None:
    """It would drop every document; off is null."""
    with pytest.raises(ValidationError, match="at least 1 item"):
        Config(model="any", keep={})


def test_onnx_needs_the_tokenizer(tmp_path: Path) -> None:
    model = onnx_model(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"no tokenizer\.json beside"):
        STAGE.libraries_for(Config(engine="onnx", model=str(model)))


@pytest.mark.parametrize(
    ("logits", "label"),
    [
        ([[0.0, 0.0], [2.0, 0.0]], "no classifier of texts"),  # of fewer tokens than the tokenizer has
        ([[0.0, 0.0, 0.0]] * 5, "no classifier of texts"),  # config and shape say two labels
        ([[0.0]] * 5, "no classifier of texts"),
    ],
)
def test_an_onnx_model_that_does_not_fit_its_tokenizer_or_itself_is_told_before_a_run(
    tmp_path: Path, logits: list[list[float]], label: str
) -> None:
    model = with_logits(onnx_model(tmp_path), logits)
    with pytest.raises(InputError, match=label):
        STAGE.libraries_for(Config(engine="onnx", model=str(model)))


def test_an_onnx_model_of_one_label_must_say_that_texts_may_lack_it(tmp_path: Path) -> None:
    model = with_logits(onnx_model(tmp_path), [[0.0]] * 5, labels=1)
    with pytest.raises(InputError, match="has one label, which every text would have"):
        STAGE.libraries_for(Config(engine="onnx", model=str(model)))
    (tmp_path / "config.json").write_text('{"problem_type": "multi_label_classification"}', encoding="utf-8")
    assert run(["quiet"], engine="onnx", model=str(model))["score"].to_pylist() == [0.5]


def test_a_text_for_which_a_model_gives_no_numbers_gets_no_label(tmp_path: Path) -> None:
    """`casino` has weights that are no numbers, `boats` infinite ones; of other texts the scores stay."""
    logits = [[0.0, 0.0], [2.0, 0.0], [np.nan, 0.0], [np.inf, 0.0], [0.0, 0.0]]
    model = with_logits(onnx_model(tmp_path), logits)
    found = run(["quiet", "casino", "boats", None], engine="onnx", model=str(model), keep={"good": 0.1})
    assert found["label"].to_pylist() == ["good", None, None, None]
    assert found["scores"].is_valid().to_pylist() == [True, False, False, False]


WITHOUT = """
import sys
from pathlib import Path
sys.modules["{module}"] = None  # as if it were not installed
from datapipe.errors import InputError
from stages.filter.classifier import Config, _{engine}
try:
    _{engine}.judge(Path(sys.argv[1]), Config(engine="{engine}", model=sys.argv[1]))
except InputError as error:
    print(error)
print("torch" in sys.modules)
"""


@pytest.mark.parametrize(("engine", "module"), [("fasttext", "fasttext"), ("onnx", "onnxruntime")])
def test_without_the_extra_one_line_names_it(engine: str, module: str, tmp_path: Path) -> None:
    script = WITHOUT.format(engine=engine, module=module)
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", script, str(ENGINES[engine](tmp_path))]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    says = f"filter.classifier: the engine {engine} is not installed; pip install 'datapipe[{engine}]'"
    assert done.stdout.splitlines() == [says, "False"]
