"""`datapipe trace`: from a packed sequence, or a token of it, to the documents and all that happened to them."""

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
@click.argument("sequence", type=click.IntRange(0))
@click.argument("token", type=click.IntRange(0), required=False)
@STAGES_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def trace(packed: str, sequence: int, token: int | None, stages_dir: Path | None, *, as_json: bool) -> None:
    """Show which documents a packed sequence is made of; with TOKEN, the whole story of the document it is of.

    RUN/STAGE is the folder that `write.packed` wrote. Sequences and tokens are counted from 0, sequences through all
    files. Personal data in what is shown is masked.

    \b
    Examples:
      datapipe trace runs/mixed/out 1200
      datapipe trace runs/mixed/out 1200 37
    """
    import json

    from datapipe.lineage import sequence_of

    found = sequence_of(packed, sequence)
    if as_json:
        click.echo(json.dumps(_plain(found, token)))
        return
    _print(found)
    if token is not None:
        stretch = found.stretch_at(token)
        click.echo("\n".join(_told(found, token)))
        _explain(posixpath.dirname(packed.rstrip("/")), stretch.id, stages_dir)


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
