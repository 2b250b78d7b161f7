"""Items of real benchmarks, English and Chinese, and ordinary texts of which none was used to choose a number."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datapipe.algo.item_index import Item

_PREFIX = re.compile(r"^(Question|Context|Passage):\s*")
_LETTERED = re.compile(r"^[A-E]\. (.*)$", re.MULTILINE)


def rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _asked(text: str) -> str:
    return _PREFIX.sub("", text)


def _choice(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    options = tuple(row["choices"])
    yield {"input": _asked(row["query"]), "options": options, "output": options[row["gold"]]}


def _lettered(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    head, _, tail = row["query"].partition("\nChoices:\n")
    yield {"input": re.sub(r"\n?Question:\s*", " ", _asked(head)).strip(), "options": tuple(_LETTERED.findall(tail))}


def _boolq(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    passage, _, question = row["query"].partition("\nQuestion: ")
    yield {"input": question.removesuffix("Answer:").strip(), "context": _asked(passage)}


def _winogrande(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for head in row["context_options"]:
        yield {"input": f"{head} {row['continuation']}"}


FORMS: dict[str, Any] = {
    "arc_challenge": _choice,
    "arc_easy": _choice,
    "openbookqa": _choice,
    "piqa": _choice,
    "commonsenseqa": _lettered,
    "siqa": _lettered,
    "boolq": _boolq,
    "winogrande": _winogrande,
    "bbh": lambda row: [{"input": row["input"], "output": row["target"]}],
    "gsm8k_test": lambda row: [{"input": row["question"], "output": row["answer"]}],
    "humaneval": lambda row: [{"input": row["prompt"], "output": row["canonical_solution"]}],
    "lambada": lambda row: [{"input": f"{row['context']} {row['continuation']}"}],
    "math_test": lambda row: [{"input": row["context"], "output": row["chain_of_thought"]}],
    "svamp": lambda row: [{"input": row["context"], "output": row["answer"]}],
    "mbpp": lambda row: [{"input": row["text"], "output": row["code"]}],
    "mmlu_test": lambda row: [{"input": row["question"], "options": tuple(row["options"]), "output": row["answer"]}],
    "mt_bench": lambda row: [{"input": turn} for turn in row["turns"]],
}


UNSEEN = {
    "dedup-articles/articles_1000": "text",
    "lid-opensourceguide/articles": "text",
    "lid-udhr/udhr2": "text",
    "extract-zh/gold": "text",
    "pii-presidio/synth_dataset_v2": "full_text",
    "sft/llamafactory/dpo_en_demo": "conversations",
    "sft/llamafactory/dpo_zh_demo": "conversations",
    "sft/llamafactory/glaive_toolcall_en_demo": "conversations",
    "sft/llamafactory/glaive_toolcall_zh_demo": "conversations",
    "tox-cold/cold_train": "TEXT",
    "tox-cold/cold_dev": "TEXT",
    "tox-davidson/davidson": "tweet",
}


def english(folder: Path) -> list[Item]:
    """All items of the benchmarks at hand."""
    found = []
    for name, form in FORMS.items():
        made = [item for row in rows(folder / f"benchmarks/{name}.jsonl.gz") for item in form(row)]
        found += [Item(name, number, **item) for number, item in enumerate(made) if item["input"].strip()]
    return found


def chinese(folder: Path) -> list[Item]:
    """Instructions with their answers, and dialogues, in the place of a benchmark."""
    asked = rows(folder / "sft/llamafactory/alpaca_zh_demo.jsonl.gz")
    made = [Item("alpaca_zh", n, f"{r['instruction']}\n{r['input']}".strip(), r["output"]) for n, r in enumerate(asked)]
    talks = [row for path in sorted((folder / "sft").glob("kdconv*.gz")) for row in rows(path)]
    texts = ["\n".join(message["message"] for message in talk["messages"]) for talk in talks]
    return made + [Item("kdconv", number, text) for number, text in enumerate(texts)]


def hosts(folder: Path) -> dict[str, list[str]]:
    """Texts to plant items into."""
    return {
        "en": [row["text"] for row in rows(folder / "raw/c4_demo_300.jsonl.gz")]
        + [row["main_content"] for row in rows(folder / "extract-wcxb/gold.jsonl.gz") if row.get("main_content")],
        "zh": [row["text"] for row in rows(folder / "raw/oiwiki_zh.jsonl.gz")],
    }


def unseen(folder: Path) -> dict[str, list[str]]:
    """Ordinary texts that neither the background nor any number was made with."""
    found = {}
    for name, column in UNSEEN.items():
        found[name] = [text for row in rows(folder / f"{name}.jsonl.gz") if (text := _text(row[column]))]
    return found


def _text(value: Any) -> str:
    """A text, or those of a conversation."""
    return value if isinstance(value, str) else "\n".join(turn["value"] for turn in value)
