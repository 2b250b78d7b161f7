"""Find benchmark items in documents, and drop the documents, cut the items out, or mark them.

What: an evaluation says nothing of a model that has read its items. A document holds an item where enough of its input,
of its input with its options or answer, or of a long answer stands there in order and close together, by bits: words
that are rare among the items and in ordinary text tell much. Case, width, accents, punctuation, spacing and the order
of options do not matter. A verdict depends on the document and the items alone, never on other documents.
Of each document: by kind the greatest strength (over 1: a verdict) and the evidence, that is benchmark, number of the
item, kind, score (share of its bits), strength, message and bytes [start, end). `input_output` is input with options
or answer, `input` the input alone, `output` a long answer; a passage that many items ask about (`context`) is only
told, as Wikipedia is no benchmark. In conversations each message is looked at by itself; an input and a long answer in
two messages are both.
`cut` takes out whole sentences until nothing is found; `mark` only measures. The index says in index.json how many
items of each benchmark are identifiable; of others, too short or too common, the input alone is no proof.

What this cannot find: rephrased and translated items, and code with other names. Of 48,315 English items, copied whole
98.5% were found (all that are identifiable), with one word in ten changed 94%, one in five 81%, three in ten 53%;
rephrased, by clauses in another order and a third of the words exchanged, 16%.
An entry of a benchmark may name `hosts`: documents from there leave as from_publisher. `datapipe contamination RUN`
tells which items of each benchmark stand in how many documents.
`like: gpt3` cuts as GPT-3's authors did: see `_gpt3.py`.
Costs, on a busy core, with 49,765 items: 72 MB/s of English, 93 of Chinese, 3 of items and nothing else; the index
takes 9 s, 1.4 GB while it is made, and 255 MB, which processes share (tests/benchmarks/decontaminate.py).
Source: Brown et al. 2020 (GPT-3), appendix C; AI2's decon for bits and coverage; the numbers are our own, chosen on
planted items (tests/real/test_decontaminate.py).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from datapipe.algo.background import PATH as BACKGROUND
from datapipe.algo.background import load_background
from datapipe.algo.benchmark_files import Benchmark, Where, benchmarks_of, digest_of_benchmarks, items_of
from datapipe.algo.folded_tokens import fold_table
from datapipe.algo.item_index import build_index, load_index
from datapipe.algo.item_rules import LEAST
from datapipe.algo.models import digest_of
from datapipe.schema import COLUMNS
from datapipe.stage import Map, Prepare, StageConfig, above, below, decide, first_of, measure, place, schema
from datapipe.text import pieces, replace_pieces, view_bytes
from stages.decontaminate import _gpt3 as gpt3
from stages.decontaminate._cutting import cut_items, words_left
from stages.decontaminate._evidence import EVIDENCE, by_kind, find, rows_of
from stages.decontaminate._hosts import build_hosts, publishers
from stages.decontaminate._planting import PLANTING

NAME = "decontaminate"

FROM_PUBLISHER = "from_publisher"
HOLDS_INPUT_OUTPUT = "holds_input_output"
HOLDS_INPUT = "holds_input"
HOLDS_OUTPUT = "holds_output"
ITEMS_LEFT = "items_left"
TOO_LITTLE_LEFT = "too_little_left"
TOO_MANY_PIECES = "too_many_pieces"

MEASURED = schema(
    input_output=pa.float32(),
    input=pa.float32(),
    output=pa.float32(),
    context=pa.float32(),
    evidence=EVIDENCE,
    publisher=pa.string(),
)
CUT = schema(
    text=COLUMNS["text"], messages=COLUMNS["messages"], words_left=pa.int32(), items_left=pa.int32(), pieces=pa.int32()
)

Strength = Annotated[float, Field(ge=LEAST)]


class Config(StageConfig):
    """Which benchmarks, and what becomes of documents that hold their items."""

    benchmarks: tuple[str, ...] = place(
        description="YAML files that describe benchmarks, such as configs/benchmarks.yaml, and files and folders of "
        "items, each file a benchmark called after it; what they hold counts",
        min_length=1,
    )
    data: str | None = place(None, "folder with the items of the benchmarks described, NAME.jsonl or a folder NAME")
    fetch: bool = place(
        default=False, description="read from the hub what is not in `data` (needs datapipe[hub] and a network)"
    )
    names: tuple[str, ...] | None = measure(None, "benchmarks to look for; none given: all, and each must be there")
    fields: dict[str, str] = measure(
        {},
        "which field is what in files that no YAML file describes, such as {input: question, output: answer}; "
        "there are input, output, options and context",
    )
    like: Literal["gpt3"] | None = measure(None, "gpt3: 13-grams, cut with 200 characters on each side")
    action: Literal["drop", "cut", "mark"] = measure(
        "drop", "drop the document, cut the sentences that hold an item, or only measure"
    )
    cut_over: Strength = measure(1.0, "strength over which a part of an item is cut")
    drop_publishers: bool = decide(
        default=True,
        description="documents from `hosts` of a benchmark's entry, such as en.wikipedia.org, leave as from_publisher, "
        "but for action mark",
    )
    max_input_output: Strength | None = decide(
        1.0, "strength of input with options or answer; more leaves as holds_input_output, with action drop"
    )
    max_input: Strength | None = decide(1.0, "strength of an input; more leaves as holds_input, with action drop")
    max_output: Strength | None = decide(
        1.0, "strength of a long answer; more leaves as holds_output, with action drop"
    )
    min_left: int | None = decide(
        50, "words left in a document of which something was cut; fewer leave as too_little_left", ge=0
    )
    max_items_left: int | None = decide(
        0, "texts of a document that hold an item after all cuts; more leave as items_left", ge=0
    )
    max_pieces: int | None = decide(
        10, "pieces into which like: gpt3 cuts a document; more leave as too_many_pieces", ge=0
    )

    @model_validator(mode="after")
    def _gpt3_cuts(self) -> Self:
        if self.like == "gpt3" and self.action != "cut":
            raise ValueError("like: gpt3 cuts; set action: cut")
        return self


def _benchmarks(config: Config) -> list[Benchmark]:
    where = Where(config.data, config.fetch)
    return benchmarks_of(config.benchmarks, config.fields, where=where, names=config.names)


def build(config: Config, folder: Path) -> None:
    """Write the index."""
    benchmarks = _benchmarks(config)
    items = items_of(benchmarks)
    build_hosts(benchmarks, folder)
    if config.like == "gpt3":
        gpt3.build(items, folder)
    else:
        build_index(items, load_background(), fold_table(), folder)


def libraries(config: Config) -> tuple[str, ...]:
    """The items, and what is common in ordinary text."""
    items = f"benchmarks={digest_of_benchmarks(_benchmarks(config))}"
    return ("datapipe.text", f"background={digest_of(BACKGROUND)}", items)


def adds(config: Config) -> pa.Schema:
    """What is measured, and where something is cut, what is left."""
    return pa.schema([*MEASURED, *CUT]) if config.action == "cut" else MEASURED


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Strengths by kind (float32), evidence (list), and the text and messages without what was cut."""
    assert resource is not None
    if config.like == "gpt3":
        return _batch({**gpt3.process(batch, resource), "publisher": publishers(batch["url"], resource)}, config)
    count, said, loaded = len(batch), pieces(batch), load_index(resource)
    publisher = publishers(batch["url"], resource)
    if config.action != "cut":
        found = find(view_bytes(said.texts), loaded.index)
        strengths = by_kind(found, said.document[found.text], count)
        return _batch(
            {**strengths, "evidence": rows_of(found, said, loaded, count), "publisher": publisher},
            config,
        )
    rest = cut_items(said.texts, loaded.index, config.cut_over)
    changed = replace_pieces(batch, said, rest.texts) if rest.is_cut.any() else batch
    left = np.bincount(said.document[rest.holds], minlength=count)
    columns: dict[str, Any] = {
        **by_kind(rest.found, said.document[rest.found.text], count),
        "evidence": rows_of(rest.found, said, loaded, count),
        "text": changed["text"],
        "messages": changed["messages"],
        "words_left": words_left(rest.texts, said.document, rest.is_cut, count),
        "items_left": pa.array(left.astype(np.int32)),
        "pieces": pa.nulls(count, pa.int32()),
        "publisher": publisher,
    }
    return _batch(columns, config)


def _batch(columns: dict[str, Any], config: Config) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([columns[field.name] for field in adds(config)], schema=adds(config))


def _stored(threshold: float | None) -> Any:
    """As the columns hold it."""
    return None if threshold is None else pa.scalar(threshold, pa.float32())


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Which documents hold an item, or too little else."""
    if config.action == "mark":
        return pa.nulls(len(measured), pa.string())
    published = measured["publisher"].is_valid().to_numpy(zero_copy_only=False) & config.drop_publishers
    if config.action == "cut":
        return first_of(
            (published, FROM_PUBLISHER),
            (above(measured["pieces"], config.max_pieces), TOO_MANY_PIECES),
            (above(measured["items_left"], config.max_items_left), ITEMS_LEFT),
            (below(measured["words_left"], config.min_left), TOO_LITTLE_LEFT),
        )
    return first_of(
        (published, FROM_PUBLISHER),
        (above(measured["input_output"], _stored(config.max_input_output)), HOLDS_INPUT_OUTPUT),
        (above(measured["input"], _stored(config.max_input)), HOLDS_INPUT),
        (above(measured["output"], _stored(config.max_output)), HOLDS_OUTPUT),
    )


def decides(config: Config) -> tuple[str, ...]:
    """The strengths, or what is left."""
    if config.action == "cut":
        return ("publisher", "pieces", "items_left", "words_left")
    return ("publisher", "input_output", "input", "output")


def example(folder: Path) -> Config:
    """One benchmark of one item, which stands in the samples of the contract."""
    path = folder / "harbour.jsonl"
    item = {
        "input": "The harbour was quiet that morning. Two boats came in with the tide, and nobody asked where from.",
        "output": "By noon the market had sold out of fish, and the baker had closed for the day.",
    }
    path.write_text(json.dumps(item) + "\n", encoding="utf-8")
    return Config(benchmarks=(str(path),))


STAGE = Map(
    name=NAME,
    version=3,
    config=Config,
    reads=("text", "messages", "url"),
    optional=("text", "messages", "url"),  # a document has either text or messages
    adds=adds,
    coded=("evidence", "publisher"),
    reasons={
        FROM_PUBLISHER: "it is from a host that an entry of a benchmark names",
        HOLDS_INPUT_OUTPUT: "it holds an input of a benchmark with its options or answer, over max_input_output",
        HOLDS_INPUT: "it holds an input of a benchmark, over max_input",
        HOLDS_OUTPUT: "it holds a long answer of a benchmark, over max_output",
        TOO_MANY_PIECES: "13-grams of benchmarks cut it into more than max_pieces",
        ITEMS_LEFT: "after all cuts more than max_items_left of its texts still hold an item",
        TOO_LITTLE_LEFT: "items of benchmarks were cut, and fewer than min_left words are left",
    },
    libraries=libraries,
    prepare=Prepare(build=build),
    example=example,
    process=process,
    decide=decide_reasons,
    decides=decides,
    audit=PLANTING,
)
