"""Documents with copies of every kind that a stage of deduplication looks for, and recipes over them.

Each brings its own id and stands in a file of JSON lines, so that the same documents can stand in other files.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from tests.run.workbench import Done, Workbench, corpus

__all__ = [
    "CUTTING",
    "DROPPING",
    "SHORT",
    "STAGES",
    "Chain",
    "Document",
    "chain",
    "documents",
    "jaccard",
    "left",
    "near",
    "texts",
    "write",
]

Document: TypeAlias = dict[str, Any]
Chain: TypeAlias = dict[str, dict[str, Any]]

SHINGLE = 5
SHORT = 300  # rows of a range of keys, where there are to be many
LETTERS = "abcdefghijklmnopqrstuvwxyz"
BANNER = "please accept all cookies of this site before you read on"
STAGES: Chain = {
    "url": {"use": "dedup.url"},
    "exact": {"use": "dedup.exact"},
    "hosts": {"use": "dedup.host_lines", "min_pages": 4, "min_words": 40},
    "near": {"use": "dedup.minhash"},
    "paragraphs": {"use": "dedup.paragraphs", "min_words": 145},
    "lines": {"use": "dedup.lines", "min_copies": 2, "min_words": 145},
    "runs": {"use": "dedup.substring", "min_words": 20, "min_left": 152},
    "vectors": {"use": "dedup.vectors", "blocks": 6, "sample": 150},
}


DROPPING = ("url", "exact", "near", "vectors")
CUTTING = ("paragraphs", "lines", "runs", "hosts")


def _words(draw: random.Random, count: int) -> list[str]:
    return ["".join(draw.choices(LETTERS, k=draw.randint(3, 9))) for _ in range(count)]


def _paragraph(draw: random.Random) -> list[str]:
    return [" ".join(_words(draw, 12)) for _ in range(3)]


def _text(paragraphs: list[list[str]]) -> str:
    return "\n\n".join("\n".join(lines) for lines in paragraphs)


def near(text: str, word: str) -> str:
    """The text with another word in its middle: a Jaccard similarity of .9 or so."""
    lines = text.split("\n")
    middle = len(lines) // 2
    middle += lines[middle] == ""
    lines[middle] = f"{word} {lines[middle].partition(' ')[2]}"
    return "\n".join(lines)


def documents(count: int = 200, seed: int = 0) -> list[Document]:
    """Half of them are, or hold, what stands in an earlier one."""
    draw = random.Random(seed)
    made: list[Document] = []
    originals: list[list[list[str]]] = []
    for number in range(count):
        paragraphs = [_paragraph(draw) for _ in range(4)]
        text, url = _text(paragraphs), f"https://h{number % 5}.example/{seed}/{number}"
        kind = number % 10 if originals else 0
        earlier = draw.choice(originals) if originals else []
        if kind == 1:
            text = _text(earlier).upper()
        elif kind == 3:
            text = near(_text(earlier), f"other{draw.choice(LETTERS)}")
        elif kind == 5:
            text = _text([*paragraphs, earlier[1]])
        elif kind == 7:
            text = _text([*paragraphs, [paragraphs[0][0][::-1], earlier[2][1]]])
        elif kind == 9:
            run = " ".join(" ".join(earlier[3]).split()[4:32])
            text = _text([*paragraphs, [f"so they said {run} and no more"]])
        elif kind == 8:
            url = made[draw.randrange(number)]["url"].replace("https", "http") + "?utm_source=mail"
        else:
            originals.append(paragraphs)
        if number % 5 == 0:
            text = f"{BANNER}\n{text}"
        day = f"2026-{1 + number % 12:02}-{1 + draw.randrange(28):02}"
        made.append({"id": f"d{seed}-{number:04}", "url": url, "text": text, "date": day})
    for number, embedding in enumerate(_embeddings(count, seed)):
        made[number]["embedding"] = embedding
    return made


def _embeddings(count: int, seed: int) -> Iterator[list[float] | None]:
    """One in three near to an earlier one, and some that are the same, or none."""
    draw = random.Random(f"embeddings of {seed}")
    originals = [[draw.gauss(0, 1) for _ in range(8)]]
    for number in range(count):
        vector = draw.choice(originals)
        if number % 3:
            vector = [draw.gauss(0, 1) for _ in range(8)]
            originals.append(vector)
        elif number % 2:
            vector = [value + draw.gauss(0, 0.05) for value in vector]
        yield [round(value, 4) for value in vector] if number % 31 else None


def write(bench: Workbench, rows: Sequence[Document], *, files: int, name: str = "f") -> None:
    """The documents in order, over so many files."""
    share = -(-len(rows) // files)
    for file in range(files):
        lines = [json.dumps(row) for row in rows[file * share : (file + 1) * share]]
        bench.write(f"{name}{file}.jsonl", lines)


def chain(bench: Workbench, *names: str, **options: Any) -> Chain:
    """The source and some stages; options go to the last of them."""
    columns = {"id": "id", "url": "url", "date": "date", "embedding": "embedding"}
    paths = [str(bench.input / "*.jsonl")]
    made: Chain = {"docs": {"use": "read.jsonl", "source": "toy", "paths": paths, "columns": columns}}
    made |= {name: dict(STAGES[name]) for name in names}
    made[names[-1]] |= options
    return made


def texts(done: Done, stage: str) -> dict[str, str]:
    """The texts of the documents that a stage keeps, by id."""
    return {key: row["text"] for key, row in corpus(done, stage).items()}


def left(done: Done, stage: str) -> set[str]:
    """Ids of the documents that came to a stage and do not go on."""
    (parent,) = done.context.recipe.nodes[stage].parents
    return set(corpus(done, parent)) - set(corpus(done, stage))


def layers(done: Done, stage: str) -> Iterator[Document]:
    """Every document that came to a stage, with what the stage says of it."""
    (parent,) = done.context.recipe.nodes[stage].parents
    came = set(corpus(done, parent))
    yield from (row for key, row in corpus(done, stage, dropped=True).items() if key in came)


def jaccard(one: str, other: str) -> float:
    """Of runs of five words, by sets of tuples."""
    sets = []
    for text in (one, other):
        words = text.lower().split()
        sets.append({tuple(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])
