"""What a report says of a run, as one frozen model: `report.json`, by which pages, summaries, cards and gates go.

Everything stands under names that a gate can spell: `stages.quality.kept`, `contamination.total`,
`audit.pii.recall_low`. What a run lacks is null or empty. Texts are masked already, and escaped for terminals, not for
HTML. Nothing depends on the time or the machine but `work`. `datapipe schema --report` prints the JSON Schema.
Costs nothing: declarations.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from datapipe.report.closed import Closed
from datapipe.report.findings import (
    Alarm,
    Contamination,
    Conversations,
    Duplicates,
    Groups,
    Mixture,
    Packing,
    Personal,
    Planted,
    SourceFacts,
)

__all__ = [
    "FORM",
    "Amount",
    "Category",
    "Corpus",
    "GateFacts",
    "MeasureFacts",
    "Report",
    "RunFacts",
    "SampleFacts",
    "StageFacts",
    "ThresholdFacts",
    "Value",
    "WorkFacts",
]

FORM = 1  # of the model; another number where a field changes its meaning


class RunFacts(Closed):
    """Which run this is, and what it was made by."""

    name: str = Field(description="last part of the run folder's name")
    description: str | None = Field(description="what the recipe says that it is for")
    recipe: str = Field(description="xxh3-128 of the recipe as resolved, without where it runs, 32 hex digits")
    seed: int = Field(description="of all random choices")
    versions: dict[str, str] = Field(description="datapipe, and the libraries that shape what stages give, by name")
    inputs: dict[str, tuple[str, ...]] = Field(
        description="by source stage the paths that it reads, as the recipe says"
    )
    reuse: tuple[str, ...] = Field(description="folders of other runs whose layers may be taken")
    complete: bool = Field(description="whether every stage is done with every shard and nothing is stale")
    unfinished: dict[str, str] = Field(description="by stage that is not done, how far it is and why, in words")


class Amount(Closed):
    """How much of a corpus."""

    documents: int = Field(description="documents")
    bytes: int = Field(description="bytes of the documents as read")
    tokens: int | None = Field(description="tokens; null where nothing is tokenised yet")


class Value(Closed):
    """Documents that have one value of a column."""

    value: str | None = Field(description="the value, masked; null: none")
    kept: int = Field(description="documents with it that the stage kept")
    dropped: int = Field(description="documents with it that left at the stage, for any reason")


class Category(Closed):
    """The commonest values of a column of codes, among the documents that came to a stage."""

    column: str = Field(description="full name, or `host` for the hosts of `url`")
    values: tuple[Value, ...] = Field(description="the commonest first, 30 at most")
    others: Value = Field(description="all the others together")
    distinct: int = Field(description="how many different values there are, null not counted; of many a lower bound")


class ThresholdFacts(Closed):
    """An option that bounds a measure, and what other values of it would do to its stage, all else as it is."""

    option: str = Field(description="name of the option, for `datapipe what-if RUN STAGE OPTION=VALUE`")
    side: Literal["below", "above"] = Field(description="documents leave that lie below it, or above it")
    value: float | None = Field(description="in force, or where no language has its own; null: off")
    by_language: dict[str, float | None] | None = Field(
        description="values of languages that have one of their own; null: one value for all"
    )
    steps: tuple[float, ...] = Field(
        description="other values, ascending; empty: it does not act on this measure alone"
    )
    kept: tuple[int, ...] = Field(description="documents that the stage would keep with each of `steps`, exactly")
    kept_off: int | None = Field(description="documents that it would keep without it; null where there are no steps")


class MeasureFacts(Closed):
    """A numeric column that a stage added: how it is distributed over the documents that came to the stage."""

    column: str = Field(description="full name of the column, such as quality.mean_word_length")
    missing: int = Field(description="documents without a value")
    mean: float | None = Field(description="mean of the values; null without any")
    least: float | None = Field(description="smallest value")
    greatest: float | None = Field(description="greatest value")
    quantiles: dict[str, float] = Field(description="p01, p05, p25, p50, p75, p95, p99; right to 1 part in 2,000")
    scale: Literal["linear", "log"] = Field(description="how the edges are spaced")
    edges: tuple[float, ...] = Field(
        description="of bins [edge, next edge), the last one closed; 61 at most, ascending"
    )
    kept: tuple[int, ...] = Field(description="documents in each bin that the stage kept")
    dropped: tuple[int, ...] = Field(description="documents in each bin that left at the stage, for any reason")
    thresholds: tuple[ThresholdFacts, ...] = Field(description="the options that bound it")


class StageFacts(Closed):
    """One stage: what came, what stayed, and why the rest left."""

    use: str = Field(description="name of the stage's kind of work, such as filter.gopher")
    kind: Literal["Source", "Map", "Expand", "Group", "Sink"] = Field(description="kind of stage")
    version: int = Field(description="of the stage's code")
    parents: tuple[str, ...] = Field(description="stages that it reads from")
    options: dict[str, Any] = Field(description="its options as the recipe resolves them, strings masked")
    state: Literal["done", "partly", "stale", "not started"] = Field(description="how far it is")
    shards: int = Field(description="shards that it has done")
    came: Amount = Field(description="what came to it; of a source, the records that it met")
    stayed: Amount = Field(description="what it let on; of an Expand, its parents that have children")
    kept: float | None = Field(description="share of the documents that came and stayed, 0 to 1; null: none came")
    made: Amount | None = Field(description="documents that an Expand made; null for others")
    dropped: dict[str, int] = Field(description="documents that left, by reason, the commonest first")
    meanings: dict[str, str] = Field(description="what each reason in `dropped` says of a document")
    not_applied: int = Field(description="documents that its `where` passed by")
    not_judged: int = Field(description="documents that it did not know what to do with, and let on")
    measures: dict[str, MeasureFacts] = Field(description="its numeric columns, by short name")
    categories: dict[str, Category] = Field(description="its columns of codes, by short name; of a source also `host`")


class WorkFacts(Closed):
    """What a stage took; differs from run to run."""

    seconds: float = Field(description="seconds of all tasks together, whatever ran beside them")
    documents_per_second: float | None = Field(description="documents measured a second; null: nothing measured")
    processed: int = Field(description="documents that it measured")
    disk_bytes: int = Field(description="bytes of its files on disk, exchange included")
    exchange_bytes: int = Field(description="bytes on disk of what a Group keeps to compare documents")


class Corpus(Closed):
    """What stands at the end: documents that the last stages let on, those that only write left aside."""

    stages: tuple[str, ...] = Field(description="the last stages that hold documents")
    amount: Amount = Field(description="what they let on")
    categories: dict[str, Category] = Field(
        description="languages, sources, hosts and kinds of those; `dropped` is what the last stages took out"
    )


class SampleFacts(Closed):
    """A document, kept or dropped, to read."""

    stage: str = Field(description="the stage that kept or dropped it")
    reason: str | None = Field(description="why it left; null: it was kept")
    id: str = Field(description="of the document, for `datapipe explain`")
    url: str | None = Field(description="URL, or name in its file, masked")
    title: str | None = Field(description="masked, on one line, 200 characters at most")
    text: str | None = Field(description="the beginning after the stage, masked, on one line; null: it is not at hand")
    measures: dict[str, str] = Field(description="what the stage measured of it, by short name, in words")


class GateFacts(Closed):
    """A gate of the recipe, and whether the run meets it."""

    gate: str = Field(description="the expression, as the recipe has it")
    passed: bool = Field(description="whether it holds")
    told: str = Field(description="what stood on its sides, such as `0.42 >= 0.05`; or why it cannot be told")
    forced: str | None = Field(description="reason given for letting output out all the same, masked; null: none")


class Report(Closed):
    """A report of one run."""

    form: int = Field(FORM, description="number of this model's form")
    run: RunFacts = Field(description="which run this is")
    stages: dict[str, StageFacts] = Field(description="by name, in the order of the recipe")
    work: dict[str, WorkFacts] = Field(description="by stage, what it took")
    corpus: Corpus = Field(description="what stands at the end")
    sources: dict[str, SourceFacts] = Field(description="by source, what each stage left of it")
    alarms: tuple[Alarm, ...] = Field(description="stages that took more of a source than their `alarm` allows")
    groups: Groups | None = Field(description="documents that mention groups of people; null: no stage tells groups")
    duplicates: dict[str, Duplicates] = Field(description="clusters by stage that compares documents")
    contamination: Contamination | None = Field(description="items of benchmarks; null: no stage looks for them")
    personal: dict[str, Personal] = Field(description="personal data by stage that masks it")
    conversations: Conversations | None = Field(description="of the conversations at the end; null: there are none")
    mixture: dict[str, Mixture] = Field(description="by stage that mixes sources")
    packing: dict[str, Packing] = Field(description="by stage that writes packed sequences")
    audit: dict[str, Planted] = Field(description="planted cases, by stage that was audited")
    samples: tuple[SampleFacts, ...] = Field(description="documents kept and dropped, by stage and reason, seeded")
    gates: tuple[GateFacts, ...] = Field(description="gates of the recipe, in its order")
