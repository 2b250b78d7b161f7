"""What a report says beyond counts and measures: sources, groups, duplicates, benchmarks, personal data, mixtures.

Costs nothing: declarations.
"""

from __future__ import annotations

from pydantic import Field

from datapipe.report.closed import Closed

__all__ = [
    "Alarm",
    "Benchmark",
    "Cluster",
    "Contamination",
    "Conversations",
    "Duplicates",
    "Entity",
    "Fate",
    "Groups",
    "Mention",
    "Mixture",
    "MixturePart",
    "MixtureSource",
    "PackedSource",
    "Packing",
    "Personal",
    "Planted",
    "PlantedKind",
    "SizeOfClusters",
    "SourceFacts",
    "Word",
]


class Fate(Closed):
    """What a stage left of a source, or of a group of documents."""

    documents: int = Field(description="documents of it that came to the stage")
    kept: int = Field(description="of them those that stayed")
    share: float | None = Field(description="kept / documents; null: none came")
    alarm: bool = Field(description="whether more of it left than the stage's `alarm` allows")


class SourceFacts(Closed):
    """One source through the stages."""

    documents: int = Field(description="records that were read of it")
    kept: int = Field(description="documents of it at the end, of several last stages the one with most")
    share: float | None = Field(description="kept / documents; null: none were read, or documents were made of others")
    stages: dict[str, Fate] = Field(description="by stage that it came to, in the order of the recipe")


class Alarm(Closed):
    """A stage that took more of a source than its `alarm` allows."""

    stage: str = Field(description="the stage")
    source: str = Field(description="the source")
    documents: int = Field(description="documents of the source that came to it")
    dropped: int = Field(description="of them those that left there")
    limit: float = Field(description="the share that its `alarm` allows, 0 to 1")


class Word(Closed):
    """A word that stands more often beside a group than elsewhere."""

    word: str = Field(description="the word, masked")
    documents: int = Field(description="documents of the group that hold it")
    bits: float = Field(description="pointwise mutual information with the group, bits")


class Mention(Closed):
    """Documents that mention one group."""

    group: str = Field(description="such as religion; `all` for all documents that were judged")
    documents: int = Field(description="documents that mention it")
    scored: int = Field(description="of them those with a score")
    mean: float | None = Field(description="mean score, 0 to 1; null: none has one")
    quantiles: dict[str, float] = Field(description="p10, p25, p50, p75, p90, p99 of the score; empty: none has one")
    stages: dict[str, Fate] = Field(description="by later stage, what it left of those that came to it")
    words: tuple[Word, ...] = Field(description="words that stand beside it, the most telling first")


class Groups(Closed):
    """Toxicity and losses by group that is mentioned."""

    stage: str = Field(description="the stage that tells groups")
    score: str | None = Field(description="column of the score; null: no stage gives one")
    documents: int = Field(description="documents that came to the stage")
    judged: int = Field(description="of them those in a language with terms; the others are not counted below")
    sampled: int = Field(description="documents from which words were counted")
    mentions: tuple[Mention, ...] = Field(description="all documents first, then by group")


class SizeOfClusters(Closed):
    """Clusters of about one size."""

    least: int = Field(description="documents of the smallest")
    greatest: int = Field(description="documents of the greatest")
    clusters: int = Field(description="how many clusters there are of such sizes")
    documents: int = Field(description="documents in them")


class Cluster(Closed):
    """One cluster of documents that are alike."""

    size: int = Field(description="documents in it, those of earlier runs included")
    ids: tuple[str, ...] = Field(description="some of its documents, the one that stays first; 5 at most")


class Duplicates(Closed):
    """What a stage that compares documents found."""

    use: str = Field(description="name of the stage's kind of work")
    documents: int = Field(description="documents that were compared")
    in_clusters: int = Field(description="of them those that are like another")
    dropped: int = Field(description="of them those that left")
    clusters: int = Field(description="clusters of two documents or more")
    sizes: tuple[SizeOfClusters, ...] = Field(description="by size in powers of two, the smallest first")
    largest: tuple[Cluster, ...] = Field(description="the largest first, 10 at most")


class Benchmark(Closed):
    """One benchmark: its items, and how many stand in the corpus as it came."""

    items: int = Field(description="items that were looked for")
    dirty: int = Field(description="items that some document held when it came to the stage")
    clean: int = Field(description="the others")
    identifiable: int = Field(description="items of which the input alone is proof")
    documents: int = Field(description="sum over dirty items of the documents that held each")
    left: int = Field(description="items that some document still holds after the stage")
    kinds: dict[str, int] = Field(description="items by the kind of what was found of them")


class Contamination(Closed):
    """Items of benchmarks in the corpus."""

    stage: str = Field(description="the stage that looks for them")
    total: int = Field(description="documents that still hold an item after the stage: kept, and nothing cut from them")
    documents: int = Field(description="documents that came to the stage")
    holding: int = Field(description="of them those that held an item")
    benchmarks: dict[str, Benchmark] = Field(description="by name")


class Entity(Closed):
    """One type of personal data."""

    found: int = Field(description="how often it was found")
    documents: int = Field(description="documents that it was found in")
    severity: int = Field(description="1 says little by itself, 2 narrows down who it is, 3 names or opens an account")
    category: str = Field(description="in which data-protection rules speak, such as contact or financial")


class Personal(Closed):
    """What a stage that masks personal data found, in the documents that came to it."""

    documents: int = Field(description="documents that it looked at")
    holding: int = Field(description="of them those with any")
    found: int = Field(description="all that was found")
    entities: dict[str, Entity] = Field(description="by type, the commonest first")
    severities: dict[str, int] = Field(description="documents by the gravest that they hold: none, 1, 2, 3")


class Conversations(Closed):
    """The conversations at the end."""

    documents: int = Field(description="documents that are conversations")
    turns: dict[str, int] = Field(description="conversations by number of messages: 1, 2, 3-4, 5-8 and so on")
    roles: dict[str, int] = Field(description="messages by role; of conversations that no stage stored nothing is told")
    trained: int = Field(description="messages that carry loss")
    trained_by_role: dict[str, int] = Field(description="of them by role")
    with_reasoning: int = Field(description="messages with reasoning")
    with_tools: int = Field(description="conversations with calls of tools")
    dropped: dict[str, dict[str, int]] = Field(
        description="by stage that checks conversations, those that left by reason"
    )
    checks: dict[str, dict[str, int]] = Field(
        description="by such a stage and measure, conversations that came to it with a value other than 0"
    )


class MixtureSource(Closed):
    """One source in a part of a mixture."""

    planned: float = Field(description="units that the mixture planned to take")
    taken: int = Field(description="units that it took, all copies counted")
    planned_share: float | None = Field(description="of the part, 0 to 1; null: the part is empty")
    taken_share: float | None = Field(description="of the part, 0 to 1; null: the part is empty")
    passes: float = Field(description="passes over the source that were planned by the end of the part")


class MixturePart(Closed):
    """One part of a mixture."""

    sources: dict[str, MixtureSource] = Field(description="by source")


class Mixture(Closed):
    """What a mixture planned, and what came of it."""

    unit: str = Field(description="what shares count: tokens, trained or rows")
    sizes: dict[str, int] = Field(description="units that each source has")
    parts: tuple[MixturePart, ...] = Field(description="in the order of training")
    along: dict[str, tuple[float, ...]] = Field(
        description="by source, its share of the units in each of 50 equal stretches of the training order, 0 to 1"
    )


class PackedSource(Closed):
    """What one source brings to packed sequences."""

    documents: int = Field(description="documents, copies counted")
    pieces: int = Field(description="pieces of documents")
    tokens: int = Field(description="tokens in sequences")
    trained: int = Field(description="of them those that carry loss")
    cut: int = Field(description="tokens in no sequence")


class Packing(Closed):
    """Packed sequences, by their manifest."""

    length: int = Field(description="tokens that a sequence can hold")
    sequences: int = Field(description="sequences")
    tokens: int = Field(description="tokens in them")
    trained: int = Field(description="of them those that carry loss")
    cut: int = Field(description="tokens of documents that are in none")
    padding: int = Field(description="places without a token")
    fill: float | None = Field(description="tokens / places, 0 to 1; null: no sequence")
    pieces: int = Field(description="pieces of documents")
    files: int = Field(description="files")
    sources: dict[str, PackedSource] = Field(description="by source")


class PlantedKind(Closed):
    """Planted cases of one kind."""

    planted: int = Field(description="cases that were planted")
    judged: int = Field(description="of them those that the stage looked at")
    found: int = Field(description="of them those that it found")
    recall: float | None = Field(description="found / judged; null: none was judged")
    recall_low: float | None = Field(description="lower end of its 95% interval")
    recall_high: float | None = Field(description="upper end of its 95% interval")


class Planted(PlantedKind):
    """Planted cases of one stage."""

    use: str = Field(description="name of the stage's kind of work")
    rate: float = Field(description="share of the documents of which a case was made")
    kinds: dict[str, PlantedKind] = Field(description="by kind of case")
