"""What torch itself says of a training step: bytes that autograd saves, and bytes alive at its height."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoModelForCausalLM

__all__ = ["Alive", "autocast", "made", "saved_bytes"]

Kind = torch.dtype


def made(config: Any, *, attention: str, weights: Kind, checkpointing: bool) -> Any:
    """A model from random, ready to be trained."""
    config.use_cache = False
    model: Any = AutoModelForCausalLM.from_config(config, attn_implementation=attention, dtype=weights)
    model.train()
    if checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    return model


def autocast(*, enabled: bool) -> Any:
    """Operations in bfloat16, or as they come."""
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


def saved_bytes(model: Any, run: Callable[[], object]) -> int:
    """Bytes of the storages that autograd saves while `run` does, those of the model's weights left out."""
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    held: dict[int, torch.Tensor] = {}

    def keep(saved: torch.Tensor) -> torch.Tensor:
        place = saved.untyped_storage().data_ptr()
        if place not in weights:
            held.setdefault(place, saved)
        return saved

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved):
        run()
    return sum(saved.untyped_storage().nbytes() for saved in held.values())


class Alive(TorchDispatchMode):
    """Counts the bytes of all storages made under it that are still referred to: `now`, and the `most` so far."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._count(leaf.untyped_storage())
        return result

    def _count(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size

    @contextlib.contextmanager
    def height(self) -> Iterator[list[int]]:
        """The most bytes alive at once within, put into the list at the end."""
        self.most, found = self.now, list[int]()
        yield found
        found.append(self.most)
