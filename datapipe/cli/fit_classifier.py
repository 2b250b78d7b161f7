"""`datapipe fit classifier`: train a small model of texts from labelled ones."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from datapipe.cli.options import console, table

if TYPE_CHECKING:
    from datapipe.algo.linear import LinearModel
    from datapipe.algo.ngrams import Shape
    from datapipe.fit import Labelled

__all__ = ["fit_classifier"]

MOST_DOCUMENTS = 500_000
BITS = (10, 20)  # more would not fit into MOST_BYTES
TELL_SECONDS = 10.0  # between two lines on how far it is
MOST_BYTES = 2_000_000  # of a model's file

T = TypeVar("T")


def _pairs(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """`a=b` and `a=b,c=d`, as a dictionary."""
    pairs = {}
    for part in ",".join(given).split(","):
        key, equals, value = part.partition("=")
        if part and not (equals and key and value):
            raise click.BadParameter(f"{part!r} is not of the form name=value")
        if part:
            pairs[key.strip()] = value.strip()
    return pairs


def _range(_context: click.Context, _option: click.Parameter, given: str) -> tuple[int, int]:
    """`2-4`, or `none`."""
    low, _, high = given.partition("-")
    if given == "none":
        return 1, 0
    if not (low.isdecimal() and high.isdecimal() and 1 <= int(low) <= int(high) <= 8):
        raise click.BadParameter("write none, or two lengths from 1 to 8 such as 2-4")
    return int(low), int(high)


def _shape_options(command: Callable[..., T]) -> Callable[..., T]:
    """What the model sees."""
    for option in (
        click.option(
            "--window", type=click.IntRange(8, 4096), default=512, show_default=True, help="Words judged at once."
        ),
        click.option(
            "--bits", type=click.IntRange(*BITS), default=18, show_default=True, help="2^BITS weights a label."
        ),
        click.option("--characters", callback=_range, default="2-4", show_default=True, help="N-grams within words."),
        click.option(
            "--words", type=click.IntRange(1, 8), default=2, show_default=True, help="Longest n-gram of words."
        ),
        click.option(
            "--terms",
            type=click.Path(path_type=Path, dir_okay=False, exists=True),
            help="File of words for groups of people, which the model takes for one and the same word.",
        ),
    ):
        command = option(command)
    return command


@click.command("classifier")
@click.argument("data", nargs=-1, required=True, metavar="[LABEL=]FILE...")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The model, MODEL.npz.")
@click.option("--fields", multiple=True, callback=_pairs, metavar="OURS=YOURS", help="text, label, group, host, url.")
@click.option(
    "--names", multiple=True, callback=_pairs, metavar="YOURS=LABEL", help="Labels; lines of others are left out."
)
@click.option("--also", multiple=True, metavar="FILES", help="Labelled texts that are only trained on.")
@click.option("--test", multiple=True, metavar="FILES", help="Labelled texts to measure on, instead of a share.")
@click.option(
    "--held-out", type=click.FloatRange(0.01, 0.9), default=0.2, show_default=True, help="Share to measure on."
)
@click.option(
    "--balance", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="1: all labels weigh the same."
)
@click.option("--about", metavar="TEXT", help="What the data is, for the card. [default: the file names]")
@click.option("--licence", metavar="TEXT", default="not stated", help="Licence of the data, for the card.")
@click.option(
    "--limit", type=click.IntRange(10), default=MOST_DOCUMENTS, show_default=True, help="Documents kept, by hash."
)
@click.option("--force", is_flag=True, help="Write over existing files.")
@_shape_options
def fit_classifier(  # noqa: PLR0913 - one parameter an option
    *,
    data: tuple[str, ...],
    out: Path,
    fields: dict[str, str],
    names: dict[str, str],
    also: tuple[str, ...],
    test: tuple[str, ...],
    held_out: float,
    balance: float,
    about: str | None,
    licence: str,
    limit: int,
    force: bool,
    terms: Path | None,
    **seen: Any,
) -> None:
    """Train a small linear model that tells labels of texts: quality, spam, toxicity, or any other.

    FILES are JSON lines with the fields text and label, and group, host or url where documents belong together: those
    are then trained on together or measured on together. LABEL=FILE gives all lines of a file one label. --also takes
    our field and label names. The model is one file without code, with a card (MODEL.md) beside it.

    In a recipe: {use: filter.classifier, engine: linear, model: MODEL.npz, drop: {spam: 0.9}}.

    \b
    Examples:
      datapipe fit classifier labelled.jsonl --out spam.npz --fields text=body --licence CC-BY-4.0
      datapipe fit classifier good=books.jsonl crawl=pages.jsonl --out quality.npz
    """
    from datapipe.errors import InputError
    from datapipe.fit import FIELDS, Options, Origin, Reading, labelled
    from datapipe.fit import fit_classifier as fitted

    _check(out, fields, FIELDS, force=force)
    reading = Reading(fields, names, limit)
    origin = Origin(about or _names(data), licence, tuple(map(_name, data + also)), tuple(map(_name, test)))
    documents = labelled(data, reading)
    _say_read(documents)
    model = fitted(
        documents,
        shape=_shape(**seen),
        options=Options(balance=balance, progress=_Progress()),
        origin=origin,
        held=held_out,
        test=labelled(test, reading) if test else None,
        extra=labelled(also, Reading(limit=limit)) if also else None,
        terms=_terms(terms),
    )
    try:
        _write(out, model)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}", remedy="give another --out") from error
    _print(model, out)


class _Progress:
    """A line every few seconds on how far the training is."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()

    def __call__(self, done: int, every: int) -> None:
        """Documents learnt from, of all in all passes."""
        from datapipe.units import say_seconds

        now = time.monotonic()
        if now - self._told >= TELL_SECONDS:
            self._told = now
            left = say_seconds((now - self._began) / done * (every - done))
            click.echo(f"training: {done / every:.0%}, {left} left", err=True)


def _say_read(documents: Labelled) -> None:
    """How many documents there are of each label, and what was left out and why."""
    counts = sorted(Counter(documents.labels.tolist()).items())
    told = ", ".join(f"{count:,} {label}" for label, count in counts)
    left_out = ", ".join(f"{cause} {count:,}" for cause, count in documents.left_out.items())
    click.echo(f"read {told}" + (f"; lines left out: {left_out}" if left_out else ""), err=True)


def _check(out: Path, fields: dict[str, str], known: tuple[str, ...], *, force: bool) -> None:
    from datapipe.errors import InputError

    for name in fields:
        if name not in known:
            raise InputError(f"--fields: {name!r} is none of ours", remedy=f"name {', '.join(known)}")
    if out.suffix != ".npz":
        raise InputError(f"{out} does not end in .npz", remedy=f"write --out {out.with_suffix('.npz')}")
    for path in (out, out.with_suffix(".md")):
        if path.exists() and not force:
            raise InputError(f"{path} exists", remedy="give another --out, or --force to write over it")


def _shape(*, bits: int, words: int, characters: tuple[int, int], window: int) -> Shape:
    from datapipe.algo.ngrams import Shape

    return Shape(bits, words, *characters, window)


def _terms(path: Path | None) -> tuple[str, ...]:
    """Words with spaces between; `#` begins a comment."""
    if path is None:
        return ()
    from datapipe.errors import InputError

    try:
        told = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--terms: {path} cannot be read", remedy="write it as UTF-8, words and spaces") from error
    lines = (line.partition("#")[0] for line in told.splitlines())
    return tuple(word for line in lines for word in line.split())


def _name(path: str) -> str:
    from datapipe.fit import path_of

    return Path(path_of(path)[1]).name


def _names(paths: tuple[str, ...]) -> str:
    return ", ".join(map(_name, paths))


def _write(out: Path, model: LinearModel) -> None:
    from datapipe.fit import model_card

    out.parent.mkdir(parents=True, exist_ok=True)
    model.save(out)
    out.with_suffix(".md").write_text(model_card(out.name, model, out.stat().st_size), encoding="utf-8")


def _print(model: LinearModel, out: Path) -> None:
    from datapipe.fit import unmeasured

    held = model.record["held_out"]
    made = table("label", "documents", "AUC")
    for column in made.columns[1:]:
        column.justify = "right"
    for label, of in held["labels"].items():
        made.add_row(label, f"{of['documents']:,}", "none" if of["auc"] is None else f"{of['auc']:.3f}")
    console().print(made)
    click.echo(
        f"{model.record['trained_on']:,} documents trained on, {held['documents']:,} held out: accuracy "
        f"{held['accuracy']:.3f} (most frequent label: {held['most_frequent_label']:.3f}), calibration error "
        f"{held['calibration_error']:.3f}"
    )
    if lacking := unmeasured(model.record):
        click.echo(f"warning: {lacking}", err=True)
    size = out.stat().st_size
    if size > MOST_BYTES:
        click.echo(f"warning: {size:,} bytes are much for a model; fewer --bits make it smaller", err=True)
    click.echo(f"wrote {out} ({size:,} bytes) and {out.with_suffix('.md')}")
