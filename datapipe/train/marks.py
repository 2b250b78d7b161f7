"""Numbers that stand for something else in batches and their order.

Apart from the readers of packed folders, so that batches, attention and loss can be tried with torch alone.
Costs nothing: constants.
"""

from __future__ import annotations

__all__ = ["FILLER", "NO_LOSS"]

NO_LOSS = -100  # the label of a token that carries no loss, as torch has it
FILLER = -1  # the number of a sequence without tokens, which fills a batch up
