"""Train the project's own linear classifier from labelled texts, and measure it on documents held out.

The same documents give the same file to the byte, in whatever order they come. Every figure in its record is of
documents that it was not trained on.
Costs 1.4 s for each MB of texts with two labels, measured on web pages; the texts stand in memory.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe import __version__
from datapipe.algo.linear import LinearModel
from datapipe.algo.ngrams import Shape
from datapipe.errors import InputError
from datapipe.fit.labelled import Labelled, held_out
from datapipe.fit.logistic import Examples, Options, train
from datapipe.fit.scores import measures
from datapipe.text import forget, word_hash

__all__ = ["Origin", "fit_classifier"]

FEWEST = 2  # documents of a label; of fewer nothing can be learnt
MOST_LABELS = 100  # at which training takes 0.8 GB with the most bits
ROWS = 1024
_MORE = "give more, or name the labels to learn by --names"


@dataclass(frozen=True)
class Origin:
    """What the user says of the data, for the record.

    about: what it is; licence: under which it may be used; files and test_files: names without folders.
    """

    about: str
    licence: str
    files: tuple[str, ...]
    test_files: tuple[str, ...] = ()


def fit_classifier(
    documents: Labelled,
    *,
    shape: Shape,
    options: Options,
    origin: Origin,
    held: float,
    test: Labelled | None = None,
    extra: Labelled | None = None,
    terms: tuple[str, ...] = (),
) -> LinearModel:
    """A model with its record. A share `held` of the documents is measured on, or `test` if it is given.

    `extra` documents are only trained on. `terms` are single words for groups that the model takes for one.
    Raises InputError if there are fewer than two labels, or nothing to train or to measure on.
    """
    away = held_out(documents, held) if test is None else np.zeros(len(documents), np.bool_)
    training, measured = documents.where(~away), documents.where(away) if test is None else test
    if extra is not None:
        training = _together(training, extra)
    met = np.isin(measured.forms, training.forms)
    measured = measured.where(~met)
    labels = _labels(training, measured)
    model = train(
        Examples(training.texts, _targets(training, labels)),
        labels,
        shape,
        options,
        terms=np.unique(np.array([word_hash(term) for term in terms], np.uint64)),
    )
    record = {
        "made_by": f"datapipe fit classifier {__version__}",
        "about": origin.about,
        "licence": origin.licence,
        "files": list(origin.files),
        "documents": dict(sorted(Counter(documents.labels.tolist()).items())),
        "extra_documents": dict(sorted(Counter(extra.labels.tolist()).items())) if extra is not None else {},
        "extra_digest": extra.digest() if extra is not None else "",
        "left_out": documents.left_out,
        "digest": documents.digest(),
        "trained_on": len(training),
        "training": {
            "passes": options.passes,
            "rate": options.rate,
            "decay": options.decay,
            "balance": options.balance,
        },
        "group_terms": len(set(terms)),
        "split": {
            "by": _split_by(documents) if test is None else "files of their own",
            "share": held if test is None else None,
            "files": list(origin.test_files),
            "met_in_training": int(met.sum()),
        },
        "held_out": measures(_probabilities(model, measured.texts), _targets(measured, labels), labels),
    }
    return replace(model, record=record)


def _labels(training: Labelled, measured: Labelled) -> tuple[str, ...]:
    counts = Counter(training.labels.tolist())
    if len(counts) < 2:
        raise InputError(
            f"the documents to train on have {len(counts)} label", remedy="give documents of two labels or more"
        )
    if len(counts) > MOST_LABELS:
        raise InputError(
            f"the documents have {len(counts):,} labels, over {MOST_LABELS}",
            remedy="say by --fields which field is the label, or by --names which labels to learn",
        )
    # Labels are not told: where the wrong field was named they are what people wrote.
    rare = sum(count < FEWEST for count in counts.values())
    if rare:
        raise InputError(f"{rare} of {len(counts)} labels have one document to train on", remedy=_MORE)
    if not len(measured):
        raise InputError("no document is left to measure on", remedy="give more documents, or a higher --held-out")
    unknown = set(measured.labels.tolist()) - counts.keys()
    if unknown:
        raise InputError(f"{len(unknown)} labels of the documents to measure on have none to train on", remedy=_MORE)
    return tuple(sorted(counts))


def _split_by(documents: Labelled) -> str:
    if documents.grouped == len(documents):
        return "hash of the group"
    return (
        f"hash of the group ({documents.grouped} documents have one) or text"
        if documents.grouped
        else "hash of the text"
    )


def _together(one: Labelled, other: Labelled) -> Labelled:
    """Both, mixed by the hashes of their forms; what is in the first is not taken from the second."""
    other = other.where(~np.isin(other.forms, one.forms))
    forms = np.concatenate([one.forms, other.forms])
    order: Any = np.argsort(forms, kind="stable")
    texts: Any = pa.concat_arrays([one.texts, other.texts]).take(order)
    labels, keys = (np.concatenate(pair)[order] for pair in ((one.labels, other.labels), (one.keys, other.keys)))
    return replace(one, texts=texts, labels=labels, keys=keys, forms=forms[order])


def _targets(documents: Labelled, labels: tuple[str, ...]) -> Any:
    place = {label: number for number, label in enumerate(labels)}
    return np.array([place[label] for label in documents.labels], np.int32)


def _probabilities(model: LinearModel, texts: pa.LargeStringArray) -> Any:
    parts = []
    for start in range(0, len(texts), ROWS):
        parts.append(model.probabilities(texts[start : start + ROWS])[0])
        forget()
    return np.concatenate(parts)
