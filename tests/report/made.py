"""A report with something in every section, made by hand: what a page is tried with."""

from __future__ import annotations

from typing import Any

from datapipe.report.model import Report

DEFAULT_TEXT = "A kiln that is opened too early cracks its glaze."


def amount(documents: int, tokens: int | None = None) -> dict[str, Any]:
    return {"documents": documents, "bytes": documents * 2_000, "tokens": tokens}


def values(*given: tuple[str | None, int, int]) -> dict[str, Any]:
    rows = [{"value": value, "kept": kept, "dropped": dropped} for value, kept, dropped in given]
    others = {"value": None, "kept": 3, "dropped": 1}
    return {"column": "c", "values": rows, "others": others, "distinct": len(rows) + 2}


def stage(use: str, kind: str, came: int, dropped: dict[str, int], **more: Any) -> dict[str, Any]:
    stayed = came - sum(dropped.values())
    usual = {
        "use": use,
        "kind": kind,
        "version": 2,
        "parents": [],
        "options": {},
        "state": "done",
        "shards": 4,
        "came": amount(came),
        "stayed": amount(stayed),
        "kept": stayed / came if came else None,
        "made": None,
        "dropped": dropped,
        "meanings": {reason: f"the document has {reason}" for reason in dropped},
        "not_applied": 0,
        "not_judged": 0,
        "measures": {},
        "categories": {},
    }
    return usual | more


def measure(
    thresholds: list[dict[str, Any]], edges: list[float], kept: list[int], dropped: list[int]
) -> dict[str, Any]:
    return {
        "column": "quality.words",
        "missing": 5,
        "mean": 61.5,
        "least": edges[0],
        "greatest": edges[-1],
        "quantiles": {"p01": 1, "p05": 4, "p25": 20, "p50": 60, "p75": 80, "p95": 110, "p99": 118.25},
        "scale": "log" if edges[-1] > 1000 else "linear",
        "edges": edges,
        "kept": kept,
        "dropped": dropped,
        "thresholds": thresholds,
    }


def threshold(option: str, side: str, value: float | None, steps: dict[float, int], off: int | None) -> dict[str, Any]:
    return {
        "option": option,
        "side": side,
        "value": value,
        "by_language": None,
        "steps": list(steps),
        "kept": list(steps.values()),
        "kept_off": off,
    }


WORDS = measure(
    [threshold("min_words", "below", 50.0, {20.0: 950, 50.0: 900, 100.0: 700}, 960)],
    [float(edge) for edge in range(0, 130, 10)],
    [0, 0, 0, 0, 0, 100, 200, 200, 200, 150, 40, 10],
    [10, 10, 20, 30, 25, 0, 0, 0, 0, 0, 0, 0],
)
REACH = measure(
    [threshold("max_reach", "above", None, {10.0: 500, 4000.0: 890}, 900)],
    [0.0, 1.0, 10.0, 100.0, 1000.0, 9000.0],
    [200, 300, 200, 150, 50],
    [50, 50, 0, 0, 0],
)
BY_LANGUAGE = measure(
    [threshold("min_stop_words", "below", 2.0, {1.0: 940, 2.0: 890, 3.0: 800}, 960) | {"by_language": {"zh": None}}],
    [0.0, 1.0, 2.0, 3.0, 4.0],
    [0, 100, 300, 500],
    [50, 50, 0, 0],
)

STAGES = {
    "pages": stage(
        "read.warc", "Source", 1_100, {"damaged_input": 100}, categories={"host": values(("a.example", 9, 1))}
    ),
    "quality": stage(
        "filter.length",
        "Map",
        1_000,
        {"too_few_words": 90, "too_many_words": 10},
        parents=["pages"],
        measures={"words": WORDS, "reach": REACH, "stop_words": BY_LANGUAGE},
        options={"min_words": 50, "languages": None},
        not_judged=7,
    ),
    "spam": stage("mark.spam", "Map", 900, {}, parents=["quality"], measures={"density": REACH | {"thresholds": []}}),
    "chats": stage("read.conversations", "Source", 50, {}),
    "checked": stage("chat.validate", "Map", 50, {"no_answer": 5}, parents=["chats"]),
    "mixed": stage("mix", "Group", 945, {}, parents=["spam", "checked"]),
    "packed": stage("write.packed", "Sink", 945, {}, parents=["mixed"], state="partly") | {"came": amount(945, 90_000)},
}
RECALL = {"planted": 40, "judged": 40, "found": 38, "recall": 0.95, "recall_low": 0.835, "recall_high": 0.986}
FATE = {"documents": 100, "kept": 20, "share": 0.2, "alarm": True}
PART = {"planned": 60_000.4, "taken": 60_002, "planned_share": 0.6, "taken_share": 0.61, "passes": 1.5}


def made(text: str = DEFAULT_TEXT, **changes: Any) -> Report:
    """The report; `text` stands wherever a document's, a source's or a recipe's own words can stand."""
    sample = {"stage": "quality", "id": text, "url": text, "title": text, "text": text, "measures": {"words": text}}
    given: dict[str, Any] = {
        "run": {
            "name": text,
            "description": text,
            "recipe": "0" * 32,
            "seed": 7,
            "versions": {"datapipe": "0.1"},
            "inputs": {"pages": [text]},
            "reuse": [],
            "complete": False,
            "unfinished": {"packed": text},
        },
        "stages": STAGES,
        "work": {
            name: {
                "seconds": 12.5,
                "documents_per_second": 80.0,
                "processed": 1000,
                "disk_bytes": 5_000,
                "exchange_bytes": 0,
            }
            for name in STAGES
        },
        "corpus": {
            "stages": ["mixed"],
            "amount": amount(945, 90_000),
            "categories": {"language": values((text, 700, 0), (None, 200, 0))},
        },
        "sources": {text: {"documents": 1100, "kept": 900, "share": 0.82, "stages": {"quality": FATE}}},
        "alarms": [{"stage": "quality", "source": text, "documents": 100, "dropped": 80, "limit": 0.5}],
        "groups": {
            "stage": "groups",
            "score": "mild.toxicity",
            "documents": 900,
            "judged": 800,
            "sampled": 100,
            "mentions": [
                {
                    "group": text,
                    "documents": 90,
                    "scored": 90,
                    "mean": 0.1,
                    "quantiles": {"p90": 0.3},
                    "stages": {"quality": FATE},
                    "words": [{"word": text, "documents": 9, "bits": 2.5}],
                }
            ],
        },
        "duplicates": {
            "near": {
                "use": "dedup.minhash",
                "documents": 900,
                "in_clusters": 30,
                "dropped": 20,
                "clusters": 10,
                "sizes": [{"least": 2, "greatest": 3, "clusters": 10, "documents": 30}],
                "largest": [{"size": 3, "ids": [text]}],
            }
        },
        "contamination": {
            "stage": "clean",
            "total": 0,
            "documents": 900,
            "holding": 4,
            "benchmarks": {
                text: {
                    "items": 20,
                    "dirty": 3,
                    "clean": 17,
                    "identifiable": 10,
                    "documents": 4,
                    "left": 0,
                    "kinds": {"input": 3},
                }
            },
        },
        "personal": {
            "masked": {
                "documents": 900,
                "holding": 12,
                "found": 15,
                "entities": {"EMAIL_ADDRESS": {"found": 15, "documents": 12, "severity": 2, "category": "contact"}},
                "severities": {"none": 888, "2": 12},
            }
        },
        "conversations": {
            "documents": 45,
            "turns": {"2": 30, "3-4": 15},
            "roles": {"user": 60, text: 60},
            "trained": 60,
            "trained_by_role": {text: 60},
            "with_reasoning": 3,
            "with_tools": 2,
            "dropped": {"checked": {"no_answer": 5}},
            "checks": {"checked": {"repeated_turns": 1}},
        },
        "mixture": {
            "mixed": {
                "unit": "tokens",
                "sizes": {text: 40_000},
                "parts": [{"sources": {text: PART, "chats": PART}}],
                "along": {text: [0.6] * 50, "chats": [0.4] * 50},
            }
        },
        "packing": {
            "packed": {
                "length": 1024,
                "sequences": 88,
                "tokens": 90_000,
                "trained": 80_000,
                "cut": 112,
                "padding": 112,
                "fill": 0.998,
                "pieces": 1000,
                "files": 1,
                "sources": {text: {"documents": 945, "pieces": 1000, "tokens": 90_000, "trained": 80_000, "cut": 112}},
            }
        },
        "audit": {"near": {"use": "dedup.minhash", "rate": 0.1, "kinds": {"words_changed": RECALL}} | RECALL},
        "samples": [sample | {"reason": "too_few_words"}, sample | {"reason": None}],
        "gates": [
            {"gate": "stages.quality.kept >= 0.5", "passed": True, "told": "0.9 >= 0.5", "forced": None},
            {"gate": text, "passed": False, "told": text, "forced": text},
        ],
    }
    return Report.model_validate(given | changes)
