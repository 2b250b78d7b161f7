"""Prints packed sequences token by token: what is trained, what is control, and whose each stretch is.

On a terminal colours tell them apart, elsewhere marks. Costs importing `datapipe.lineage`; import it inside a command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from datapipe.cli.options import console
from datapipe.lineage import Packed, Spelled, Stretch, mask_url, open_packed, spelled
from datapipe.lineage import Sequence as PackedSequence

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["show_packed"]

# Marks of plain output; where a text holds one of them it is written out, so that none can be mistaken.
OPEN, CLOSE, BETWEEN, CONTROL = "⟦", "⟧", "│", "«»"
_MARKS = str.maketrans({mark: f"\\u{ord(mark):04x}" for mark in (OPEN, CLOSE, BETWEEN, *CONTROL)})
TRAINED, UNTRAINED, AS_CONTROL = "green", "bright_black", "magenta"  # every second token underlined
_BREAK = "⏎\n"


def show_packed(
    folder: str, numbers: Sequence[int], *, drawn: tuple[int, int], tokens: str | None, plain: bool
) -> None:
    """Print sequences by number or, without, some `drawn` by (number, seed); of them the tokens, such as 100:200."""
    packed = open_packed(folder)
    out = console()
    plain = plain or not out.is_terminal or out.color_system is None
    chosen = numbers or packed.drawn(*drawn)
    first, stop = _bounds(tokens)
    for place, number in enumerate(chosen):
        found = packed.sequence(number)
        if first >= len(found.tokens):
            found.stretch_at(first)  # raises
        click.echo("\n".join(["" for _ in range(place > 0)] + _head(packed, found, plain=plain)))
        for stretch in found.stretches:
            low, high = max(first, stretch.offset), min(stop or stretch.stop, stretch.stop)
            if low >= high:
                continue
            click.echo(_rule(stretch, found))
            shown = spelled(found, stretch)[low - stretch.offset : high - stretch.offset]
            if plain:
                click.echo(_plain(shown, ids=packed.tokenizer is None))
            else:
                out.print(_coloured(shown, ids=packed.tokenizer is None), soft_wrap=True)
    if not chosen:
        click.echo("no sequences")


def _bounds(tokens: str | None) -> tuple[int, int | None]:
    """The first token of FIRST:END, and that behind the last, if one is named."""
    if not tokens:
        return 0, None
    hit = re.fullmatch(r"(\d{0,9}):(\d{0,9})", tokens)
    if hit is None or (hit[2] and int(hit[2]) <= int(hit[1] or 0)):
        raise click.BadParameter(f"{tokens!r} is no range: give FIRST:END, such as 100:200", param_hint="'--tokens'")
    return int(hit[1] or 0), int(hit[2]) if hit[2] else None


def _head(packed: Packed, found: PackedSequence, *, plain: bool) -> list[str]:
    count, trained = len(found.tokens), int(found.trained.sum())
    documents = len({each.id for each in found.stretches})
    fill = f"{count:,} tokens, {count / packed.length:.1%} of {packed.length:,}"
    share = f"{trained:,} tokens trained, {trained / max(1, count):.1%}"
    held = f"{_counted(documents, 'document')}; {share}"
    lines = [f"sequence {found.number:,} of {packed.sequences:,}, in {found.file}: {fill}; {held}"]
    if packed.tokenizer is None:
        lines.append("no tokenizer stands beside it, or the package `tokenizers` is missing: tokens are numbers")
    if plain:
        control, cut = f"{CONTROL[0]}control token{CONTROL[1]}", "‹e6bd› bytes of a character that is cut"
        lines.append(f"{OPEN}trained{CLOSE}  {BETWEEN} between tokens  {control}  {cut}  {OPEN}0.5× weight{CLOSE}")
    else:
        lines.append("green: trained; grey: not; magenta: control token; every second token is underlined")
    return lines


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _rule(stretch: Stretch, found: PackedSequence) -> str:
    """The border above a document."""
    trained = int(found.trained[stretch.offset : stretch.stop].sum())
    source = f", {mask_url(stretch.source)}" if stretch.source else ""
    return (
        f"── from {stretch.offset:,}: document {mask_url(stretch.id)}{source}, its tokens [{stretch.start}, "
        f"{stretch.end}), {trained:,} trained"
    )


def _weight(weight: float) -> str:
    """What stands before trained tokens of a weight that is not 1."""
    return "" if weight == 1 else f"{weight:.3g}× "


def _plain(shown: list[Spelled], *, ids: bool) -> str:
    """Tokens between marks; trained ones of one weight stand together."""
    parts = []
    for (trained, weight), some in groupby(shown, key=lambda each: (each.trained, each.weight)):
        texts = (_marked(each) for each in some)
        text = (" " if ids else BETWEEN).join(texts)
        parts.append(f"{OPEN}{_weight(weight)}{text}{CLOSE}" if trained else text)
    return (" " if ids else BETWEEN).join(parts)


def _marked(each: Spelled) -> str:
    text = each.text.translate(_MARKS)
    return f"{CONTROL[0]}{text}{CONTROL[1]}" if each.control else text.replace("\n", _BREAK)


def _coloured(shown: list[Spelled], *, ids: bool) -> Text:
    from rich.text import Text

    made = Text()
    for piece, style in _styled(shown, ids=ids):
        made.append(piece, style)
    return made


def _styled(shown: list[Spelled], *, ids: bool) -> Iterator[tuple[str, str]]:
    before: float | None = None
    for place, each in enumerate(shown):
        colour = AS_CONTROL if each.control else TRAINED if each.trained else UNTRAINED
        if each.trained and each.weight not in {1, before}:
            yield _weight(each.weight), "yellow"
        before = each.weight if each.trained else None
        bold = "bold " if each.control and each.trained else ""
        yield each.text.replace("\n", _BREAK), f"{bold}{colour}{' underline' if place % 2 else ''}"
        if ids:
            yield " ", ""
