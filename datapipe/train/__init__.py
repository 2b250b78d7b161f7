"""The trainer that packed shards feed: the only place that imports torch, transformers, accelerate and peft."""

from __future__ import annotations

__all__: list[str] = []
