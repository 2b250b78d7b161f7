"""Thresholds that depend on the language of each document.

An option declared with `by_language` holds a number, null (off), or `by_language`: then each document meets the
threshold in the file of its language, or where that says nothing (or the language is not known) the number declared
beside the option: the paper's, made for English. What a user sets holds for every language.
`by_language` is a value like any other, so that a recipe written out with all its defaults means the same.
Costs nothing to speak of: one look-up a language and option in a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, ValidationError

from datapipe.errors import InputError
from datapipe.stage import StageConfig, Threshold
from datapipe.text.languages import language, language_codes, languages_digest

__all__ = [
    "BY_LANGUAGE",
    "Count",
    "Number",
    "Share",
    "by_language",
    "fitted_options",
    "is_by_language",
    "is_by_language_option",
    "otherwise",
    "threshold_of",
    "thresholds",
    "thresholds_library",
]

BY_LANGUAGE = "by_language"

_ByLanguage: TypeAlias = Literal["by_language"]
Count: TypeAlias = Annotated[int, Field(ge=0)] | _ByLanguage | None
Number: TypeAlias = Annotated[float, Field(ge=0)] | _ByLanguage | None
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)] | _ByLanguage | None


def by_language(number: float | None, description: str, *, default: Any = BY_LANGUAGE, fit: bool = True) -> Any:
    """A `decide` option whose threshold may depend on the language; `number` holds where no file gives one.

    `fit`: whether `datapipe fit language` may set it. It may not where the measure says how a reference was cut into
    documents (their length) rather than what the language is like.
    """
    says = f"{description} (by_language: else {'off' if number is None else f'{number:g}'})"
    extra: dict[str, Any] = {"role": "decide", "otherwise": number, "fit": fit}
    return Field(default, description=says, json_schema_extra=extra)


def thresholds(config: StageConfig, stage: str, languages: pa.Array[Any]) -> Callable[[str], Threshold]:
    """What each option means for documents in these languages: one number for all rows, or an array, one a row."""
    codes: Any = languages.dictionary_encode()
    given = [_given(config, stage, code) for code in codes.dictionary.to_pylist()] + [{}]
    rows = pc.fill_null(codes.indices, len(given) - 1)

    def of_rows(option: str) -> Threshold:
        value: Any = getattr(config, option)
        if value != BY_LANGUAGE:
            fixed: Threshold = value
            return fixed
        usual = otherwise(type(config), option)
        each = [numbers.get(option, usual) for numbers in given]
        if all(number == usual for number in each):
            return usual
        found: Threshold = pa.array(each, pa.float64()).take(rows)
        return found

    return of_rows


def is_by_language(config: StageConfig) -> bool:
    """Whether any option depends on the language."""
    return any(getattr(config, option) == BY_LANGUAGE for option in type(config).model_fields)


def is_by_language_option(model: type[StageConfig], option: str) -> bool:
    """Whether files of languages may give an option's threshold."""
    return "otherwise" in _extra(model, option)


def threshold_of(config: StageConfig, stage: str, option: str, code: str | None) -> tuple[float | None, bool]:
    """What an option means for a document in one language, and whether that stands in the language's file."""
    value = getattr(config, option)
    if value != BY_LANGUAGE:
        return value, False
    given = _given(config, stage, code)
    return (given[option], True) if option in given else (otherwise(type(config), option), False)


def otherwise(model: type[StageConfig], option: str) -> float | None:
    """What an option means in a language whose file says nothing of it."""
    number: float | None = _extra(model, option).get("otherwise")
    return number


def fitted_options(model: type[StageConfig]) -> tuple[str, ...]:
    """Options that `datapipe fit language` may set."""
    return tuple(option for option in model.model_fields if _extra(model, option).get("fit"))


def thresholds_library(config: StageConfig, stage: str) -> tuple[str, ...]:
    """For `Stage.decide_libraries`: what all language files say of the stage; nothing if no option asks them."""
    if not is_by_language(config):
        return ()
    folder = getattr(config, "languages", None)
    for code in language_codes(folder):  # what is wrong is told before the first document
        _given(config, stage, code)
    return (f"thresholds={languages_digest(folder, 'thresholds', stage=stage)}",)


def _extra(model: type[StageConfig], option: str) -> dict[str, Any]:
    extra = model.model_fields[option].json_schema_extra
    return extra if isinstance(extra, dict) else {}


def _given(config: StageConfig, stage: str, code: str | None) -> dict[str, float | None]:
    """The thresholds in a language's file, each held against the option's own limits."""
    found = language(code, getattr(config, "languages", None))
    numbers = found.thresholds.get(stage, {}) if found else {}
    _check(type(config), stage, code, tuple(numbers.items()))
    return numbers


@lru_cache(maxsize=1024)
def _check(
    model: type[StageConfig], stage: str, code: str | None, numbers: tuple[tuple[str, float | None], ...]
) -> None:
    for option, value in numbers:
        if option not in model.model_fields or not is_by_language_option(model, option):
            known = ", ".join(name for name in model.model_fields if is_by_language_option(model, name))
            raise InputError(f"the file of language {code!r} gives {stage} {option}", remedy=f"it may give {known}")
        if why := _wrong(model, option, value):
            raise InputError(f"the file of language {code!r} sets {stage} {option} to {value}: {why}")


def _wrong(model: type[StageConfig], option: str, value: float | None) -> str:
    """What the option's own limits say against a value."""
    try:
        model.model_validate({option: value})
    except ValidationError as error:
        return next((found["msg"] for found in error.errors(include_url=False) if found["loc"][:1] == (option,)), "")
    return ""
