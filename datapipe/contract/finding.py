"""What the contract suite has to say of a stage, and how it listens to code that may break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from datapipe.stage import StageConfig

__all__ = ["Finding", "Findings", "Trial"]

T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """One thing that a check found. A finding that is no fault says what could not be tried, and why."""

    check: str
    message: str
    fault: bool = True

    def __str__(self) -> str:
        return f"{'FAILED' if self.fault else 'note'} {self.check}: {self.message}"


@dataclass
class Findings:
    """Findings as they come; the same one is listed once."""

    listed: list[Finding] = field(default_factory=list)

    def add(self, check: str, message: str, *, fault: bool = True) -> None:
        """List a finding."""
        finding = Finding(check, message, fault)
        if finding not in self.listed:
            self.listed.append(finding)

    def attempt(self, check: str, what: str, call: Callable[..., T], *arguments: object) -> T | None:
        """The result of a call, or None and a finding if it raises."""
        try:
            return call(*arguments)
        except Exception as error:  # noqa: BLE001 - any stage's code may raise anything; that is the finding
            lines = str(error).splitlines() or [""]
            self.add(check, f"{what} raised {type(error).__name__}: {lines[0][:200]}")
            return None


@dataclass(frozen=True)
class Trial:
    """One stage under one config, with what it is tried on and where its findings go."""

    stage: Any  # a stage of the kind that the check is for
    config: StageConfig
    samples: dict[str, pa.RecordBatch]
    resource: Path | None
    found: Findings

    @property
    def reads(self) -> list[str]:
        """Columns that the stage reads."""
        return list(self.stage.reads_for(self.config))

    @property
    def adds(self) -> pa.Schema:
        """Columns that the stage adds, by short name."""
        added: pa.Schema = self.stage.adds_for(self.config)
        return added
