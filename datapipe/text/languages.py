"""Languages are data: what the filters know of each stands in `configs/languages/<code>.yaml`.

Why: a rule made for English drops good texts of other languages; what differs between languages is a list or a
number, so that a new language is a new file and no new code (`datapipe fit language` writes one).
A user's own folder goes before the files that come with datapipe: a file there replaces or adds a language.
Files are YAML with every scalar read as text, so that the words `no`, `on` and `y` stay words.
Costs 0.2 ms a file when it is first asked for; nothing is read at import, and a file once a
process while it stands as it is. A folder of the user's own is listed at each question.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, TypeAlias

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from datapipe.bundled import bundled
from datapipe.errors import InputError
from datapipe.rules import Mask
from datapipe.text.reference import IS_WORD, tokens

__all__ = [
    "FOLDER",
    "Language",
    "Reference",
    "is_code",
    "is_in",
    "language",
    "language_codes",
    "languages_digest",
    "primary",
    "write_language",
]

FOLDER = "configs/languages"
OFF = "off"  # a threshold that is not applied
DIGEST_DIGITS = 12
_CODE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_EXPLAINED = ("stop_words", "thresholds", "word_lists", "group_terms")
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # libyaml is ten times as fast, where it is there
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def _split(value: object) -> object:
    """Words may stand on one line, with spaces between."""
    return value.split() if isinstance(value, str) else value


def _single_words(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        cut = tokens(word)
        if len(cut) != 1 or not cut[0].kind & IS_WORD:
            raise ValueError(f"{word!r} is not one word as texts are cut here, so that it would never be met")
        if word != word.lower():
            raise ValueError(f"{word!r} must be in small letters")
    if len(set(words)) < len(words):
        raise ValueError("a word stands twice")
    return words


def _threshold(value: object) -> object:
    return None if value == OFF else value


Words: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_split)]
StopWords: TypeAlias = Annotated[Words, AfterValidator(_single_words)]
Threshold: TypeAlias = Annotated[float | None, BeforeValidator(_threshold)]


class Reference(BaseModel):
    """The documents that a language was fitted to, and how English thresholds meet them: the measure of a fit."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(description="what the documents were", min_length=1)
    documents: int = Field(description="how many there were", gt=0)
    beyond: dict[str, dict[str, float]] = Field(
        description="by stage and option, the share of them that English thresholds drop, where not 0"
    )


class Language(BaseModel):
    """What is known of one language. Fields without a value: nobody could vouch for one."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="English name", min_length=1)
    scripts: Words = Field(description="ISO 15924 codes of the scripts that it is written in", min_length=1)
    segmenter: Literal["spaces", "characters"] = Field(
        description="what stands between words: spaces, or nothing, so that each character counts as a word"
    )
    sentence_ends: Words = Field((), description="marks that end a sentence")
    stop_words: StopWords = Field((), description="words that nearly every text of some length holds, in small letters")
    thresholds: dict[str, dict[str, Threshold]] = Field(
        {}, description="by stage and option, where English ones do not fit; `off` switches a rule off"
    )
    word_lists: Words = Field((), description="names of word lists for this language")
    group_terms: dict[str, Words] = Field({}, description="terms for groups of people, by kind, such as religion")
    reference: Reference | None = Field(None, description="the documents that the thresholds were measured on")
    record: dict[str, str] = Field({}, description="how each value came about")

    @model_validator(mode="after")
    def _explained(self) -> Self:
        unknown = sorted(set(self.record) - set(type(self).model_fields))
        if unknown:
            raise ValueError(f"record names {', '.join(unknown)}, which is no field")
        silent = [name for name in _EXPLAINED if getattr(self, name) and not self.record.get(name, "").strip()]
        if silent:
            raise ValueError(f"record does not say how {' and '.join(silent)} came about")
        return self


def is_code(code: str) -> bool:
    """Whether a word has the form of a language code: `sw`, `tgl`, `zh-Hant`."""
    return _CODE.fullmatch(code) is not None


def primary(code: str) -> str:
    """The language alone, without script and region: `zh` of `zh-Hant-TW`."""
    return code.partition("-")[0]


def is_in(codes: pa.Array[Any], wanted: str) -> Mask:
    """Which of some codes are of the language `wanted`, in whatever script and region; null is of none."""
    encoded: Any = codes.dictionary_encode()
    known = np.array([primary(code or "") == wanted for code in encoded.dictionary.to_pylist()] + [False])
    found: Mask = known[pc.fill_null(encoded.indices, len(known) - 1).to_numpy(zero_copy_only=False)]
    return found


def language_codes(folder: str | None = None) -> tuple[str, ...]:
    """Codes of all languages that have a file, sorted; InputError if the user's folder is not there."""
    return tuple(sorted(_files(folder)))


def language(code: str | None, folder: str | None = None) -> Language | None:
    """What is known of a language; None where it has no file.

    `code` is ISO 639-1 where one exists; of a code with script or region (`zh-Hant-TW`) the first part is enough.
    `folder` holds language files of the user's own. Raises InputError where a file is not what it should be.
    """
    if not code:
        return None
    files = _files(folder)
    file = files.get(code) or files.get(primary(code))
    return _read(file) if file else None


def languages_digest(folder: str | None, *fields: str, stage: str | None = None) -> str:
    """Hex digits for what the files of all languages say in some fields; of `thresholds`, only those of `stage`.

    It changes with the words and numbers that a stage uses, not with comments or with what only others use.
    """
    return _digest(tuple(sorted(_files(folder).items())), fields, stage)


def write_language(path: Path, language: Language, head: str = "") -> None:
    """Write a language as a file; the same bytes for the same values. `head`: comments, one a line."""
    values = language.model_dump(mode="json", exclude_defaults=True)
    path.write_text("".join(f"# {line}\n" for line in head.splitlines()) + _dumped(values), encoding="utf-8")


def _dumped(values: dict[str, Any]) -> str:
    for limits in values.get("thresholds", {}).values():
        limits.update({name: OFF for name, value in limits.items() if value is None})
    plain = {
        key: {name: _joined(part) for name, part in value.items()} if isinstance(value, dict) else _joined(value)
        for key, value in values.items()
    }
    text: str = yaml.dump(plain, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=110)
    return text


def _joined(value: Any) -> Any:
    """Words on one line, where none has a space in it."""
    one_line = isinstance(value, list) and all(word.split() == [word] for word in value)
    return " ".join(value) if one_line else value


# ---------------------------------------------------------------------------------------------- reading


class _File(NamedTuple):
    """A file as it stands: another when it was changed, so that a process that lives on reads it again."""

    path: Path
    modified: int
    size: int


def _files(folder: str | None) -> dict[str, _File]:
    """The file of each language; a user's own goes before one that came with datapipe."""
    if folder is None:
        return _bundled()
    own = Path(folder)
    if not own.is_dir():
        raise InputError(f"the folder of languages {folder} does not exist", remedy="give an existing folder")
    found = _listed(own)
    for code, file in found.items():
        if not is_code(code):
            raise InputError(f"{file.path}: {code!r} is no language code", remedy="name the file like sw.yaml")
    return _bundled() | found


@cache
def _bundled() -> dict[str, _File]:
    return _listed(bundled(FOLDER))


def _listed(folder: Path) -> dict[str, _File]:
    listed: dict[str, _File] = {}
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        if path.stem in listed:
            raise InputError(f"{listed[path.stem].path} and {path} are of one language", remedy="keep one of the two")
        seen = path.stat()
        listed[path.stem] = _File(path, seen.st_mtime_ns, seen.st_size)
    return listed


@lru_cache(maxsize=1024)
def _read(file: _File) -> Language:
    path = file.path
    try:
        values = yaml.load(path.read_bytes(), Loader=_Loader)  # noqa: S506 - a loader that makes text alone
    except (OSError, yaml.YAMLError, UnicodeError) as error:
        why = " ".join(str(error).split())
        raise InputError(
            f"{path} cannot be read as YAML: {why}", remedy=f"see {FOLDER}/en.yaml for the form"
        ) from error
    try:
        return Language.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{path}: {_in_words(error)}", remedy=f"see {FOLDER}/en.yaml for the form") from error


def _in_words(error: ValidationError) -> str:
    """The first thing that is wrong, and where."""
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    what = first["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


@lru_cache(maxsize=64)
def _digest(files: tuple[tuple[str, _File], ...], fields: tuple[str, ...], stage: str | None) -> str:
    said: dict[str, Any] = {}
    for code, file in files:
        values: Mapping[str, Any] = _read(file).model_dump(mode="json", include=set(fields))
        kept = {name: value.get(stage, {}) if name == "thresholds" else value for name, value in values.items()}
        if any(kept.values()):
            said[code] = kept
    return xxhash.xxh3_128_hexdigest(orjson.dumps(said, option=orjson.OPT_SORT_KEYS))[:DIGEST_DIGITS]
