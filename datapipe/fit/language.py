"""Make a language's file from reference documents: its stop words, and thresholds at the percentiles of English.

The documents should be such as the filters will meet: whole texts of one language, good ones. What they say of
length is not taken over, since that is how somebody cut them.
Costs two passes over the documents, each at the speed of the segmentation and of the stages that measure.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from datapipe.errors import InputError
from datapipe.fit.percentiles import Fitted, beyond, fit, fitting_stages, measure
from datapipe.fit.words import FEWEST_STOP_WORDS, STOP_WORD_SHARE, Seen
from datapipe.registry import Registry
from datapipe.stage import Map
from datapipe.text.languages import Language, Reference, language, write_language

__all__ = ["USEFUL_DOCUMENTS", "Fit", "Texts", "fit_language"]

ENGLISH = "en"
USEFUL_DOCUMENTS = 500  # a share of 1% is then met by five of them

# Reads the documents anew at each call; none is null.
Texts: TypeAlias = Callable[[], Iterator[pa.LargeStringArray]]


@dataclass(frozen=True)
class Fit:
    """The language as fitted, the documents that were seen, and each threshold beside that of English."""

    language: Language
    documents: int
    thresholds: tuple[Fitted, ...]


def fit_language(
    code: str, reference: Texts, registry: Registry, *, about: str, against: tuple[str, Texts] | None = None
) -> Fit:
    """What `reference` says of a language; what its file says of name, script and groups already is kept.

    `about` says in the file what the documents are. `against` are English documents and what those are; without
    them the shares in the file of English are used. Of English itself nothing but those shares is measured: the papers'
    lists and numbers were made for it.
    Raises InputError if there are no documents.
    """
    seen = Seen()
    for texts in reference():
        seen.add(texts)
    if not seen.words:
        raise InputError(f"there is not one word in {about}", remedy="give --reference files that hold texts")
    stages = fitting_stages(registry)
    draft = _draft(code, seen, about)
    with tempfile.TemporaryDirectory(prefix="datapipe-") as folder:
        write_language(Path(folder, f"{code}.yaml"), draft)
        values = measure(reference(), stages, code, folder)
    described = Reference(text=about, documents=seen.documents, beyond=_rounded(beyond(values, stages)))
    if code == ENGLISH:
        return Fit(draft.model_copy(update={"reference": described}), seen.documents, ())
    english = _english(stages, against)
    fitted = tuple(fit(values, stages, english.beyond, english.documents))
    thresholds: dict[str, dict[str, float]] = {}
    for one in fitted:
        if one.threshold != one.english:
            thresholds.setdefault(one.stage, {})[one.option] = one.threshold
    record = {key: value for key, value in draft.record.items() if key != "thresholds"}
    if thresholds:
        record["thresholds"] = (
            f"at the percentile at which English thresholds drop documents of {english.text} ({english.documents}); "
            f"fitted to {about} ({seen.documents}); where those are too few for a percentile, loosened alone"
        )
    update = {"thresholds": thresholds, "reference": described, "record": record}
    return Fit(Language.model_validate({**draft.model_dump(), **update}), seen.documents, fitted)


def _draft(code: str, seen: Seen, about: str) -> Language:
    """The language without thresholds."""
    known = language(code)
    if code == ENGLISH and known is not None:
        return known
    record = {
        "segmenter": "by the script of most letters",
        "sentence_ends": f"marks met in {about}",
        "stop_words": f"words of {STOP_WORD_SHARE:.1%} of all words or more (the first {FEWEST_STOP_WORDS} if those "
        f"are fewer), numbers left out, in {about}: {seen.documents} documents, {seen.words} words",
    }
    found = {
        "name": code,
        "scripts": seen.scripts(),
        "segmenter": "characters" if seen.unspaced() else "spaces",
        "sentence_ends": seen.sentence_ends(),
    }
    if known is not None:  # what people have written of it goes before what can be guessed
        found |= {key: getattr(known, key) for key in (*found, "word_lists", "group_terms")}
        record |= {key: value for key, value in known.record.items() if key not in {"stop_words", "thresholds"}}
    return Language.model_validate({**found, "stop_words": seen.stop_words(), "record": record})


def _english(stages: list[Map], against: tuple[str, Texts] | None) -> Reference:
    """What the English thresholds drop, of which documents."""
    if against is None:
        known = language(ENGLISH)
        if known is None or known.reference is None:
            raise InputError("the file of English holds no shares", remedy="give --against English documents")
        return known.reference
    about, documents_of = against
    values = measure(documents_of(), stages, ENGLISH, None)
    if not values:
        raise InputError(f"there are no documents in {about}", remedy="give --against files that hold texts")
    documents = max(len(array) for measured in values.values() for array in measured.values())
    shares = beyond(values, stages)
    return Reference(text=about, documents=documents, beyond=shares)


def _rounded(shares: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """To six decimals, without options that drop nothing."""
    return {stage: {option: round(share, 6) for option, share in of.items() if share} for stage, of in shares.items()}
