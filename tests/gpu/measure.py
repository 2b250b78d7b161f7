"""Measures training on one GPU: throughput, MFU, memory against the estimate, packed against padded, equivalence.

    PYTHONPATH=. python tests/gpu/measure.py [--tiny] [--precision bf16|mixed] [--seconds 480]

Needs the repository, torch and transformers; no network, no installation, no data. On an H100 or H200 all of it is
meant to fit in nine minutes: what `--seconds` cuts off is named. `--tiny` runs all of it at toy size on any CPU, in
less than a minute; its figures say that the script works, and nothing of speed.
Models are random, of Qwen3's form; weights, gradients and states as `--precision` says, AdamW fused, no compilation.
Lengths of documents are drawn from a log-normal distribution (median 350 tokens, sigma 1), in the manner of
conversations. Times are of steps alone: batches lie on the device before.
Exit code 1 if an equivalence fails.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, Qwen3Config

from datapipe.train.attention import VARLEN, choose, register
from datapipe.train.collator import Collator, model_inputs, padded
from datapipe.train.flops import Flops, flops, mfu, peak
from datapipe.train.loss import weighted_loss
from datapipe.train.memory import GIB, Settings, needed
from datapipe.train.shape import shape_of
from tests.gpu.equivalence import equivalences

MEDIAN, SIGMA = 350, 1.0  # tokens of a document, and of their logarithm
ROOM = 0.9  # share of the device's memory that a step may be estimated to take
PAIRS_TOKENS = 4096  # length at which packed and padded are compared


@dataclass(frozen=True)
class Scale:
    """What is measured: models by name, lengths, tokens of a step, and the vocabulary."""

    models: dict[str, dict[str, int]]
    lengths: tuple[int, ...]
    step: int
    vocabulary: int
    compared: str
    steps: tuple[int, int]  # to warm up, and to time


FULL = Scale(
    {
        "0.1 B": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 6, "intermediate_size": 2304},
        "0.5 B": {"hidden_size": 1280, "num_hidden_layers": 24, "num_attention_heads": 10, "intermediate_size": 3456},
        "1.5 B": {"hidden_size": 2048, "num_hidden_layers": 30, "num_attention_heads": 16, "intermediate_size": 5632},
    },
    (2048, 4096, 8192),
    16_384,
    32_000,
    "0.5 B",
    (3, 8),
)
TINY = Scale(
    {"tiny": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 160}},
    (128, 256),
    512,
    1000,
    "tiny",
    (1, 2),
)


def config_of(scale: Scale, name: str, length: int) -> Qwen3Config:
    """A model's config; heads are of 128, or of 32 where it is tiny."""
    sizes: dict[str, Any] = dict(scale.models[name])
    heads = sizes["num_attention_heads"]
    return Qwen3Config(
        **sizes,
        num_key_value_heads=max(1, heads // 2),
        head_dim=sizes["hidden_size"] // heads,
        vocab_size=scale.vocabulary,
        max_position_embeddings=length,
        use_cache=False,
    )


# ---------------------------------------------------------------------------------------------- documents


def documents(total: int, longest: int, vocabulary: int) -> list[Any]:
    """Random tokens in documents that hold about `total` of them."""
    chance, made, size = np.random.default_rng(7), list[Any](), 0
    while size < total:
        length = int(np.clip(chance.lognormal(np.log(MEDIAN), SIGMA), 2, longest))
        made.append(chance.integers(0, vocabulary, length))
        size += length
    return made


def item(held: list[Any], number: int) -> dict[str, Any]:
    """A sequence as the packed folder would give it."""
    tokens = np.concatenate(held)
    lengths = np.array([len(each) for each in held])
    return {"input_ids": tokens, "labels": tokens, "seq_lengths": lengths, "loss_weights": None, "index": number}


def packed(held: list[Any], length: int) -> list[dict[str, Any]]:
    """Sequences, by best fit of the longest first."""
    rows: list[list[Any]] = []
    free: list[int] = []
    for each in sorted(held, key=len, reverse=True):
        fits = [place for place, room in enumerate(free) if room >= len(each)]
        place = min(fits, key=lambda place: free[place]) if fits else len(rows)
        if place == len(rows):
            rows.append([])
            free.append(length)
        rows[place].append(each)
        free[place] -= len(each)
    return [item(row, number) for number, row in enumerate(rows)]


def packed_batches(scale: Scale, length: int, attention: Any, sequences: int) -> Iterator[tuple[Any, list[int]]]:
    """Batches and the lengths of the documents in each."""
    items = packed(documents(6 * sequences * length, length, scale.vocabulary), length)
    collate = Collator(length, attention=attention)
    for first in range(0, len(items) - sequences + 1, sequences):
        some = items[first : first + sequences]
        yield collate(some), [int(size) for each in some for size in each["seq_lengths"]]


def padded_batches(scale: Scale, length: int, tokens: int) -> Iterator[tuple[Any, list[int]]]:
    """As many documents as fit in `tokens` when each is as long as the longest, in the order they come."""
    held: list[Any] = []
    for each in documents(6 * tokens, length, scale.vocabulary):
        longest = max(len(other) for other in [*held, each])
        if (len(held) + 1) * longest > tokens:
            yield padded([item(held, 0)]), [len(other) for other in held]
            held = []
        held.append(each)


# ---------------------------------------------------------------------------------------------- steps


@dataclass(frozen=True)
class Measured:
    """Of a step: seconds (median), documents' tokens and FLOPs, and the most bytes allocated, if the device says so."""

    seconds: float
    tokens: float
    done: Flops
    bytes: int | None

    @property
    def speed(self) -> float:
        """Useful tokens a second: of documents, padding left out."""
        return self.tokens / self.seconds


def measured(config: Qwen3Config, settings: Settings, steps: tuple[int, int], ready: list[Any]) -> Measured:
    """Train for some steps and time them, each with the batch that is next; batches lie where the model is to."""
    device = ready[0][0]["input_ids"].device.type
    model: Any = AutoModelForCausalLM.from_config(
        config,
        attn_implementation=settings.attention,
        dtype=torch.float32 if settings.precision == "mixed" else torch.bfloat16,
    )
    model.to(device).train()
    if settings.checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    held = sum(value.nbytes for batch, _ in ready for value in batch.values() if torch.is_tensor(value))
    times, sizes = list[float](), list[list[int]]()
    for number in range(sum(steps)):
        batch, lengths = ready[number % len(ready)]
        began = time.perf_counter()
        with torch.autocast(device, torch.bfloat16, enabled=settings.precision == "mixed"):
            logits = model(**model_inputs(batch)).logits
        loss = weighted_loss(logits, batch["labels"], batch["loss_weights"], None)
        del logits
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()
        if number >= steps[0]:
            times.append(time.perf_counter() - began)
            sizes.append(lengths)
    if not bool(torch.isfinite(loss)):
        raise SystemExit(f"the loss is {loss.item()}")
    most = torch.cuda.max_memory_allocated() - held if device == "cuda" else None
    shape = shape_of(config)
    told = [flops(shape, lengths, checkpointing=settings.checkpointing) for lengths in sizes]
    mean = Flops(*(sum(values) // len(told) for values in zip(*map(_parts, told), strict=True)))
    return Measured(statistics.median(times), sum(map(sum, sizes)) / len(sizes), mean, most)


def _parts(told: Flops) -> tuple[int, int, int]:
    return told.forward, told.backward, told.again


def _moved(batch: dict[str, Any], device: str) -> dict[str, Any]:
    return {name: value.to(device) if torch.is_tensor(value) else value for name, value in batch.items()}


def settled(config: Qwen3Config, asked: Settings, room: float) -> Settings | None:
    """With checkpointing of activations where it takes that to fit; None where nothing does."""
    for checkpointing in (False, True):
        tried = Settings(**{**asked.__dict__, "checkpointing": checkpointing})
        if needed(config.to_dict(), tried).peak <= room:
            return tried
    return None


# ---------------------------------------------------------------------------------------------- the report


class Report:
    """Prints rows as they come, and knows how much time is left."""

    def __init__(self, device: str, seconds: float, precision: Any) -> None:
        self.device, self.precision = device, precision
        self.name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
        self.peak = peak(self.name)
        self.room = torch.cuda.mem_get_info()[0] * ROOM if device == "cuda" else float("inf")
        self._until = time.monotonic() + seconds

    @property
    def late(self) -> bool:
        """Whether no further measurement may begin."""
        return time.monotonic() > self._until

    def grid(self, scale: Scale, attention: Any) -> None:
        """A row for each model and length."""
        print(
            "| model | parameters | length | sequences | checkpointing | useful tokens/s | MFU | GiB | estimate | off |"
        )
        print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
        for name in scale.models:
            for length in scale.lengths:
                self._cell(scale, name, length, attention)

    def _cell(self, scale: Scale, name: str, length: int, attention: Any) -> None:
        if self.late:
            print(f"| {name} | | {length:,} | not measured: out of time |", flush=True)
            return
        config, sequences = config_of(scale, name, length), scale.step // length
        asked = Settings(
            sequences=sequences, length=length, precision=self.precision, attention=attention, optimizer="adamw_fused"
        )
        settings = settled(config, asked, self.room)
        if settings is None:
            print(f"| {name} | | {length:,} | not measured: does not fit by the estimate |", flush=True)
            return
        told = needed(config.to_dict(), settings)
        found = self._run(config, settings, scale.steps, list(packed_batches(scale, length, attention, sequences)))
        share = f"{mfu(found.done, found.seconds, self.peak):.1%}" if self.peak else "no peak known"
        memory = f"not told | {told.peak / GIB:.2f} | "
        if found.bytes is not None:
            memory = f"{found.bytes / GIB:.2f} | {told.peak / GIB:.2f} | {told.peak / found.bytes - 1:+.1%}"
        print(
            f"| {name} | {told.parameters:,} | {length:,} | {sequences} | {'yes' if settings.checkpointing else 'no'} "
            f"| {found.speed:,.0f} | {share} | {memory} |",
            flush=True,
        )

    def comparison(self, scale: Scale, attention: Any) -> None:
        """Packed against padded, in the same room."""
        length = min(PAIRS_TOKENS, max(scale.lengths))
        config, sequences = config_of(scale, scale.compared, length), scale.step // length
        runs: dict[str, tuple[Any, Callable[[], Iterator[Any]]]] = {
            f"packed, {attention}": (attention, lambda: packed_batches(scale, length, attention, sequences)),
            "padded, sdpa": ("sdpa", lambda: padded_batches(scale, length, scale.step)),
        }
        speeds = {}
        for name, (kernel, batches) in runs.items():
            if self.late:
                print(f"{name}: not measured, out of time")
                return
            settings = Settings(
                sequences=sequences, length=length, precision=self.precision, attention=kernel, checkpointing=True
            )
            speeds[name] = self._run(config, settings, scale.steps, list(batches())).speed
            print(f"{name}: {speeds[name]:,.0f} useful tokens/s", flush=True)
        fast, slow = speeds.values()
        print(f"packed ÷ padded: {fast / slow:.2f} ({scale.compared}, up to {length:,} tokens a document)")

    def _run(self, config: Qwen3Config, settings: Settings, steps: tuple[int, int], batches: list[Any]) -> Measured:
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()
        ready = [(_moved(batch, self.device), lengths) for batch, lengths in batches]
        return measured(config, settings, steps, ready)


def main() -> int:
    """Measure, print; 1 if an equivalence fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="toy sizes, on the CPU")
    parser.add_argument("--precision", choices=["bf16", "mixed"], default="bf16")
    parser.add_argument("--seconds", type=float, default=480, help="after which no further measurement begins")
    chosen = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    device = "cuda" if torch.cuda.is_available() and not chosen.tiny else "cpu"
    if device == "cpu" and not chosen.tiny:
        print("there is no CUDA device here; --tiny tries the script on a CPU", file=sys.stderr)
        return 2
    torch.manual_seed(0)
    if chosen.tiny:
        torch.set_num_threads(1)
    attention, why = choose(None, device)
    if attention == VARLEN:
        register()
    report = Report(device, chosen.seconds, chosen.precision)
    print(f"{report.name}, torch {torch.__version__}, attention {attention} ({why}), {chosen.precision}", flush=True)
    failed = equivalences(device, print)
    scale = TINY if chosen.tiny else FULL
    report.comparison(scale, attention)
    report.grid(scale, attention)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
