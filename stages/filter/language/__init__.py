"""Tell the language of each document, and keep those wanted.

What: the three likeliest languages by character n-grams, each with a score from 0 to 1. The top of a page is often
menus or another language; so up to three pieces from the first 4,000 bytes are judged, and their scores averaged by
length. A score of eldc says how much the text looks like that language, whatever the others have; fastText's are
probabilities and sum to one. A conversation is judged like a text of its messages, one below the other.
`script` tells simplified from traditional Chinese, and Cyrillic from Latin letters of Serbian.
`paragraphs` judges all of a text, paragraph by paragraph, and stores how much of it is in which language; a page in
several then leaves as mixed_languages if `min_share` is set.

Engines, by document, of the languages that each knows, on the Universal Declaration of Human Rights and on 340 articles
in Markdown with English in between (tests/real/language.py prints all confusions):
- eldc, 60 languages: .985 of 65 versions in 57, and 1.000. Text in another language gets the nearest, mostly with a low
  score: of 319 versions in others 80% lie under 0.5. Near kin pass: Indonesian reads as `ms`, Serbian in Latin letters
  and Bosnian as `hr`.
- fasttext, 176 languages: .971 of the articles. Of the Declaration .969 in the languages that eldc knows as well (it
  takes Malay for `id`, and Yoruba with all its tone marks for `ga`), but .794 of 136 versions in the 122 it has names
  for: small ones are taken for their large kin (Sardinian, Scots, Occitan, Guarani, ...), mostly scored under 0.5.
- Paragraphs of the Declaration in those 57: eldc is sure of 99.9% and right in 99.8% of these, fasttext 94% and 99.3%.
A language in a script that an engine was not shown is never told: Azerbaijani in Cyrillic, Malay in Arabic letters.
Costs, of a busy core: eldc 45,000 texts of 1 KB/s, 14,000 of 4 KB, 15,000 of 1 KB with `paragraphs`; fasttext 6 to 10%
of that. Nothing beyond 4,000 bytes of a text is looked at (1,000 for the script), or 256 paragraphs of it.
Source: eldc (Efficient Language Detector, Nito T.M., Apache-2.0); fastText (Joulin et al. 2016), model lid.176.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, ValidationInfo, field_validator

from datapipe.stage import Map, Mask, StageConfig, below, decide, first_of, measure, place
from datapipe.text import pieces
from stages.filter.language._script import SCRIPTS, script_of

UNSURE = "language_unsure"
NOT_KEPT = "language_not_kept"
MIXED = "mixed_languages"

LOOKED_AT = 4_000  # bytes of each text
PIECES = 3  # that they are cut into at most: a text up to a third as long is one piece
PIECE = 1_000  # bytes of each that are judged: as much as eldc reads
TOP = 3  # languages told
NONE = ((None, None),) * TOP  # in the place of those that are not found
DEFAULT = "default"

PARAGRAPH = 60  # bytes; shorter lines are judged together with those below
PARAGRAPHS = 256  # judged in one text, evenly spread, so that a book costs no more than its share
SURE = 0.5  # score that a paragraph needs to count; of other languages, lists and code most lie under it

Scores: TypeAlias = list[tuple[str, float]]  # languages, best first
Judge: TypeAlias = Callable[[str], Scores]  # of some 1,000 bytes of text; empty without letters to go by
Score: TypeAlias = Annotated[float, Field(ge=0, le=1)]


@cache
def _engine(name: str) -> Any:
    """The module that wraps an engine; the others are never imported."""
    return import_module(f"stages.filter.language._{name}")


class Config(StageConfig):
    """How languages are told, which to keep, and how sure to be."""

    engine: Literal["eldc", "fasttext"] = measure(
        "eldc", "what tells them: eldc (60 languages, fast) or fasttext (176, needs the extra `fasttext`)"
    )
    model: str | None = place(
        None,
        "of fasttext: path of a model such as lid.176.bin; its bytes count, not its name; none given: the "
        "lid.176.ftz of the extra",
    )
    paragraphs: bool = measure(False, "also judge each paragraph, and store the share of the text in each language")
    keep: tuple[str, ...] | None = decide(
        None,
        "codes (ISO 639-1 where one exists) such as [en, zh], or with a script: zh-Hans, zh-Hant, sr-Cyrl, sr-Latn; "
        "others leave as language_not_kept; none: keep all",
    )
    min_score: Score | dict[str, Score | None] | None = decide(
        0.5,
        "score from 0 to 1, one for all or by language, such as {default: 0.5, ar: 0.7}; documents under it, or in no "
        "language, leave as language_unsure",
    )
    min_share: Score | None = decide(
        None, "share of the paragraphs' bytes in the document's language; less leaves as mixed_languages"
    )

    @field_validator("model")
    @classmethod
    def _model_has_an_engine(cls, model: str | None, info: ValidationInfo) -> str | None:
        if model is not None and info.data.get("engine") == "eldc":
            raise ValueError("eldc reads no model; say engine: fasttext")
        return model

    @field_validator("keep")
    @classmethod
    def _keep_is_known(cls, keep: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        _check_known(keep or (), info, scripts=True)
        return keep

    @field_validator("min_score")
    @classmethod
    def _scores_are_of_known_languages(cls, scores: Any, info: ValidationInfo) -> Any:
        if isinstance(scores, Mapping):
            if DEFAULT not in scores:
                raise ValueError(f"needs `{DEFAULT}`, the score for all languages that it does not name (null: none)")
            _check_known(scores.keys() - {DEFAULT}, info)
        return scores

    @field_validator("min_share")
    @classmethod
    def _share_is_measured(cls, share: float | None, info: ValidationInfo) -> float | None:
        if share is not None and not info.data.get("paragraphs", True):
            raise ValueError("needs paragraphs: true, or no shares are measured")
        return share


def _check_known(codes: Any, info: ValidationInfo, *, scripts: bool = False) -> None:
    """Raises ValueError for a code that the engine never gives, naming the nearest; a model of the user's may."""
    if "engine" not in info.data or info.data.get("model") is not None:
        return
    known: frozenset[str] = _engine(info.data["engine"]).LANGUAGES
    if scripts:
        known |= {f"{language}-{script}" for language in known & SCRIPTS.keys() for script in SCRIPTS[language]}
    if unknown := sorted(set(codes) - known):
        near = list(dict.fromkeys(match for code in unknown for match in _nearest(code.lower(), known)))
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(sorted(known))}"
        raise ValueError(f"no language known as {', '.join(unknown)}; {hint}")


def _nearest(code: str, known: frozenset[str]) -> list[str]:
    """Of eng, english and pt_BR the first two letters; else what is spelled alike."""
    return [code[:2]] if code[:2] in known else get_close_matches(code, sorted(known), 2, 0.6)


def adds(config: Config) -> pa.Schema:
    """The best languages with their scores, and the shares if paragraphs are judged."""
    fields: list[tuple[str, pa.DataType]] = []
    for name in ("", "second", "third"):
        fields += [(name or "language", pa.string()), (f"{name}_score".lstrip("_"), pa.float32())]
    fields.append(("script", pa.string()))
    if config.paragraphs:
        share = pa.struct([("language", pa.string()), ("share", pa.float32())])
        fields += [("main_share", pa.float32()), ("shares", pa.list_(share))]
    return pa.schema(fields)


def libraries(config: Config) -> tuple[str, ...]:
    """The engine, and its model."""
    found: tuple[str, ...] = _engine(config.engine).libraries(config.model)
    return found


def languages(config: Config) -> tuple[str, ...]:
    """Codes that the engine gives; a model of the user's own may give others."""
    return tuple(sorted(_engine(config.engine).LANGUAGES))


def detect(text: bytes, judge: Judge) -> Scores:
    """The likeliest languages of the start of a UTF-8 text and their mean scores; empty without letters to go by."""
    text = text[:LOOKED_AT]
    count = -(-len(text) * PIECES // LOOKED_AT) or 1
    if count == 1:
        return judge(_readable(text))[:TOP]
    totals: dict[str, float] = defaultdict(float)
    bounds = [number * len(text) // count for number in range(count + 1)]
    for start, end in pairwise(bounds):
        for language, score in judge(_readable(text[start:end])):
            totals[language] += score * (end - start)
    ranked = sorted(totals.items(), key=lambda found: (-found[1], found[0]))  # of equals the first by name
    return [(language, total / len(text)) for language, total in ranked[:TOP]]


def _readable(piece: bytes) -> str:
    """What an engine may read: no zero bytes, where C strings end; a character cut in half counts in neither piece."""
    return piece[:PIECE].replace(b"\0", b" ").decode("utf-8", "ignore")


def paragraphs_of(text: bytes) -> Iterator[bytes]:
    """Lines that are not blank; short ones are put together with those below until there is enough to judge."""
    lines: list[bytes] = []
    size = 0
    for line in filter(None, map(bytes.strip, text.splitlines())):
        lines.append(line)
        size += len(line)
        if size >= PARAGRAPH:
            yield b" ".join(lines)
            lines, size = [], 0
    if lines:
        yield b" ".join(lines)


def shares_of(text: bytes, judge: Judge) -> dict[str, float]:
    """Share of each language, largest first, in the bytes of all paragraphs that are surely in one."""
    found = list(paragraphs_of(text))
    if len(found) > PARAGRAPHS:
        found = [found[number * len(found) // PARAGRAPHS] for number in range(PARAGRAPHS)]
    sizes: dict[str, int] = defaultdict(int)
    for paragraph in found:
        for language, score in judge(_readable(paragraph))[:1]:
            if score >= SURE:
                sizes[language] += len(paragraph)
    total = sum(sizes.values())
    return {language: sizes[language] / total for language in sorted(sizes, key=lambda name: (-sizes[name], name))}


def _texts(batch: pa.RecordBatch) -> Any:
    """The text of each document; of a conversation its messages, one below the other."""
    said = pieces(batch)
    if (said.message < 0).all() and len(said.texts) == len(batch):
        return said.texts
    bounds = np.searchsorted(said.document, np.arange(len(batch) + 1))
    lists: Any = pa.LargeListArray.from_arrays(pa.array(bounds, pa.int64()), said.texts)
    return pc.binary_join(lists, pa.scalar("\n", pa.large_string()))


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Languages (null = none found), scores (float32) and shares (float32) of each document."""
    judge = _engine(config.engine).judge(config.model)
    texts: Any = _texts(batch).cast(pa.large_binary())
    starts = [start or b"" for start in pc.binary_slice(texts, 0, LOOKED_AT).to_pylist()]
    found = [[*scores, *NONE][:TOP] for scores in (detect(start, judge) for start in starts)]
    languages = [scores[0][0] for scores in found]
    arrays: list[Any] = [[scores[rank][part] for scores in found] for rank in range(TOP) for part in (0, 1)]
    arrays[1] = [score or 0.0 for score in arrays[1]]  # no language: nothing speaks for any
    arrays.append([script_of(start[:PIECE], language) for start, language in zip(starts, languages, strict=True)])
    if config.paragraphs:
        # One text at a time as Python bytes: a batch may hold one of many MiB.
        shares = [shares_of(value.as_buffer().to_pybytes() if value.is_valid else b"", judge) for value in texts]
        mains = zip(languages, shares, strict=True)
        arrays.append([share.get(language or "", 0.0) if share else None for language, share in mains])
        arrays.append([[{"language": name, "share": size} for name, size in share.items()] for share in shares])
    declared = adds(config)
    return pa.RecordBatch.from_arrays(
        [pa.array(values, field.type) for values, field in zip(arrays, declared, strict=True)], schema=declared
    )


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Which documents are in no language for sure, in one not wanted, or in several."""
    language = measured["language"]
    rules = [(_unsure(language, measured["score"], config), UNSURE)]
    if config.keep is not None:
        rules.append((~_kept(language, measured["script"], config.keep), NOT_KEPT))
    if config.min_share is not None:
        rules.append((below(measured["main_share"], config.min_share), MIXED))
    return first_of(*rules)


def _kept(language: Any, script: Any, keep: tuple[str, ...]) -> Mask:
    """Where the language is wanted, in any script or in its own."""
    wanted = pa.array(keep, pa.string())
    written: Any = pc.binary_join_element_wise(language, script, "-")  # null without a script
    either: Any = pc.or_(pc.is_in(language, value_set=wanted), pc.is_in(written, value_set=wanted))
    kept: Mask = either.to_numpy(zero_copy_only=False)
    return kept


def _unsure(language: pa.Array[Any], score: pa.Array[Any], config: Config) -> Mask:
    """Where the score lies under what its language needs."""
    if not isinstance(config.min_score, Mapping):
        return below(score, config.min_score)
    needed = {name: np.nan if least is None else least for name, least in config.min_score.items()}  # NaN: all pass
    default = needed.pop(DEFAULT)
    at: Any = pc.index_in(language, value_set=pa.array(list(needed), pa.string()))
    least = np.array([*needed.values(), default])[at.fill_null(len(needed)).to_numpy()]
    unsure: Mask = score.to_numpy(zero_copy_only=False) < least  # null is not under it
    return unsure


STAGE = Map(
    name="filter.language",
    version=3,
    config=Config,
    reads=("text", "messages"),
    optional=("text", "messages"),  # a document has either
    adds=adds,
    coded=("second", "third", "script"),
    reasons={
        UNSURE: "the score of its language is under min_score",
        NOT_KEPT: "its language is not in keep",
        MIXED: "too little of it is in its language",
    },
    libraries=libraries,
    languages=languages,
    process=process,
    decide=decide_reasons,
)
