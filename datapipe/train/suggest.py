"""What rules of thumb set for a plan, each with its reason: `datapipe train PLAN --suggest`.

What: from the packed data's ledger and the model: epochs, batch, learning rate and warm-up of each part, and adapters.
Why: these numbers are guessed anew in every training, mostly the same way. They are where to begin, and no more: a
short run with half and with double the learning rate tells better.
A part is continued pretraining (CPT) where more than half of its tokens carry loss, else fine-tuning (SFT), where the
answers alone do; the first part of random weights is pretraining.
Costs nothing: ledgers are read, not tokens.
Source: highest rates and batches of pretraining by size: Brown et al. 2020 (GPT-3), table 2.1; the root of the batch's
factor: Malladi et al. 2022, for Adam; a tenth of pretraining's rate to go on, warm-up of 1% of the steps for each epoch
and 1 to 3 epochs of SFT: habits of the trade; SFT at 2e-5: Touvron et al. 2023 (Llama 2); LoRA on all linear layers at
2e-4: Dettmers et al. 2023 (QLoRA). Numbers of tokens from which this or that is told are of this module.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from datapipe.train.estimate import config_of
from datapipe.train.packed import PackedDataset
from datapipe.train.plan import Part, Plan
from datapipe.train.shape import shape_of

__all__ = ["Suggestion", "pretraining_rate", "suggest"]

Kind = Literal["pretraining", "cpt", "sft"]
# Parameters, highest learning rate, tokens of a batch (Brown et al. 2020, table 2.1).
_PRETRAINED = (
    (125e6, 6.0e-4, 524_288),
    (350e6, 3.0e-4, 524_288),
    (760e6, 2.5e-4, 524_288),
    (1.3e9, 2.0e-4, 1_048_576),
    (2.7e9, 1.6e-4, 1_048_576),
    (6.7e9, 1.2e-4, 2_097_152),
    (13e9, 1.0e-4, 2_097_152),
)
GOING_ON = 0.1  # share of pretraining's highest rate
FULL_RATE, ADAPTER_RATE = 2e-5, 2e-4  # of fine-tuning
FINE_TUNING_BATCH = 131_072  # tokens
FEWEST_STEPS = 100  # of an epoch, below which the batch is made smaller
WARMUP, WARMUP_GOING_ON, MOST_WARMUP = 0.01, 0.02, 0.1  # shares of the steps: an epoch's, at least, at most
FEW, MANY = 10_000_000, 100_000_000  # tokens that carry loss


class Suggestion(NamedTuple):
    """An option of the plan, what to set it to, and why."""

    field: str
    value: Any
    reason: str


class _Data(NamedTuple):
    """What the folders of a part hold together."""

    length: int
    tokens: int
    trained: int

    @property
    def share(self) -> float:
        """Share of tokens that carry loss."""
        return self.trained / max(1, self.tokens)


def pretraining_rate(parameters: float) -> tuple[float, int]:
    """The highest learning rate and the tokens of a batch with which the model nearest in size was pretrained."""
    _, rate, batch = min(_PRETRAINED, key=lambda row: abs(math.log(row[0] / parameters)))
    return rate, batch


def suggest(plan: Plan, parameters: int | None = None) -> list[Suggestion]:
    """What to set in a plan, part by part. `parameters`: of the model; None: told from its shape.

    Raises InputError if packed data cannot be read, or the shape of the model is not known.
    """
    size = shape_of(config_of(plan)).parameters if parameters is None else parameters
    made: list[Suggestion] = []
    least = math.inf
    for number, part in enumerate(plan.parts):
        data = _data(part)
        kind = _kind(plan, number, data)
        made += [
            Suggestion(f"parts.{part.name}.{field}", value, reason)
            for field, value, reason in _of_part(plan, part, kind=kind, data=data, size=size)
        ]
        least = min(least, data.trained)
    return made + _adapters(plan, least)


def _data(part: Part) -> _Data:
    told = [PackedDataset(folder).manifest for folder in part.data]
    tokens, trained = (sum(int(manifest[name]) for manifest in told) for name in ("tokens", "trained"))
    return _Data(max(int(manifest["length"]) for manifest in told), tokens, trained)


def _kind(plan: Plan, number: int, data: _Data) -> Kind:
    if data.share <= 0.5:
        return "sft"
    return "pretraining" if number == 0 and plan.model.name is None else "cpt"


def _of_part(plan: Plan, part: Part, *, kind: Kind, data: _Data, size: int) -> Iterator[tuple[str, Any, str]]:
    """Epochs, batch, rate, warm-up, floor."""
    what = f"{data.share:.0%} of its {data.tokens:,} tokens carry loss"
    epochs = part.epochs
    if kind == "sft":
        epochs = 3 if data.trained < FEW else 2 if data.trained < MANY else 1
        yield "epochs", epochs, f"fine-tuning ({what}) takes 1 to 3; the fewer tokens, the more"
    rate, full_batch = pretraining_rate(size)
    usual = FINE_TUNING_BATCH if kind == "sft" else full_batch
    batch = max(1, min(usual, data.tokens // FEWEST_STEPS) // data.length) * data.length
    of = "fine-tuning" if kind == "sft" else f"pretraining at {size:,} parameters"
    lowered = f", less here, for {FEWEST_STEPS} steps an epoch" if batch < usual - data.length else ""
    yield "batch_tokens", batch, f"{usual:,} tokens are usual for {of}{lowered}; whole sequences of {data.length:,}"
    yield "learning_rate", *_rate(plan, kind, rate, batch / full_batch)
    yield "warmup", *_warmup(kind, epochs)
    yield (
        "floor",
        0.1 if kind != "sft" else 0.0,
        "the share of the highest rate that the last steps have"
        + ("; none after fine-tuning" if kind == "sft" else ", so that training can go on"),
    )


def _rate(plan: Plan, kind: Kind, highest: float, factor: float) -> tuple[float, str]:
    if kind == "sft":
        adapted = plan.peft is not None
        what = "adapters are fine-tuned" if adapted else "all weights are fine-tuned"
        return ADAPTER_RATE if adapted else FULL_RATE, f"at which {what}; try a third and three times as much"
    scaled = highest * math.sqrt(factor)
    root = f"× √{factor:.3g}, the batch against that of pretraining"
    if kind == "pretraining":
        return _rounded(scaled), f"random weights: {highest:g}, the highest at this size, {root}"
    return _rounded(GOING_ON * scaled), f"goes on from trained weights: a tenth of pretraining's {highest:g} {root}"


def _warmup(kind: Kind, epochs: float) -> tuple[float, str]:
    share = WARMUP * epochs
    if kind == "cpt":
        return min(MOST_WARMUP, max(share, WARMUP_GOING_ON)), (
            "1% of the steps for each epoch, and 2% at least: weights are trained, the optimizer's state is new"
        )
    return min(MOST_WARMUP, share), "1% of the steps for each epoch"


def _adapters(plan: Plan, trained: float) -> list[Suggestion]:
    """LoRA, where the plan has it."""
    if plan.peft is None or str(plan.peft.get("peft_type", "LORA")).upper() != "LORA":
        return []
    rank = 8 if trained < FEW else 16 if trained < MANY else 32
    return [
        Suggestion("peft.target_modules", "all-linear", "with attention alone LoRA stays behind full fine-tuning"),
        Suggestion("peft.r", rank, f"8 to 32, the more the more tokens carry loss (here {trained:,})"),
        Suggestion("peft.lora_alpha", 2 * rank, "once or twice the rank; twice, with the learning rate above"),
    ]


def _rounded(rate: float) -> float:
    """Two figures."""
    return float(f"{rate:.1e}")
