"""Training on what `write.packed` writes; its modules are the only ones that may import torch.

Nothing is imported here, so that `datapipe` works without torch, and a loader's workers start fast.
"""

from __future__ import annotations

__all__: list[str] = []
