"""How well filter.toxicity does: `DATAPIPE_REAL_DATA=... python -m tests.real.toxicity.measure` prints all figures.

Every figure is of the stage as it stands, through its `process`, on texts that the models were not trained on:
the fifth of Davidson's tweets that the split holds out, COLD's dev set, HateCheck, and ordinary texts.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datapipe.algo.linear import load_model
from datapipe.fit import Reading, labelled
from datapipe.fit.labelled import held_out
from datapipe.fit.scores import auc
from datapipe.text import forget
from stages.filter.toxicity import Config, decide_reasons, process
from tests.real.toxicity.build import MODELS
from tests.real.toxicity.texts import pages, rows

ROWS = 1024
CURVE = (0.05, 0.1, 0.13, 0.15, 0.19, 0.25, 0.3, 0.4, 0.5)
FALSE_POSITIVES = 0.05
DECLARED = float(Config().max_hate or 0)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class HateCheck:
    """Cases of HateCheck: the probability of hate, whether people call it hateful, and what it tests."""

    hate: Floats
    hateful: npt.NDArray[np.bool_]
    functionality: npt.NDArray[np.str_]

    def rates(self, at: float) -> tuple[float, float]:
        """Recall of hateful cases, and specificity: the share of the others that pass."""
        called = self.hate > at
        return float(called[self.hateful].mean()), float((~called[~self.hateful]).mean())


def scores(texts: list[str], language: str) -> dict[str, Floats]:
    """The stage's numbers, NaN where it has none."""
    parts: dict[str, list[Any]] = defaultdict(list)
    for start in range(0, len(texts), ROWS):
        for name, values in zip(("toxicity", "hate"), _measured(texts[start : start + ROWS], language), strict=True):
            parts[name].append(values)
    return {name: np.concatenate(some).astype(np.float64) for name, some in parts.items()}


def _batch(texts: list[str], language: str) -> pa.RecordBatch:
    codes: Any = pa.repeat(pa.scalar(language), len(texts))
    return pa.RecordBatch.from_arrays([pa.array(texts, pa.large_string()), codes], names=["text", "language"])


def _measured(texts: list[str], language: str) -> list[Any]:
    measured = process(_batch(texts, language), Config(), None)
    forget()
    return [measured[name].to_numpy(zero_copy_only=False) for name in ("toxicity", "hate")]


@dataclass(frozen=True)
class Davidson:
    """The tweets held out: what the stage says of them, and what people do (hate, offensive, neither)."""

    toxicity: Floats
    hate: Floats
    labels: npt.NDArray[np.str_]

    def called_hateful(self, at: float, label: str) -> float:
        """The share of tweets with a label whose probability of hate is over a threshold."""
        return float((self.hate[self.labels == label] > at).mean())

    def threshold(self) -> float:
        """The declared rule: the lowest hundredth that at most FALSE_POSITIVES of those that are neither go past."""
        hundredths = (number / 100 for number in range(100))
        return next(at for at in hundredths if self.called_hateful(at, "neither") <= FALSE_POSITIVES)


def davidson(data: Path) -> Davidson:
    """The fifth of the tweets that the model was not trained on."""
    fields, names = {"text": "tweet", "label": "class"}, {"0": "hate", "1": "offensive", "2": "neither"}
    documents = labelled([str(data / "tox-davidson/davidson.jsonl.gz")], Reading(fields, names))
    share = load_model(MODELS / "en.npz").record["split"]["share"]
    away = documents.where(held_out(documents, share))
    found = scores([str(text) for text in away.texts], "en")
    return Davidson(found["toxicity"], found["hate"], away.labels)


def cold(data: Path) -> float | None:
    """AUC on COLD's dev set."""
    dev = list(rows(data / "tox-cold/cold_dev.jsonl.gz"))
    found = scores([row["TEXT"] for row in dev], "zh")
    return auc(found["toxicity"], np.array([row["label"] == "1" for row in dev]))


def hatecheck(data: Path) -> HateCheck:
    """All English cases."""
    cases = list(rows(data / "tox-hatecheck/hatecheck_en.jsonl.gz"))
    found = scores([case["test_case"] for case in cases], "en")
    hateful = np.array([case["label_gold"] == "hateful" for case in cases])
    return HateCheck(found["hate"], hateful, np.array([case["functionality"] for case in cases]))


def dropped(data: Path) -> dict[str, tuple[int, int]]:
    """Of ordinary texts of each kind: how many there are, and how many leave by the default thresholds."""
    found = {}
    for language in ("en", "zh"):
        for name, texts in pages(data, language).items():
            reasons = decide_reasons(process(_batch(texts, language), Config(), None), Config())
            forget()
            found[f"{language} {name}"] = (len(texts), len(texts) - reasons.null_count)
    return found


def main() -> None:
    """Print everything."""
    data = Path(os.environ["DATAPIPE_REAL_DATA"])
    tweets = davidson(data)
    print(f"Davidson, {len(tweets.labels)} held out: AUC", auc(tweets.toxicity, tweets.labels != "neither"))
    print("  hateful against all others: AUC", auc(tweets.hate, tweets.labels == "hate"))
    print("  by the rule: hate >", tweets.threshold())
    for at in CURVE:
        shares = (f"{label} {tweets.called_hateful(at, label):.3f}" for label in ("hate", "offensive", "neither"))
        print(f"  hate > {at:.2f}: called hateful of {', of '.join(shares)}")
    print("COLD dev: AUC", cold(data))
    cases = hatecheck(data)
    print("HateCheck: AUC", auc(cases.hate, cases.hateful))
    for at in CURVE:
        recall, specificity = cases.rates(at)
        mark = "  <- declared" if at == DECLARED else ""
        print(f"  hate > {at:.2f}: recall {recall:.3f}, specificity {specificity:.3f}{mark}")
    for name in dict.fromkeys(cases.functionality.tolist()):
        mine = cases.functionality == name
        right = (cases.hate[mine] > DECLARED) == cases.hateful[mine]
        print(f"  {name:<22} {int(mine.sum()):>4} cases, right {right.mean():.2f}")
    for kind, (count, gone) in dropped(data).items():
        print(f"{kind}: {gone} of {count} leave")


if __name__ == "__main__":
    main()
