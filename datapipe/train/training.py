"""Carries out a plan of training: its parts in order, each from where it was left, and the model that comes out.

In the run folder: `plan.yaml`, with every default; a folder a part with checkpoints, `metrics.jsonl`,
`sequences.jsonl`, the weights after it and `done.json`, written last; `model/`, and `merged/` where adapters were
trained, each with tokenizer, template and card. A part begins with weights read from disk, so that a training which
was taken up again does not differ from one that was not.
Costs what training costs, and one writing and reading of the weights a part.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, PrinterCallback
from transformers.utils import logging

from datapipe.errors import InputError, RunError
from datapipe.train.arguments import arguments_of
from datapipe.train.attention import Choice, check_isolation, choose, refuse, register
from datapipe.train.card import Gates, Overruled, card
from datapipe.train.checkpoints import Marking, Stopping, clear_unmarked, newest, same_processes, together, write_whole
from datapipe.train.flops import flops
from datapipe.train.gates import check_gates, check_tokenizers, unjudged
from datapipe.train.joined import Feed, JoinedDataset, StepBatches
from datapipe.train.log import LINES, cut_back, seen_by_source
from datapipe.train.metrics import METRICS, Meter, Recording
from datapipe.train.models import carry_tokenizer, frozen, load_model, load_tokenizer, merged
from datapipe.train.opening import DONE, opened, part_folder
from datapipe.train.packed import manifest_of
from datapipe.train.plan import Evaluation, Part, Plan
from datapipe.train.sampler import OrderedSampler
from datapipe.train.shape import shape_of
from datapipe.train.trainer import PackedTrainer

__all__ = ["folders_of", "train"]

MODEL = "model"
MERGED = "merged"


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What all parts share. `length`: tokens of the longest sequence of any part."""

    plan: Plan
    tokenizer: Path
    attention: Choice
    length: int
    rank: int
    world: int
    tell: Callable[[str], None]

    def folder(self, number: int) -> Path:
        """Of a part."""
        return part_folder(self.plan, number)

    def weights(self, number: int) -> Path:
        """Where the weights after a part are saved."""
        return Path(self.plan.run) / MODEL if number == len(self.plan.parts) - 1 else self.folder(number) / MODEL


def folders_of(plan: Plan) -> tuple[str, ...]:
    """All packed folders of a plan, those that it is evaluated on included, each once."""
    trained = [folder for part in plan.parts for folder in part.data]
    held = [folder for part in plan.parts if part.evaluation is not None for folder in part.evaluation.data]
    return tuple(dict.fromkeys(trained + held))


def train(plan: Plan, *, resume: bool, reason: str | None, tell: Callable[[str], None]) -> Path:
    """Train as planned; gives the folder of the model. `reason`: why to train on data whose gates failed.

    Raises GateNotMet, InputError for what does not fit together, RunError when it was told to stop.
    """
    logging.disable_progress_bar()  # of weights written and read
    folders = folders_of(plan)
    failed = check_gates(folders, reason)
    tokenizer = check_tokenizers(folders)
    _check_held(plan)
    rank, world, local = (
        int(os.environ.get(*each)) for each in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))
    )
    _choose_device(world, local)
    with opened(plan, resume=resume) if rank == 0 else nullcontext():
        work = _Work(
            plan=plan,
            tokenizer=tokenizer,
            attention=_attention(plan),
            length=max(JoinedDataset(part.data).length for part in plan.parts),
            rank=rank,
            world=world,
            tell=tell if rank == 0 else _silent,
        )
        work.tell(f"attention: {work.attention.name} ({work.attention.why})")
        if unknown := unjudged(folders):
            work.tell(f"gates: not judged for {', '.join(unknown)}; their recipe has none")
        for number, part in enumerate(plan.parts):
            if (done := work.folder(number) / DONE).is_file():
                _check_done(work, part, done)
                work.tell(f"{part.name}: done before")
            else:
                _train_part(work, number)
        if rank == 0:
            _finish(work, Overruled(failed, reason) if failed and reason is not None else None)
        together()
    return Path(plan.run) / MODEL


def _check_held(plan: Plan) -> None:
    """Raises InputError where data are evaluated on that are trained on."""
    trained = {JoinedDataset([folder]).digest for part in plan.parts for folder in part.data}
    for part in plan.parts:
        for folder in part.evaluation.data if part.evaluation is not None else ():
            if JoinedDataset([folder]).digest in trained:
                raise InputError(
                    f"{part.name}: {folder} is both trained and evaluated on",
                    remedy="hold data back by the stage split",
                )


def _check_done(work: _Work, part: Part, done: Path) -> None:
    """Raises InputError where the data of a part that is done are others now."""
    if json.loads(done.read_bytes())["data"]["digest"] != _feed(work, part).batches.order.digest:
        raise InputError(
            f"{part.name} was trained on other packed data than are in {', '.join(part.data)} now",
            remedy="train anew in another `run`, or bring those data back",
        )


def _silent(_: str) -> None:
    """Ranks other than the first say nothing."""


def _choose_device(world: int, local: int) -> None:
    """Each process its own GPU, before anything is put on one."""
    if world == 1 and torch.cuda.device_count() > 1:
        raise InputError(
            f"there are {torch.cuda.device_count()} GPUs and one process",
            remedy="start one a GPU: torchrun --nproc-per-node=gpu -m datapipe train PLAN, or show one of them alone",
        )
    if torch.cuda.is_available():
        torch.cuda.set_device(local)


def _attention(plan: Plan) -> Choice:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if plan.attention is None and plan.precision == "float32":
        choice = choose("sdpa", device)._replace(why="varlen computes in half precision alone")
    else:
        choice = choose(plan.attention, device)
    if choice.name == "varlen":
        register()
    return choice


# ---------------------------------------------------------------------------------------------- a part


def _train_part(work: _Work, number: int) -> None:
    plan, part, folder = work.plan, work.plan.parts[number], work.folder(number)
    feed = _feed(work, part)
    batches = feed.batches
    folder.mkdir(parents=True, exist_ok=True)
    found = newest(folder, batches.order.digest)
    checkpoint, batches.first = found or (None, 0)
    if work.rank == 0:
        clear_unmarked(folder)
        for name in (LINES, METRICS):
            cut_back(folder / name, batches.first)
    if checkpoint is not None and not same_processes(checkpoint, work.world):
        work.tell(f"{part.name}: begun with another number of processes, so dropout will not be the same")
    # Before the model: accelerate chooses the device then, and DeepSpeed how weights are divided when they are read.
    args = arguments_of(plan, part, folder, steps=batches.steps, accumulation=batches.accumulation)
    model = _model(work, number)
    places = getattr(model.config, "max_position_embeddings", None)
    feed = replace(feed, vocabulary=model.get_input_embeddings().num_embeddings, positions=places)
    meter = Meter(feed.data.sources, args.device, _flops_of(model))
    trainer = PackedTrainer(
        model=model,
        args=args,
        feed=feed,
        held=None if part.evaluation is None else _held(work, part.evaluation),
        meter=meter,
        processing_class=load_tokenizer(work.tokenizer),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Recording(folder, part.name, feed, meter))
    if part.evaluation is not None and part.evaluation.patience is not None:
        trainer.add_callback(EarlyStoppingCallback(part.evaluation.patience))
    trainer.add_callback(Marking(batches.state))
    work.tell(f"{part.name}: {batches.steps:,} steps of {batches.batch:,} sequences" + _from(batches.first))
    if batches.steps == 1 and part.warmup:
        work.tell(f"{part.name}: its only step has a rate of 0, for the rate rises from there: set `warmup: 0`")
    with Stopping() as stopping:
        trainer.add_callback(stopping)
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    step = trainer.state.global_step
    if stopping.stopped:
        raise RunError(f"stopped as told after step {step:,} of {part.name}", remedy="go on with --resume")
    trainer.save_model(str(work.weights(number)))
    if work.rank == 0:
        carry_tokenizer(work.weights(number), work.tokenizer)
        write_whole(folder / DONE, {"steps": step, "data": batches.state(step)})
    together()
    if stopping.asked and number < len(plan.parts) - 1:  # in its last step: the part is done, the next not begun
        raise RunError(f"stopped as told after {part.name}", remedy="go on with --resume")


def _flops_of(model: Any) -> Callable[[list[int]], float] | None:
    """FLOPs of training on documents of some lengths; None for a model whose shape is not known."""
    try:
        shape = shape_of(model.config)
    except InputError:
        return None
    held = all(not parameter.requires_grad for name, parameter in model.named_parameters() if "lora_" not in name)
    added = sum(each.numel() for name, each in model.named_parameters() if "lora_" in name)
    return lambda documents: flops(shape, documents, frozen=held, adapters=added).model


def _from(first: int) -> str:
    return f", from step {first:,} on" if first else ""


def _feed(work: _Work, part: Part) -> Feed:
    data = JoinedDataset(part.data)
    if not len(data):
        raise InputError(f"{', '.join(part.data)}: no sequences", remedy="pack documents first")
    if not any(each["trained"] for folder in part.data for each in manifest_of(Path(folder))["sources"].values()):
        raise InputError(
            f"{', '.join(part.data)}: no token has a loss", remedy="look at `mask` of tokenize, and pack anew"
        )
    plan, total = work.plan, part.positions(len(data))
    order = OrderedSampler(data.digest, len(data), seed=plan.seed, epochs=math.ceil(part.epochs), shuffle=part.shuffle)
    batches = StepBatches(
        order=order,
        total=total,
        batch=min(total, part.batch_sequences(data.length)),
        micro=plan.micro_batch,
        rank=work.rank,
        world=work.world,
    )
    return Feed(data=data, batches=batches, attention=work.attention.name)


def _held(work: _Work, evaluation: Evaluation) -> Feed:
    """All sequences held back, or the first of them, in one go."""
    data = JoinedDataset(evaluation.data)
    total = min(len(data), evaluation.sequences or len(data))
    order = OrderedSampler(data.digest, len(data), seed=0)
    micro = work.plan.micro_batch
    batches = StepBatches(
        order=order, total=total, batch=micro * work.world, micro=micro, rank=work.rank, world=work.world
    )
    return Feed(data=data, batches=batches, attention=work.attention.name)


def _model(work: _Work, number: int) -> Any:
    """The model that a part begins with, frozen in part, tried for whether it keeps documents apart."""
    plan, part = work.plan, work.plan.parts[number]
    before = work.weights(number - 1) if number else None
    model: Any = load_model(plan, work.tokenizer, work.attention.name, length=work.length, before=before)
    stays = frozen(model, part.freeze) if part.freeze else ()
    if stays:
        work.tell(f"{part.name}: {len(stays):,} parameters stay as they are")
    refuse(model, work.attention.name)
    if plan.fsdp is None and plan.deepspeed is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        if plan.model.quantise is None:
            model.to(device)
        half = plan.precision != "float32"
        with torch.autocast(device, getattr(torch, plan.precision) if half else torch.bfloat16, enabled=half):
            check_isolation(model, work.attention.name)
    else:
        work.tell(f"{part.name}: the model is not tried for keeping documents apart, since each process holds a share")
    return model


# ---------------------------------------------------------------------------------------------- what comes out


def _finish(work: _Work, overruled: Overruled | None) -> None:
    """Merge adapters, and write the cards."""
    plan = work.plan
    logs = [work.folder(number) / LINES for number in range(len(plan.parts))]
    digests = {folder: JoinedDataset([folder]).digest for folder in folders_of(plan)}
    text = card(plan, seen_by_source(logs), digests, Gates(unjudged(folders_of(plan)), overruled))
    places = [Path(plan.run) / MODEL]
    into = Path(plan.run) / MERGED
    if plan.peft is not None and plan.merge:
        places += [into] if merged(plan, places[0], into, tokenizer_folder=work.tokenizer, length=work.length) else []
    for place in places:
        (place / "README.md").write_text(text, encoding="utf-8")
