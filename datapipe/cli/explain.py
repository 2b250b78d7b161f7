"""`datapipe explain`: the whole story of one document of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datapipe.cli.options import STAGES_OPTION

if TYPE_CHECKING:
    from datapipe.lineage import Chapter, Place, Story
    from datapipe.run.context import Context

__all__ = ["explain", "tell_document"]


@click.command("explain")
@click.argument("run")
@click.argument("key", metavar="ID|URL")
@click.option("--stage", metavar="STAGE", help="Tell only what this stage did.")
@STAGES_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print the story as one JSON object a line.")
def explain(run: str, key: str, stages_dir: Path | None, *, stage: str | None, as_json: bool) -> None:
    """Tell what happened to one document: every stage that met it, what was measured, and why it left or stayed.

    Personal data in what is shown is masked. Several documents of one URL are told one after the other.

    \b
    Examples:
      datapipe explain runs/quickstart https://example.org/page
      datapipe explain runs/quickstart 3e6ec0a1… --json
      datapipe explain runs/quickstart 3e6ec0a1… --stage unique
    """
    from datapipe.cli.telling import open_run

    tell_document(open_run(run, stages_dir), run, key, stage=stage, as_json=as_json)


def tell_document(context: Context, run: str, key: str, *, stage: str | None = None, as_json: bool = False) -> None:
    """Print the story of the documents with an id or URL."""
    import json

    from datapipe.errors import InputError
    from datapipe.lineage import find, nearest, story

    places = find(context, key)
    if not places:
        raise InputError(f"{run} has no document {_said(key)}", remedy=_near(nearest(context, key), run))
    for number, place in enumerate(places):
        told = story(context, place)
        if as_json:
            click.echo(json.dumps(_plain(told, stage)))
        else:
            click.echo(("\n" if number else "") + "\n".join(_page(told, stage)))


def _of_stage(told: Story, stage: str | None) -> list[tuple[int, Chapter]]:
    """The chapters by number, or that of one stage; InputError where the document never came to it."""
    from datapipe.errors import InputError
    from datapipe.recipe.wording import did_you_mean

    numbered = list(enumerate(told.chapters, 1))
    if stage is None:
        return numbered
    found = [(number, chapter) for number, chapter in numbered if chapter.stage == stage]
    if not found:
        met = (chapter.stage for chapter in told.chapters)
        raise InputError(f"the document did not come to a stage {stage!r}", remedy=did_you_mean(stage, met))
    return found


def _said(key: str) -> str:
    from datapipe.lineage import mask_url

    return f"'{mask_url(key)}'"


def _near(places: list[Place], run: str) -> str:
    from datapipe.cli.telling import headline
    from datapipe.lineage import mask_url

    if not places:
        return f"ids and URLs are compared exactly; `datapipe show {run}` gives some"
    if len(places) == 1 and places[0].url is None:
        return f"did you mean {mask_url(places[0].id)}?"
    return f"did you mean {' or '.join(headline(place.url, place.id) for place in places)}?"


def _page(told: Story, stage: str | None = None) -> list[str]:
    from datapipe.cli.telling import headline, tell

    place = told.place
    with_parent = told.parent is not None and stage is None
    lines = _page(told.parent) if told.parent and with_parent else []
    lines += ["", "From it was made:"] if with_parent else []
    lines.append(headline(place.url, place.id))
    lines.append(f"id {_safe(place.id)}, {_origin(told)}")
    lines.append("")
    for number, chapter in _of_stage(told, stage):
        lines += tell(number, chapter)
    lines.append("")
    lines.append(_ending(told.chapters))
    return lines


def _origin(told: Story) -> str:
    base = told.base
    source = f" of source {_safe(base['source'])}" if base.get("source") else ""
    place = f"shard {told.place.shard.name}, row {told.place.row}"
    return f"record {base['record']} of {_safe(base['file'])}{source}, {base['bytes']:,} bytes; {place}"


def _safe(text: str) -> str:
    from datapipe.lineage import mask_url

    return mask_url(str(text))


def _ending(chapters: tuple[Chapter, ...]) -> str:
    left = [chapter.stage for chapter in chapters if chapter.outcome == "left"]
    open_ = [chapter.stage for chapter in chapters if chapter.outcome in {"not done", "stale"}]
    if open_:
        return f"What becomes of it is open: run {', '.join(open_)}."
    if left:
        return f"It left the run at {' and at '.join(left)}."
    if any(chapter.outcome == "expanded" for chapter in chapters):
        return "What was made of it went on in its place."
    return "It is in what the run gives."


def _plain(told: Story, stage: str | None = None) -> dict[str, Any]:
    """The story as JSON values, masked."""
    from datapipe.lineage import mask_url

    place = told.place
    return {
        "id": _safe(place.id),
        "url": mask_url(place.url) if place.url else None,
        "root": place.root.root_key,
        "shard": place.shard.name,
        "row": place.row,
        "base": {name: _masked(value) for name, value in told.base.items() if name not in {"id", "url"}},
        "stages": [_chapter(chapter) for _, chapter in _of_stage(told, stage)],
        "parent": _plain(told.parent) if told.parent else None,
    }


def _chapter(chapter: Chapter) -> dict[str, Any]:
    from datapipe.lineage import mask_url, safe

    survivor = chapter.survivor
    return {
        "stage": chapter.stage,
        "use": chapter.use,
        "outcome": chapter.outcome,
        "reason": chapter.reason,
        "meaning": mask_url(chapter.meaning),
        "measures": {m.name: {"value": _masked(m.value), "thresholds": list(m.thresholds)} for m in chapter.measures},
        "survivor": {"id": _safe(survivor.id), "url": mask_url(survivor.url or "")} if survivor else None,
        "survivor_run": mask_url(chapter.survivor_run) if chapter.survivor_run else None,
        "text": [safe(text) if text is not None else None for text in chapter.text] if chapter.text else None,
    }


def _masked(value: Any) -> Any:
    """A stored value with every text in it masked; what JSON cannot hold becomes text."""
    from datapipe.lineage import safe

    if isinstance(value, str):
        return safe(value)
    if isinstance(value, list):
        return [_masked(each) for each in value]
    if isinstance(value, dict):
        return {name: _masked(each) for name, each in value.items()}
    return value if value is None or isinstance(value, bool | int | float) else safe(str(value))
