"""The label of a token that carries no loss. It imports nothing, so that whoever has torch alone can take it too."""

from __future__ import annotations

__all__ = ["NO_LOSS"]

NO_LOSS = -100  # as torch has it
