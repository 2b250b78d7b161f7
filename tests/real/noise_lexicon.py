"""Makes `stages/mark/machine_text/lexicon.npz`, and says how well it tells noise from texts by people.

    DATAPIPE_REAL_DATA=FOLDER python -m tests.real.noise_lexicon DICTIONARY [--write]

DICTIONARY is jieba 0.42.1's `dict.txt` (MIT). Of its words, and of half of the real texts, only hashes of words and
pairs go into two Bloom filters. Texts are parted by hash: one half makes the lexicon, a quarter the weights and the
threshold, and the last quarter is what `test_machine.py` measures on.
"""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from datapipe.text import forget
from stages.mark.machine_text import _noise as noise
from tests.real.machine import han_errors, human, latin_errors, real_data_folder, rows

RATES = (0.05, 0.1, 0.15)
BYTES = {"words": 1 << 15, "pairs": 1 << 18}
LEAST = 2  # times that a word or pair must stand in the texts
STEPS, RATE, DECAY = 4000, 0.3, 1e-3  # of the logistic regression
QUANTILE = {"en": 0.993, "zh": 0.99}  # English has room to spare
LONGEST = 6000  # characters of a text that errors are put into


def quarter(text: str) -> int:
    """0 and 1: lexicon; 2: weights; 3: measuring."""
    return hashlib.sha1(text.encode()).digest()[0] % 4


def parts(texts: Sequence[str], size: int = 200) -> Iterable[Any]:
    """Texts as Arrow arrays."""
    for start in range(0, len(texts), size):
        forget()
        yield pa.array(texts[start : start + size], pa.large_string())


def features(texts: Sequence[str], code: str, model: noise.Lexicon) -> Any:
    """Features of the texts that are judged."""
    measure = noise.english if code == "en" else noise.chinese
    found = [measure(noise.tokens(part), len(part), model) for part in parts(texts)]
    return np.concatenate([values[judged] for values, judged in found])


def hashes(texts: Sequence[str], code: str) -> Any:
    """Those that stand at least LEAST times."""
    some = []
    for part in parts(texts):
        found = noise.tokens(part)
        some.append(found.hashes[noise.english_words(found)] if code == "en" else noise.pairs(found)[1])
    values, counts = np.unique(np.concatenate(some), return_counts=True)
    return values, counts


def bloom(values: Any, size: int) -> Any:
    """A filter of `size` bytes."""
    bits = np.zeros(size, np.uint8)
    at = noise.probes(values, size).ravel()
    np.bitwise_or.at(bits, at >> 3, (1 << (at & 7)).astype(np.uint8))
    return bits


def fitted(good: Any, bad: Any, quantile: float) -> Any:
    """Weights of a logistic regression, moved so that one half is the quantile of the good."""
    values = np.concatenate([good, bad])
    mean, spread = values.mean(0), values.std(0) + 1e-9
    scaled = np.column_stack([(values - mean) / spread, np.ones(len(values))])
    truth = np.repeat([0.0, 1.0], [len(good), len(bad)])
    each = np.where(truth == 0, len(bad) / len(good), 1.0)
    weights = np.zeros(scaled.shape[1])
    for _ in range(STEPS):
        error = each * (1 / (1 + np.exp(-np.clip(scaled @ weights, -30, 30))) - truth)
        weights -= RATE * (scaled.T @ error / each.sum() + DECAY * np.append(weights[:-1], 0))
    plain = weights[:-1] / spread
    return np.append(plain, -np.quantile(good @ plain, quantile))


def noisy(texts: Sequence[str], code: str, rate: float, seed: int) -> list[str]:
    """The texts with errors."""
    chance = random.Random(seed)
    damage = latin_errors if code == "en" else han_errors
    return [damage(text[:LONGEST], rate, chance) for text in texts]


def corpora(data: Path, dictionary: Path) -> tuple[list[str], list[str]]:
    """Words, and further texts, in Chinese."""
    lines = [line.split() for line in dictionary.read_text(encoding="utf-8").splitlines()]
    words = [line[0] for line in lines if len(line[0]) > 1 and int(line[1]) > LEAST]
    texts = [row["TEXT"] for row in rows(data / "tox-cold" / "cold_train.jsonl.gz")]
    return words, texts


def build(data: Path, dictionary: Path) -> noise.Lexicon:
    """The lexicon and its record."""
    words, texts = corpora(data, dictionary)
    sets = {code: human(data, chinese=code == "zh") for code in ("en", "zh")}
    mine = {code: [t for some in sets[code].values() for t in some if quarter(t) < 2] for code in sets}
    english, counts = hashes(mine["en"], "en")
    english = english[counts >= LEAST]
    chinese, counts = hashes([*mine["zh"], *texts], "zh")
    chinese = np.union1d(chinese[counts >= LEAST], hashes(["\n".join(words)], "zh")[0])
    record: dict[str, Any] = {"words": len(english), "pairs": len(chinese), "least": LEAST, "sources": list(SOURCES)}
    model = noise.Lexicon(bloom(english, BYTES["words"]), bloom(chinese, BYTES["pairs"]), {}, record)
    for code, named in sets.items():
        people = [t for some in named.values() for t in some if quarter(t) == 2]
        bad = features(noisy(people, code, RATES[0], 7), code, model)  # the least noise is the hardest to tell
        model.weights[code] = fitted(features(people, code, model), bad, QUANTILE[code])
        record[code] = {"fitted_on": len(people), "weights": [round(float(one), 4) for one in model.weights[code]]}
    return model


SOURCES = (
    "jieba 0.42.1 dict.txt (MIT)",
    "COLD train (Apache-2.0)",
    "quarters 0 and 1 by sha1 of: WCXB main_content, C4 demo, PEPs, WikiText-2, Shakespeare",
    "the same of: OI-wiki, opensource.guide zh-hans, extract-zh",
)


def main(arguments: list[str]) -> None:
    """Build; write if asked."""
    model = build(real_data_folder(), Path(arguments[0]))
    print(orjson.dumps(model.record, option=orjson.OPT_INDENT_2).decode())
    if "--write" in arguments:
        told = np.frombuffer(orjson.dumps(model.record), np.uint8)
        weights: dict[str, Any] = {f"weights_{code}": values for code, values in model.weights.items()}
        np.savez_compressed(noise.PATH, words=model.words, pairs=model.pairs, record=told, **weights)
        print(noise.PATH.stat().st_size, "bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
