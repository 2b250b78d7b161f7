"""What the tests of training share."""

from __future__ import annotations

import torch

# Tiny models gain nothing from threads, and lose much where other tests run beside them.
torch.set_num_threads(1)
