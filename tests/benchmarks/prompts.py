"""What chat.dedup, chat.conflicts and split.parts cost, over made-up conversations.

    PYTHONPATH=. python tests/benchmarks/prompts.py [CONVERSATIONS ...]

By default 100,000 of two to six messages: prompts of 20 words, answers of 60, one in ten of them one word. A quarter of
the prompts are near copies, in clusters of two to nine. Each stage is timed as a command of its own, `datapipe run
RECIPE STAGE`, from its start to its end, once what stands above it is done. Memory: the most that all its processes
hold together, looked at ten times a second.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml

from tests.benchmarks.near_duplicates import run_of

STEPS = (100_000,)
STAGES = {
    "prompts": {"use": "chat.dedup"},
    "equal": {"use": "chat.dedup", "fuzzy": False, "from": "talks"},
    "conflicts": {"use": "chat.conflicts", "from": "talks"},
    "parts": {"use": "split.parts", "from": "talks"},
}


def write_conversations(path: Path, count: int) -> None:
    """JSON lines of conversations."""
    random = np.random.default_rng(count)
    letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", np.uint8)
    words = ["".join(map(chr, letters[random.integers(0, 26, 7)])) for _ in range(20_000)]

    def said(size: int) -> list[str]:
        return [words[at] for at in random.integers(0, len(words), size)]

    prompt, left = said(20), 0
    with path.open("w") as file:
        for number in range(count):
            prompt = [*prompt[:-1], words[number % 20_000]] if left else said(20)
            left = left - 1 if left else int(random.integers(1, 9)) * int(number % 16 == 0)
            turns = [{"role": "user", "content": " ".join(prompt)}]
            turns.append({"role": "assistant", "content": " ".join(said(1 if number % 10 == 0 else 60))})
            for _ in range(number % 3):
                turns.append({"role": "user", "content": " ".join(said(20))})
                turns.append({"role": "assistant", "content": " ".join(said(60))})
            file.write(json.dumps({"messages": turns}) + "\n")


def main() -> None:
    """Print the table."""
    print("conversations | stage | seconds | CPU s | all processes MB | largest MB")
    for count in [int(word) for word in sys.argv[1:]] or STEPS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_conversations(folder / "talks.jsonl", count)
            source = {"use": "read.conversations", "paths": [str(folder / "talks.jsonl")], "source": "made"}
            recipe = folder / "recipe.yaml"
            made = {"run": str(folder / "run"), "stages": {"talks": {**source, "shard_bytes": "32MB"}, **STAGES}}
            recipe.write_text(yaml.safe_dump(made, sort_keys=False))
            for stage in ("talks", *STAGES):
                cost = run_of(folder, recipe, stage)
                memory = f"{cost.together / 1e6:.0f} | {cost.largest / 1e6:.0f}"
                print(f"{count} | {stage} | {cost.seconds:.1f} | {cost.cpu:.1f} | {memory}", flush=True)


if __name__ == "__main__":
    main()
