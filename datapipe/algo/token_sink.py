"""What every sink that writes tokens can be told, and how many files it fills.

Costs nothing.
"""

from __future__ import annotations

from datapipe.stage import SinkConfig, Size, measure

__all__ = ["TokenSinkConfig", "count_files"]


class TokenSinkConfig(SinkConfig):
    """What every sink of tokens can be told: how large files are."""

    by: None = measure(None, "not here: sequences hold documents of many values; mix and pack parts by themselves")
    file_tokens: Size = measure(1 << 28, "tokens of one file, about; there are at most 4,096 files", gt=0)
    files_of: int = measure(1, "the number of files is a multiple of this, such as the number of ranks", gt=0)


def count_files(tokens: int, config: TokenSinkConfig) -> int:
    """How many files so many tokens fill."""
    needed = -(-tokens // config.file_tokens)
    return max(1, -(-needed // config.files_of)) * config.files_of
