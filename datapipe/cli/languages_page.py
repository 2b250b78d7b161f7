"""Which stage knows which language, and what the language files say.

Costs importing all stages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from datapipe.cli.options import console, table
from datapipe.errors import DatapipeError
from datapipe.text.languages import Language, language, language_codes
from datapipe.text.thresholds import is_by_language_option, otherwise

if TYPE_CHECKING:
    from datapipe.registry import Registry

__all__ = ["print_languages", "print_thresholds"]

NONE = "·"


def print_languages(registry: Registry) -> None:
    """One line a language: its file, and a mark for each stage that knows it."""
    known = _known(registry)
    codes = sorted(set(language_codes()).union(*known.values()))
    made = table("code", "language", "scripts", "words", "stop words", "thresholds", *known)
    for code in codes:
        marks = ["yes" if code in of_stage else NONE for of_stage in known.values()]
        made.add_row(code, *_told(language(code)), *marks)
    out = console()
    out.print(made)
    count = {name: len(of_stage) for name, of_stage in known.items()}
    out.print("languages known by " + ", ".join(f"{name} {number}" for name, number in count.items()))
    out.print("stages that are not named ask for no language; to add one: datapipe fit language")


def print_thresholds(registry: Registry, name: str) -> None:
    """Of a stage with thresholds by language: the number that holds in each language whose file gives one."""
    stage = registry.load(name)
    files = {code: known for code in language_codes() if (known := language(code)) and known.thresholds.get(name)}
    out = console()
    options = [option for option in stage.config.model_fields if is_by_language_option(stage.config, option)]
    given = [option for option in options if any(option in known.thresholds[name] for known in files.values())]
    if not options:
        out.print(f"{name} has no option whose threshold depends on the language")
        return
    made = table("code", "language", *given)
    made.add_row("", "all others", *(_number(otherwise(stage.config, option)) for option in given))
    for code, known in files.items():
        numbers = known.thresholds[name]
        made.add_row(code, known.name, *(_number(numbers[option]) if option in numbers else NONE for option in given))
    if given:
        out.print(made)
    if others := [option for option in options if option not in given]:
        out.print(f"the same in every language: {', '.join(others)}")
    out.print("A number in a recipe holds for every language. For one language alone: its file, in the form of")
    out.print("configs/languages/en.yaml, in a folder that the option `languages` names; or datapipe fit language")


def _number(value: float | None) -> str:
    return "off" if value is None else f"{value:g}"


def _known(registry: Registry) -> dict[str, tuple[str, ...]]:
    """Codes by stage, of stages that depend on the language; one that cannot be used here is left out."""
    found = {}
    for name in registry.names():
        try:
            stage = registry.load(name)
            if stage.languages is not None:
                found[name] = stage.languages(stage.config())
        except (DatapipeError, ValidationError):
            continue
    return found


def _told(known: Language | None) -> tuple[str, str, str, str, str]:
    if known is None:
        return ("(no file)", NONE, NONE, NONE, NONE)
    stages = ", ".join(f"{stage} {len(options)}" for stage, options in known.thresholds.items())
    between = "by spaces" if known.segmenter == "spaces" else "characters"
    return (known.name, " ".join(known.scripts), between, str(len(known.stop_words)) or NONE, stages or NONE)
