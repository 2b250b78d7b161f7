"""The run folder of a training: begun, or taken up again; by one process at a time, and by the same plan.

What may differ of a plan that is taken up again is where things are: fields declared `place`. Data that were moved keep
their digests, which are checked where they are read; the logs of what was trained on then name the new place.
Costs a small file, and where data were moved one rewriting of those logs.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datapipe.config import StageConfig
from datapipe.corpus.fingerprint import config_by_role
from datapipe.errors import InputError
from datapipe.train.log import LINES, renamed
from datapipe.train.plan import Plan, read_plan, written_plan

__all__ = ["DONE", "PLAN", "opened", "part_folder"]

PLAN = "plan.yaml"
DONE = "done.json"  # in the folder of a part
LOCK = ".lock"


def part_folder(plan: Plan, number: int) -> Path:
    """Of a part."""
    return Path(plan.run) / f"{number + 1}-{plan.parts[number].name}"


@contextmanager
def opened(plan: Plan, *, resume: bool) -> Iterator[None]:
    """The folder of a training, new or to be taken up again, held while the context lasts.

    Raises InputError where it is another's: of another plan, or of another process.
    """
    run = Path(plan.run)
    if (run / "manifest.json").is_file():
        raise InputError(f"{run} holds packed data", remedy="name another folder by `run`")
    run.mkdir(parents=True, exist_ok=True)
    with (run / LOCK).open("a", encoding="utf-8") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not inherited: loader workers outlive a kill
        except BlockingIOError:
            raise InputError(f"another process trains in {run}", remedy="wait for it, or end it") from None
        _settle(plan, resume=resume)
        yield


def _settle(plan: Plan, *, resume: bool) -> None:
    run, held = Path(plan.run), Path(plan.run) / PLAN
    if held.is_file():
        if not resume:
            raise InputError(f"{run} holds a training", remedy="go on with it by --resume, or name another `run`")
        old = read_plan(held)
        before, now = _measured(old), _measured(plan)
        changed = sorted(name for name in now if now[name] != before.get(name))
        if changed:
            raise InputError(
                f"{run} was begun with another plan: {', '.join(changed)} changed", remedy="train anew in another `run`"
            )
        _follow(old, plan)
    elif done := sorted(run.glob(f"*/{DONE}")):
        raise InputError(f"{done[0]} is of a training whose {PLAN} is gone", remedy="name another `run`")
    beside = run / f".{PLAN}.new"
    beside.write_text(written_plan(plan), encoding="utf-8")
    beside.replace(held)


def _measured(plan: Plan) -> dict[str, Any]:
    """What of a plan shapes the model that comes out."""
    told: dict[str, Any] = _of(plan)
    return told | {"arguments": plan.arguments}


def _of(value: Any) -> Any:
    if isinstance(value, StageConfig):
        return {name: _of(getattr(value, name)) for name in config_by_role(value, "measure")}
    return [_of(each) for each in value] if isinstance(value, tuple) else value


def _follow(before: Plan, now: Plan) -> None:
    for number, (old, new) in enumerate(zip(before.parts, now.parts, strict=True)):
        names = {one: other for one, other in zip(old.data, new.data, strict=False) if one != other}
        if names:
            renamed(part_folder(now, number) / LINES, names)
