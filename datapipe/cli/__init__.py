"""The command line: one module a command, imported when it is called."""

from __future__ import annotations

__all__: list[str] = []
