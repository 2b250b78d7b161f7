"""Errors that a user can meet, as one small family.

Each says what went wrong, where, and how to mend it, on one line. Bugs of ours are not in this family:
they surface with their traceback.

    DatapipeError                    exit code 1
     ├─ RecipeError                  2  the recipe has problems (all of them are listed)
     ├─ InputError                   2  an input cannot be read or is not what it should be
     ├─ StageError                   1  a stage broke its contract, or raised
     ├─ RunError                     1  the run folder cannot be used (read-only, full, another version)
     │   └─ LeaseHeld                1  another driver works on this stage
     ├─ CorruptData                  1  a file of the run is damaged or does not fit its record
     │   └─ ConservationError        1  documents were lost, doubled or exchanged
     └─ GateNotMet                   3  a data-quality gate failed
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ConservationError",
    "CorruptData",
    "DatapipeError",
    "GateNotMet",
    "InputError",
    "LeaseHeld",
    "Problem",
    "RecipeError",
    "RunError",
    "StageError",
]


class DatapipeError(Exception):
    """A mistake or a fault that one line explains: `message`, then what mends it."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message, remedy)  # both in args, so that it survives pickling
        self.message = message
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.remedy))

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


def _rebuild(kind: type[DatapipeError], message: str, remedy: str) -> DatapipeError:
    return kind(message, remedy=remedy)


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a recipe: where it stands (`file:line`, key) and what mends it."""

    where: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.where}: {self.message}"
        return f"{line}; {self.remedy}" if self.remedy else line


class RecipeError(DatapipeError):
    """The recipe has problems; `problems` lists every one of them."""

    exit_code = 2

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.problems,))


class InputError(DatapipeError):
    """An input cannot be read, or is not what it should be."""

    exit_code = 2


class StageError(DatapipeError):
    """A stage broke its contract, or raised."""


class RunError(DatapipeError):
    """The run folder cannot be used."""


class LeaseHeld(RunError):
    """Another driver works on this stage of this run."""


class CorruptData(DatapipeError):
    """A file of the run is damaged, or does not fit the record beside it."""


class ConservationError(CorruptData):
    """Documents were lost, doubled or exchanged."""


class GateNotMet(DatapipeError):
    """A data-quality gate failed."""

    exit_code = 3
