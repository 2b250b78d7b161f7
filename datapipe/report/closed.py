"""The base of all models of a report. Costs nothing: a declaration."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

__all__ = ["Closed"]


class Closed(BaseModel):
    """Frozen, and closed: a field that the model does not know is an error."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")
