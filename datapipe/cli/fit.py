"""`datapipe fit`: make what filters need from reference documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datapipe.cli.fit_classifier import fit_classifier
from datapipe.cli.options import STAGES_OPTION, console, table

if TYPE_CHECKING:
    import pyarrow as pa

    from datapipe.fit import Fit
    from datapipe.registry import Registry

__all__ = ["fit"]

MOST_DOCUMENTS = 100_000  # more hardly move a percentile


@click.group("fit")
def fit() -> None:
    """Make what filters need from reference documents.

    \b
    Example:
      datapipe fit language --reference sw.jsonl --out languages
    """


fit.add_command(fit_classifier)


@fit.command("language")
@click.option("--reference", multiple=True, required=True, metavar="FILES", help="Good documents of the language.")
@click.option("--code", help="Its ISO 639 code. [default: the name of the file of documents]")
@click.option("--against", multiple=True, metavar="FILES", help="English documents of the same kind.")
@click.option("--about", metavar="TEXT", help="What the reference is, for the record. [default: its file names]")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default="languages", show_default=True)
@click.option("--limit", type=click.IntRange(1), default=MOST_DOCUMENTS, show_default=True, help="Documents read.")
@click.option("--force", is_flag=True, help="Write over an existing file.")
@STAGES_OPTION
def fit_language(  # noqa: PLR0917 - one parameter an option
    reference: tuple[str, ...],
    code: str | None,
    against: tuple[str, ...],
    about: str | None,
    out: Path,
    limit: int,
    stages_dir: Path | None,
    *,
    force: bool,
) -> None:
    """Write the file of a language, so that filters treat it as they treat English.

    Each threshold lies where it drops as many of the reference documents as the English threshold drops English
    ones; stop words are the most frequent words. FILES are JSON lines or Parquet, such as the filters will meet:
    whole documents, good ones. English shares come with datapipe; --against measures them on documents of yours,
    best on the same texts in English.

    In a recipe: {use: filter.gopher, languages: DIR}.

    \b
    Example:
      datapipe fit language --reference sw.jsonl --out languages
    """
    from datapipe.errors import InputError
    from datapipe.fit import fit_language as fitted
    from datapipe.registry import Registry
    from datapipe.text.languages import is_code

    code = code or Path(reference[0]).name.partition(".")[0]
    if not is_code(code):
        raise InputError(f"{code!r} is no language code", remedy="give --code, such as sw")
    path = out / f"{code}.yaml"
    if path.exists() and not force:
        raise InputError(f"{path} exists", remedy="give another --out, or --force to write over it")
    registry = Registry(stages_dir)
    found = fitted(
        code,
        _texts(reference, registry, limit),
        registry,
        about=about or _names(reference),
        against=(_names(against), _texts(against, registry, limit)) if against else None,
    )
    _write(path, found)
    _print(found, code, path)


def _texts(inputs: tuple[str, ...], registry: Registry, limit: int) -> Callable[[], Iterator[pa.LargeStringArray]]:
    """The texts in files, read by the stages that read such files; none is empty."""
    from datapipe.cli.look import look
    from datapipe.errors import InputError
    from datapipe.stage import Source

    sources = []
    for kind in look(inputs)[0]:
        stage: Any = registry.load(kind.reader)
        options = {"columns": kind.columns} if kind.columns else {}
        config = stage.config.model_validate({"paths": kind.paths, "source": "reference", **options})
        if not isinstance(stage, Source) or "text" not in stage.adds_for(config).names:
            raise InputError(
                f"{', '.join(kind.paths)}: {kind.label} files hold no plain texts",
                remedy="extract their texts first, and give the output of write.jsonl or write.parquet",
            )
        sources.append((stage, config))

    def texts() -> Iterator[pa.LargeStringArray]:
        left = limit
        for stage, config in sources:
            for split in stage.splits(config):
                for batch in stage.read(split, config, 0):
                    found = _filled(batch)[:left]
                    left -= len(found)
                    if len(found):
                        yield found
                    if not left:
                        return

    return texts


def _names(inputs: tuple[str, ...]) -> str:
    return ", ".join(Path(name).name for name in inputs)


def _filled(batch: pa.RecordBatch) -> pa.LargeStringArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts: Any = batch["text"]
    filled: pa.LargeStringArray = texts.filter(pc.not_equal(texts, pa.scalar("", texts.type)))  # nor null
    return filled


def _write(path: Path, found: Fit) -> None:
    from datapipe.errors import InputError
    from datapipe.text.languages import write_language

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_language(path, found.language, "Written by `datapipe fit language`; `record` says from what.")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", remedy="give another --out") from error


def _print(found: Fit, code: str, path: Path) -> None:
    from datapipe.fit import USEFUL_DOCUMENTS

    made = table("option", "English", "drops", code, "drops")
    for column in made.columns[1:]:
        column.justify = "right"
    for one in found.thresholds:
        mark = "" if one.sure else " *"
        made.add_row(
            f"{one.stage} {one.option}",
            f"{one.english:g}",
            f"{one.english_share:.1%}",
            f"{one.threshold:g}{mark}",
            f"{one.share:.1%}",
        )
    if found.thresholds:
        console().print(made)
    if not all(one.sure for one in found.thresholds):
        click.echo(
            "* too few documents for this percentile: the English threshold, loosened where it drops any of them"
        )
    if found.documents < USEFUL_DOCUMENTS:
        click.echo(
            f"warning: {found.documents:,} documents are few; {USEFUL_DOCUMENTS:,} or more give firm thresholds",
            err=True,
        )
    click.echo(f"{found.documents:,} documents; stop words: {' '.join(found.language.stop_words)}")
    click.echo(f"wrote {path}; to use it: {{use: filter.gopher, languages: {path.parent}}}")
