"""Turns raw web archives and raw conversations into packed token shards, and explains every document."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
