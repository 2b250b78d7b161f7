"""`datapipe trace`: from a packed sequence, a token of it, or a step of training, to documents and their stories."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datapipe.cli.options import STAGES_OPTION, console, table

if TYPE_CHECKING:
    from datapipe.lineage import Sequence

__all__ = ["trace"]


@click.command("trace")
@click.argument("packed", metavar="RUN/STAGE")
@click.argument("sequence", type=click.IntRange(0), required=False)
@click.argument("token", type=click.IntRange(0), required=False)
@click.option("--step", type=click.IntRange(1), help="A step of training instead of SEQUENCE: all that it was of.")
@click.option(
    "--log",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Of --step: sequences.jsonl, in the folder of a part that `datapipe train` trained.",
)
@STAGES_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def trace(
    packed: str,
    sequence: int | None,
    token: int | None,
    stages_dir: Path | None,
    *,
    step: int | None,
    log: Path | None,
    as_json: bool,
) -> None:
    """Show which documents a packed sequence is made of; with TOKEN, the whole story of the document it is of.

    RUN/STAGE is the folder that `write.packed` wrote. Sequences and tokens are counted from 0, sequences through all
    files. With --step, the sequences are those that a step of training was made of: where the loss leapt. Personal
    data in what is shown is masked.

    \b
    Examples:
      datapipe trace runs/mixed/out 1200
      datapipe trace runs/mixed/out 1200 37
      datapipe trace runs/mixed/out --step 310 --log runs/train/1-cpt/sequences.jsonl
    """
    import json

    from datapipe.lineage import sequence_of

    found = [sequence_of(packed, number) for number in _numbers(packed, sequence, step, log)]
    if as_json:
        told = [_plain(each, token) for each in found]
        click.echo(json.dumps(told[0] if step is None else {"step": step, "sequences": told}))
        return
    for each in found:
        _print(each)
    if token is not None:
        stretch = found[0].stretch_at(token)
        click.echo("\n".join(_told(found[0], token)))
        _explain(posixpath.dirname(packed.rstrip("/")), stretch.id, stages_dir)


def _numbers(packed: str, sequence: int | None, step: int | None, log: Path | None) -> list[int]:
    """The sequence named, or those of a step."""
    from datapipe.errors import InputError

    if (sequence is None) == (step is None) or (step is None) != (log is None):
        raise InputError("name a sequence, or a step and its log", remedy="such as 1200, or --step 310 --log FILE")
    if step is None or log is None:
        return [] if sequence is None else [sequence]
    from datapipe.train.log import sequences_at

    return sequences_at(log, step, packed)


def _print(found: Sequence) -> None:
    from datapipe.lineage import safe

    made = table(
        f"sequence {found.number:,} of {found.file}", "tokens", "with loss", "document", "source", "its tokens"
    )
    for each in found.stretches:
        trained = int(found.trained[each.offset : each.stop].sum())
        place = f"{each.start:,} to {each.end - 1:,}"
        made.add_row(
            f"{each.offset:,} to {each.stop - 1:,}", f"{trained:,}", safe(each.id), safe(each.source or "·"), place
        )
    console().print(made)


def _told(found: Sequence, token: int) -> list[str]:
    """Which token of which document it is, and its text."""
    from datapipe.lineage import safe

    stretch = found.stretch_at(token)
    loss = "carries loss" if found.trained[token] else "carries no loss"
    lines = [f"Token {token:,} is token {stretch.start + token - stretch.offset:,} of its document, and {loss}."]
    around = found.around(token)
    if around is not None:
        before, own, behind = around
        whole = safe(f"{before}\u27e6{own}\u27e7{behind}")
        lines.append(f"  …{whole}…")
    return [*lines, ""]


def _explain(run: str, key: str, stages_dir: Path | None) -> None:
    from datapipe.cli.explain import tell_document
    from datapipe.cli.telling import open_run

    tell_document(open_run(run, stages_dir), run, key)


def _plain(found: Sequence, token: int | None) -> dict[str, Any]:
    from datapipe.lineage import safe

    stretches = [
        {"offset": e.offset, "id": safe(e.id), "source": safe(e.source or ""), "start": e.start, "end": e.end}
        for e in (found.stretches if token is None else (found.stretch_at(token),))
    ]
    return {"sequence": found.number, "file": found.file, "token": token, "documents": stretches}
