"""`datapipe train`: train a model on packed data, as a plan says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from datapipe.train.plan import Plan

__all__ = ["train"]


@click.command("train")
@click.argument("plan", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set an option of the plan, such as seed=3, model.name=runs/a/model, parts.0.epochs=2 or parts.sft.epochs=2.",
)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint; from the start where there is none.")
@click.option("--suggest", is_flag=True, help="Print what rules of thumb set for this plan, and why; train nothing.")
@click.option("--estimate", is_flag=True, help="Print the memory that training will take; train nothing.")
@click.option("--force", is_flag=True, help="Train although packed data did not meet their gates; needs --reason.")
@click.option("--reason", metavar="TEXT", help="Why, for the model card.")
def train(
    plan: Path,
    settings: tuple[str, ...],
    reason: str | None,
    *,
    resume: bool,
    suggest: bool,
    estimate: bool,
    force: bool,
) -> None:
    """Train a model on packed data: the parts of PLAN, in order.

    PLAN is a YAML file; `datapipe schema --plan` says all that it may hold. The smallest:

    \b
      run: runs/train
      model: {config: {model_type: llama, hidden_size: 512, num_hidden_layers: 8}}
      parts:
        - {name: cpt, data: [runs/cpt_sft/out], epochs: 1, learning_rate: 3.0e-4, batch_tokens: 262144}

    After a crash, SIGTERM or SIGKILL, the same command with --resume goes on with the same batches. On several GPUs:
    torchrun --nproc-per-node=gpu -m datapipe train PLAN. What a step was trained on: datapipe trace RUN/STAGE --step.

    \b
    Examples:
      datapipe train plan.yaml
      datapipe train plan.yaml --set parts.0.epochs=2 --resume
    """
    from datapipe.errors import InputError
    from datapipe.train.plan import read_plan

    if force != bool(reason and reason.strip()):
        raise InputError("--force and --reason go together", remedy="say why: --force --reason TEXT")
    told = read_plan(plan, settings)
    if suggest:
        _suggest(told)
    if estimate:
        _estimate(told)
    if not (suggest or estimate):
        _carry_out(told, resume=resume, reason=reason if force else None)


def _carry_out(plan: Plan, *, resume: bool, reason: str | None) -> None:
    from datapipe.algo.models import package

    for module in ("torch", "transformers", "accelerate", *(["peft"] if plan.peft is not None else [])):
        package(module, extra="train", stage="datapipe train")
    from datapipe.train.training import train as carry_out

    click.echo(f"the model is in {carry_out(plan, resume=resume, reason=reason, tell=click.echo)}")


def _suggest(plan: Plan) -> None:
    from datapipe.cli.options import console, table
    from datapipe.train.suggest import suggest

    made = table("option", "value", "why")
    for field, value, reason in suggest(plan):
        made.add_row(field, str(value), reason)
    console().print(made)


def _estimate(plan: Plan) -> None:
    from datapipe.train.estimate import estimate

    click.echo(str(estimate(plan.model.config, plan)))
