"""A tokenizer of the corpus's own: byte-level BPE, trained on words counted over all documents.

Words are counted, shard by shard, so that nothing depends on where shards are cut, in what order they come or how many
workers there are. Text is parted as GPT-4 parts it: words with the space before them, digits by three, punctuation.
A chat template in the form of ChatML comes with it, which keeps reasoning and calls of tools.
Costs a pass over the corpus, and memory for the distinct words; `sample` takes fewer documents.
Source: Sennrich et al. 2016 (BPE), Radford et al. 2019 (bytes), and the pattern of cl100k.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from datapipe.algo.models import package
from datapipe.errors import InputError
from datapipe.stage import Share, schema
from datapipe.text import hash128, pieces
from stages.tokenize._template import EXTRA, NAME

__all__ = ["Training", "merge", "sketch", "train"]

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
BETWEEN = "\n"  # no byte's letter in the alphabet of bytes
PART = 1 << 18  # characters that are parted into words at once
BEFORE_WORD = re.compile(r"(?<=\w) (?=\w)")
LONGEST = 100  # letters of a word that may teach something; what is longer is data
MOST_WORDS = 20_000_000
FED = 100_000_000  # letters that the trainer is given; counts are scaled down to that
LINE = 10_000  # words given at once
END, OPEN, CLOSE = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
THINKS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
WORDS = schema(word=pa.string(), count=pa.int64())
TEMPLATE = """\
{%- if tools %}{{- '<|im_start|>tools\\n' + (tools | tojson) + '<|im_end|>\\n' }}{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.reasoning_content %}
        {{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}
    {%- endif %}
    {{- message.content }}
    {%- for call in message.tool_calls or [] %}
        {{- '<tool_call>\\n{"name": ' + (call.function.name | tojson) + ', "arguments": ' }}
        {{- call.function.arguments | tojson }}
        {{- '}\\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""


class Training(BaseModel):
    """How a tokenizer is trained on the corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocabulary: int = Field(32_000, description="tokens, special ones and the 256 bytes among them", ge=300)
    min_count: int = Field(2, description="occurrences; a pair met less often is not merged", ge=1)
    sample: Share = Field(1, description="share of documents, such as 10%, by hash of id", gt=0, le=1)


@cache
def _splitter() -> Any:
    tokenizers = package("tokenizers", extra=EXTRA, stage=NAME)
    steps = tokenizers.pre_tokenizers
    split = steps.Split(tokenizers.Regex(SPLIT), behavior="isolated")
    return steps.Sequence([split, steps.ByteLevel(add_prefix_space=False, use_regex=False)])


def sketch(batch: pa.RecordBatch, training: Training, most: int) -> pa.Table:
    """How often each word stands in the documents (`word`, written in letters for bytes; `count`).

    A text of more than `most` bytes counts for nothing: it becomes no tokens either.
    """
    if training.sample < 1:
        high, _ = hash128(batch["id"])
        batch = batch.take(np.flatnonzero(high < np.float64(training.sample) * 2.0**64))
    split, counts = _splitter(), Counter[str]()
    texts: Any = pieces(batch).texts
    for text in texts.filter(pc.less_equal(pc.binary_length(texts), pa.scalar(most))):
        for part in _parts(text.as_py()):
            counts.update(word for word, _ in split.pre_tokenize_str(part) if len(word) <= LONGEST)
    words = pa.table({"word": list(counts), "count": list(counts.values())}, schema=WORDS)
    return merge([words])


def _parts(text: str) -> Iterator[str]:
    """A long text in parts, cut in front of a word if there is one: it takes 150 times its size to part it at once."""
    start = 0
    while len(text) - start > PART:
        hit = BEFORE_WORD.search(text[start + PART - LONGEST : start + PART])
        end = start + PART - LONGEST + hit.start() if hit else start + PART
        yield text[start:end]
        start = end
    yield text[start:]


def merge(tables: Sequence[pa.Table]) -> pa.Table:
    """Sums by word, in order of words. Raises InputError for more words than memory should hold."""
    whole = pa.concat_tables(tables) if tables else WORDS.empty_table()
    summed = whole.group_by("word").aggregate([("count", "sum")]).sort_by("word")
    if len(summed) > MOST_WORDS:
        raise InputError(
            f"{NAME}: the corpus has more than {MOST_WORDS:,} distinct words to train a tokenizer on",
            remedy="set a smaller `sample` under `train`, such as 1%",
        )
    return summed.select(["word", "count_sum"]).rename_columns(WORDS.names)


def train(words: pa.Table, training: Training, folder: Path) -> None:
    """Train on counted words, and write tokenizer.json and tokenizer_config.json into a folder."""
    tokenizers = package("tokenizers", extra=EXTRA, stage=NAME)
    specials = [tokenizers.AddedToken(text, special=True, normalized=False) for text in (END, OPEN, CLOSE)]
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    model.pre_tokenizer = tokenizers.pre_tokenizers.Split(BETWEEN, behavior="removed")
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=training.vocabulary - len(THINKS),
        min_frequency=training.min_count,
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=specials,
        show_progress=False,
    )
    model.train_from_iterator(_lines(words, training.min_count), trainer)
    model.add_tokens([tokenizers.AddedToken(text, special=False, normalized=False) for text in THINKS])
    model.pre_tokenizer = _splitter()
    model.decoder = tokenizers.decoders.ByteLevel()
    about = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": False,
        "bos_token": END,
        "eos_token": END,
        "pad_token": END,
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE,
    }
    text = json.dumps(about, indent=1, ensure_ascii=False)
    (folder / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")
    model.save(str(folder / "tokenizer.json"))


def _lines(words: pa.Table, least: int) -> Iterator[str]:
    """Each word as often as it was met, or in proportion, for the trainer counts by itself."""
    counts: Any = words["count"]
    letters = pc.sum(pc.multiply(counts, pc.add(pc.utf8_length(words["word"]), 1))).as_py() or 0
    scale = max(1.0, letters / FED)
    for batch in words.to_batches(max_chunksize=LINE):
        columns: Any = [batch[name].to_pylist() for name in WORDS.names]
        for word, count in zip(*columns, strict=True):
            left = count if scale == 1 or count < least else max(least, round(count / scale))
            while left > 0:
                yield BETWEEN.join([word] * min(left, LINE))
                left -= LINE
