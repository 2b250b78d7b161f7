"""What conversations are compared by: their prompts, or all that is said, as one text each.

Why: prompts are short, so shingles are of three words, not five, and signatures are cut so that what is .7 alike
shares a band with probability .9995 (28 bands of 4 rows). Numbers tell prompts of one template apart ("What is 2 + 3?"
and "What is 5 * 7?" have the same words in normal form), so prompts with other numbers, or other signs of mathematics,
can be kept apart. A frame that a template puts around all prompts makes short ones alike (of 1,000 prompts of Dolly in
that of Alpaca 155 seemed to be near copies), so frames are taken out.
Costs: contents are copied once; shingles, normal form and their hashes as in `datapipe.text`.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.near.shingled import NearConfig, band_rows, equal_rows
from datapipe.algo.survivors import scoped
from datapipe.stage import Mask, Share, measure
from datapipe.text import Pieces, normalised_hash, pieces, shingles
from datapipe.text.jit import Int64s

__all__ = ["FRAMES", "PromptConfig", "joined", "numbers_of", "prompts", "rows_of"]

USER = "user"
BETWEEN = "\n\n"
NO_NUMBER = r"[^\p{N}\p{Sm}*/%]+"  # of signs of mathematics those that are no punctuation, and three that are
SIGN = r" ?([\p{Sm}*/%]) ?"

# What Stanford Alpaca (Taori et al. 2023) puts around an instruction, as many sets still do.
FRAMES = (
    "Below is an instruction that describes a task.",
    "Below is an instruction that describes a task, paired with an input that provides further context.",
    "Write a response that appropriately completes the request.",
    "### Instruction:",
    "### Input:",
    "### Response:",
)


class PromptConfig(NearConfig):
    """What of a conversation is compared, and how."""

    on: Literal["prompts", "first_prompt", "conversation"] = measure(
        "prompts", "what is compared: all that the user says, the user's first message, or all messages"
    )
    numbers: bool = measure(True, "prompts with other numbers or other signs of mathematics are no copies")
    frames: tuple[str, ...] = measure(
        FRAMES, "texts that templates put around prompts, taken out before they are compared; by default Alpaca's"
    )
    shingle: int = measure(3, "words in a shingle; characters in scripts without spaces", ge=1, le=64)
    bands: int = measure(28, "bands of a signature; two documents that share one are compared", ge=1)
    rows: int = measure(4, "values in a band", ge=1)
    min_similarity: Share | None = measure(
        0.7, "exact Jaccard similarity of shingles from which on candidates are linked; null: whatever it is", gt=0
    )


def prompts(batch: pa.RecordBatch, config: PromptConfig) -> pa.LargeStringArray:
    """What is compared of each document, large_string, without frames; see `_whole`."""
    found: Any = _whole(batch, config.on)
    for frame in config.frames:
        found = pc.replace_substring(found, frame, "")
    texts: pa.LargeStringArray = found
    return texts


def _whole(batch: pa.RecordBatch, on: str) -> pa.LargeStringArray:
    """What is compared of each document; of one without messages its `text`, if the batch has it.

    Null where there is nothing: no text, or no message by the user. In a conversation of which the last turns were
    preferred to others, `rejected`, these are a part of it where all is compared.
    """
    found = pieces(batch)
    if on == "conversation":
        said = joined(found, np.ones(len(found.document), np.bool_), len(batch))
        return _with_rejected(said, batch)
    by_user: Any = pc.equal(found.role, pa.scalar(USER))
    asked = np.asarray(pc.fill_null(by_user, False)) | (found.message < 0)
    if on == "first_prompt":
        at = np.flatnonzero(asked)
        asked[at[1:][found.document[at[1:]] == found.document[at[:-1]]]] = False
    return joined(found, asked, len(batch))


def joined(found: Pieces, which: Mask, rows: int) -> pa.LargeStringArray:
    """Those pieces of each document as one text; null where there are none."""
    at: Any = np.flatnonzero(which)
    bounds: Int64s = np.searchsorted(found.document[at], np.arange(rows + 1))
    lists = pa.LargeListArray.from_arrays(pa.array(bounds, pa.int64()), found.texts.take(pa.array(at)))
    texts: Any = pc.binary_join(lists, pa.scalar(BETWEEN, pa.large_string()))
    whole: pa.LargeStringArray = pc.if_else(pa.array(np.diff(bounds) > 0), texts, pa.scalar(None, pa.large_string()))
    return whole


def _with_rejected(said: pa.LargeStringArray, batch: pa.RecordBatch) -> pa.LargeStringArray:
    if "rejected" not in batch.schema.names or batch["rejected"].null_count == len(batch):
        return said
    others = pieces(pa.record_batch({"messages": batch["rejected"]}))
    rejected: Any = joined(others, np.ones(len(others.document), np.bool_), len(batch))
    whole: Any = pc.binary_join_element_wise(said, rejected.fill_null(""), pa.scalar(BETWEEN, pa.large_string()))
    return whole  # type: ignore[no-any-return]


def numbers_of(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """The numbers and signs of mathematics of each text, in order; space beside a sign says nothing."""
    spaced: Any = pc.replace_substring_regex(texts, NO_NUMBER, " ")
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(spaced, SIGN, r"\1"))  # type: ignore[no-any-return]


def rows_of(texts: pa.LargeStringArray, config: PromptConfig, scopes: pa.RecordBatch, *, fuzzy: bool) -> pa.RecordBatch:
    """The keys of documents by what is compared of them, as `shingled.KEYS`, in order of their rows.

    One by which equals in normal form meet, and if `fuzzy` those of the bands. Only documents of the same values in
    all columns of `scopes` meet, and where the config asks for it of the same numbers.
    """
    if config.numbers:
        scopes = scopes.append_column("numbers of prompts", numbers_of(texts))
    trimmed: Any = pc.utf8_trim_whitespace(texts)
    some = np.flatnonzero(np.asarray(pc.fill_null(pc.not_equal(trimmed, pa.scalar("", trimmed.type)), False)))
    made = [equal_rows(scoped(normalised_hash(texts), scopes), some)]
    if fuzzy:
        made.append(band_rows(shingles(texts, config.shingle, most_words=config.max_words), config, scopes))
    keys: pa.RecordBatch = pa.concat_batches(made)  # type: ignore[attr-defined]
    order: Any = np.argsort(keys["row"].to_numpy(), kind="stable")
    return keys.take(pa.array(order))
