"""`datapipe bias`: what a run did to the documents that mention a group of people."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datapipe.cli.options import STAGES_OPTION, console, table

if TYPE_CHECKING:
    from datapipe.algo.mentions import Association, Mentions, Share
    from datapipe.lineage import Bias

__all__ = ["bias"]

EVERYONE = "all documents"


@click.command("bias")
@click.argument("run")
@click.option("--stage", metavar="STAGE", help="The stage that tells groups, where the run has several.")
@click.option("--score", metavar="COLUMN", help="A stored score from 0 to 1; default: the first `toxicity` of a stage.")
@click.option("--terms", is_flag=True, help="By term, such as religion:muslim, instead of by group.")
@click.option("--words", default=10, show_default=True, type=click.IntRange(min=0), help="Words a group; 0: no texts.")
@STAGES_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def bias(
    run: str, stage: str | None, stages_dir: Path | None, *, score: str | None, terms: bool, words: int, as_json: bool
) -> None:
    """Show, for each group of people that documents mention, how they score, where they leave, and their words.

    The run needs a stage that tells groups, such as mark.bias, before the filters to be looked at. What goes with a
    group is held against all documents in languages whose terms are known. Shares have intervals of 95%; `more` and
    `less` mean that the interval lies beyond the share of all. Words are those with the highest pointwise mutual
    information (in bits), in texts as they came to that stage, without the terms themselves.

    \b
    Examples:
      datapipe bias runs/quickstart
      datapipe bias runs/quickstart --terms --score mild.hate
      datapipe bias runs/quickstart --words 0 --json
    """
    import json

    from datapipe.cli.telling import open_run
    from datapipe.lineage import bias_of

    found = bias_of(open_run(run, stages_dir), stage, score=score, terms=terms, words=words)
    if as_json:
        click.echo(json.dumps(_plain(found), allow_nan=False))
    else:
        _print(found)


def _print(found: Bias) -> None:
    from datapipe.lineage import LEAST

    out = console()
    out.print(f"{found.stage}: {found.documents:,} documents came, {found.judged:,} in languages with terms for groups")
    if found.shards < found.of_shards:
        out.print(f"only {found.shards} of {found.of_shards} shards are done; the figures are for those")
    if not found.score:
        out.print("no stage stores a score; name a column with --score")
    out.print(_scores(found))
    if (rows := list(_losses(found))) and found.stages:
        made = table("stage", "of", "left", "came", "share", "95%", "against all")
        for column in made.columns[2:6]:
            column.justify = "right"
        for row in rows:
            made.add_row(*row)
        out.print(made)
    still = [name for name in found.stages if not any(mine.removed[name].hit for mine in found.mentions)]
    if still:
        out.print(f"none of them left at {', '.join(still)}")
    if any(found.words.values()):
        out.print(f"words of {LEAST} documents of a group or more, from {found.sampled:,} documents")
        made = table("of", "words (bits, documents of the group, of all)")
        for group, words in found.words.items():
            if words:
                made.add_row(group, ", ".join(map(_word, words)))
        out.print(made)


def _scores(found: Bias) -> Any:
    from datapipe.algo.mentions import QUANTILES

    made = table("of", "documents", f"with {found.score or 'a score'}", "mean", *(f"{part:.0%}" for part in QUANTILES))
    for column in made.columns[1:]:
        column.justify = "right"
    for each in found.mentions:
        numbers = (_number(value) for value in (each.mean, *each.quantiles))
        made.add_row(each.group or EVERYONE, f"{each.documents:,}", f"{each.scored:,}", *numbers)
    return made


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _losses(found: Bias) -> Iterator[tuple[str, ...]]:
    """A row for each group at each stage that any document left at."""
    for stage in found.stages:
        if not any(each.removed[stage].hit for each in found.mentions):
            continue
        usual = found.mentions[0].removed[stage]
        for number, each in enumerate(found.mentions):
            mine = each.removed[stage]
            if mine.total:
                interval = f"{mine.low:.1%} to {mine.high:.1%}"
                share = f"{mine.hit / mine.total:.1%}"
                counts = (f"{mine.hit:,}", f"{mine.total:,}", share, interval)
                yield (
                    "" if number else stage,
                    each.group or EVERYONE,
                    *counts,
                    _against(mine, usual) if number else "",
                )


def _against(mine: Share, usual: Share) -> str:
    share = usual.hit / usual.total
    if mine.low > share:
        return "more"
    return "less" if mine.high < share else ""


def _word(word: Association) -> str:
    from datapipe.lineage import safe

    return f"{safe(word.word)} ({word.pmi:.1f}, {word.documents:,}, {word.of:,})"


# ---------------------------------------------------------------------------------------------- JSON


def _plain(found: Bias) -> dict[str, Any]:
    from datapipe.lineage import LEAST

    return {
        "stage": found.stage,
        "score": found.score,
        "documents": found.documents,
        "judged": found.judged,
        "shards": {"done": found.shards, "of": found.of_shards},
        "groups": [_group(each, found.words.get(each.group or "", [])) for each in found.mentions],
        "words": {"documents": found.sampled, "least": LEAST},
    }


def _group(each: Mentions, words: list[Association]) -> dict[str, Any]:
    """`group` is null for all documents."""
    from datapipe.algo.mentions import QUANTILES
    from datapipe.lineage import safe

    quantiles = zip(QUANTILES, each.quantiles, strict=True)
    return {
        "group": each.group,
        "documents": each.documents,
        "scored": each.scored,
        "mean": _value(each.mean),
        "quantiles": {f"{part:g}": _value(value) for part, value in quantiles},
        "removed": {stage: _share(mine) for stage, mine in each.removed.items()},
        "words": [
            {"word": safe(one.word), "documents": one.documents, "of": one.of, "pmi": round(one.pmi, 4)}
            for one in words
        ],
    }


def _value(number: float) -> float | None:
    return None if math.isnan(number) else round(number, 6)


def _share(mine: Share) -> dict[str, Any]:
    share = mine.hit / mine.total if mine.total else None
    return {"left": mine.hit, "came": mine.total, "share": share, "low": mine.low, "high": mine.high}
