"""Which stage knows which language, and what the language files say.

Costs importing all stages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from datapipe.cli.options import console, table
from datapipe.errors import DatapipeError
from datapipe.text.languages import Language, language, language_codes

if TYPE_CHECKING:
    from datapipe.registry import Registry

__all__ = ["print_languages"]

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
