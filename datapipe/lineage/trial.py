"""One document through the Maps of a recipe, in this process, by the very code of a run; no run folder is touched.

Stages that compare, order or write documents, and those that prepare something from the whole corpus, are skipped.
Costs importing the stages, and what they prepare without documents; a guarded stage starts its child process.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
import xxhash

from datapipe.algo.http import usage
from datapipe.corpus.ids import hash_ids
from datapipe.corpus.store import Store
from datapipe.engine.columns import Columns
from datapipe.engine.step import StepRun, Window
from datapipe.engine.task import Limits, Step
from datapipe.errors import DatapipeError, InputError
from datapipe.lineage.story import Chapter, measures_of
from datapipe.recipe import Node, Recipe
from datapipe.run.paths import Path, Paths
from datapipe.schema import COLUMNS, CONTENT, FRAMEWORK_REASONS
from datapipe.stage import Map, Source
from datapipe.text import UndecodableText, clean, decode_html, forget

__all__ = ["Document", "Trial", "read_document", "try_out"]

FETCH_SECONDS = 20.0
FETCH_BYTES = 32 << 20
ROW = np.zeros(1, np.uint32)
HTML_MARKS = (b"<!doctype html", b"<html", b"<head", b"<body")
PDF_MARK, PDF_TYPE, PDF_STAGE = b"%PDF-", "application/pdf", "extract_pdf"


@dataclass(frozen=True)
class Document:
    """What is tried: where it comes from, its bytes, and what a server or file name says of their type and use."""

    name: str
    data: bytes
    content_type: str = ""
    robots: str | None = None

    @property
    def kind(self) -> Literal["HTML", "PDF", "text"]:
        """What it is taken for."""
        if self.data[:1024].lstrip().startswith(PDF_MARK):
            return "PDF"
        return "HTML" if self._is_html else "text"

    @property
    def _is_html(self) -> bool:
        """By content type or file name, else by how it begins."""
        if "html" in self.content_type or self.name.lower().endswith((".html", ".htm", ".xhtml")):
            return True
        if self.name.lower().endswith((".txt", ".md")):
            return False
        return any(mark in self.data[:2048].lower() for mark in HTML_MARKS)


@dataclass
class Trial:
    """What became of the document: a chapter for each stage that saw it, and why the others were skipped."""

    document: Document
    chapters: list[Chapter] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    text: str | None = None  # at the end of the last stage that saw it
    left: bool = False


def read_document(place: str) -> Document:
    """The document in a file, at a URL, or (`-`) on standard input."""
    if place == "-":
        return Document("standard input", sys.stdin.buffer.read())
    if place.startswith(("http://", "https://")):
        return _fetched(place)
    try:
        return Document(place, File(place).read_bytes())
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise InputError(f"cannot read {place}: {why}", remedy="name a file, a URL, or - for standard input") from error


def _fetched(url: str) -> Document:
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "datapipe"})  # noqa: S310 - http and https alone
        with urllib.request.urlopen(request, timeout=FETCH_SECONDS) as answer:  # noqa: S310 - the same
            data = answer.read(FETCH_BYTES + 1)
            kind = answer.headers.get("Content-Type", "")
            robots = usage((name.lower().encode(), value.encode()) for name, value in answer.headers.items())
    except (urllib.error.URLError, OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        raise InputError(f"cannot fetch {url}: {why}", remedy="save the page and name the file") from error
    if len(data) > FETCH_BYTES:
        raise InputError(f"{url} is larger than {FETCH_BYTES >> 20} MiB", remedy="save a part of it and name the file")
    return Document(url, data, kind, robots)


def try_out(recipe: Recipe, document: Document, stages_dir: str | None = None) -> Trial:
    """Pass a document through the Maps that follow the first source that could have read it."""
    trial = Trial(document)
    paths = Paths(recipe, stages_dir)
    root = _root(recipe, document)
    batch = _batch(document)
    store = Store("memory://datapipe-try")
    columns = Columns(store, root.root.name, None)
    columns.put(root.root.name, ROW, batch)
    window = Window(ROW, hash_ids(cast("pa.StringArray", batch.column("id"))), np.array([len(document.data)]), 1)
    alive = {root.root.name}
    have = set(batch.schema.names)
    for node in recipe.nodes.values():
        found = [path for path in paths.to(node.name) if path.root_key == root.root_key and len(path.nodes) > 1]
        if not found:
            for above in _expands(paths, node, root):
                trial.skipped[node.name] = f"sees what {above!r} makes of documents"
            continue
        why = _skipped(found[0], have)
        if why:
            trial.skipped[node.name] = why
            alive |= {node.name} & _behind(found[0], alive)
            _stand_in(columns, batch, found[0])
        elif found[0].nodes[-2].name in alive and _pass(trial, store, (paths, found[0], columns), window):
            alive.add(node.name)
            have |= set(node.stage.adds_for(node.config).names)
    forget()
    return trial


def _expands(paths: Paths, node: Node, root: Path) -> list[str]:
    """The Expands whose children come to a stage, from documents of the root."""
    return [path.root.name for path in paths.to(node.name) if path.root_key.startswith(f"{root.root_key}>")]


def _root(recipe: Recipe, document: Document) -> Path:
    sources = [node for node in recipe.nodes.values() if isinstance(node.stage, Source)]
    wanted = "text" if document.kind == "text" else "html"
    fitting = [node for node in sources if wanted in node.stage.adds_for(node.config).names]
    if document.kind == "PDF":  # of sources of bytes, one from which the text of PDF files is taken
        taken = {name for node in recipe.nodes.values() if node.use == PDF_STAGE for name in node.parents}
        fitting.sort(key=lambda node: node.name not in taken)
    return Path(((fitting or sources)[0],))


def _behind(path: Path, alive: set[str]) -> set[str]:
    """A skipped stage lets a document pass that came to it."""
    return {path.last.name} if path.nodes[-2].name in alive else set()


def _stand_in(columns: Columns, batch: pa.RecordBatch, path: Path) -> None:
    """A text that was given takes the place of the one that a skipped `extract` would have made of a page."""
    made = [name for name in path.last.stage.adds_for(path.last.config).names if name not in path.owners]
    columns.put(path.last.name, ROW, batch.select([name for name in made if name in batch.schema.names]))


def _batch(document: Document) -> pa.RecordBatch:
    """The document as a source would give it; all that is not known is null."""
    address = document.name if "://" in document.name else None
    values: dict[str, Any] = {
        "id": xxhash.xxh3_128_hexdigest(document.data),
        "file": document.name,
        "record": 0,
        "cursor": 0,
        "bytes": len(document.data),
        "url": address,
        "source": "try",
        "content_type": document.content_type or (PDF_TYPE if document.kind == "PDF" else None),
        "robots": document.robots,
    }
    if document.kind != "text":
        values["html"] = document.data
    else:
        try:
            values["text"] = clean(decode_html(document.data)[0])
        except UndecodableText:
            raise InputError(
                f"{document.name} is text in no known charset", remedy="try a page, a PDF file or a text"
            ) from None
    return pa.RecordBatch.from_pydict({name: pa.array([value], COLUMNS[name]) for name, value in values.items()})


def _skipped(path: Path, have: set[str]) -> str:
    node = path.last
    if not isinstance(node.stage, Map):
        return {"Sink": "writes files", "Group": "compares documents"}.get(node.stage.kind, "works on many documents")
    if node.resource is not None:
        return "uses what another run prepared"
    if node.stage.prepare is not None and node.stage.prepare.sketch is not None:
        return "prepares something from all documents first"
    needed = [name for name in node.stage.reads_for(node.config) if name not in node.stage.optional]
    lacking = [name for name in needed if name in CONTENT and name not in have]
    return f"reads {', '.join(lacking)}, which this document does not have" if lacking else ""


def _pass(trial: Trial, store: Store, way: tuple[Paths, Path, Columns], window: Window) -> bool:
    """One stage on the document; whether it stays."""
    paths, path, columns = way
    node = path.last
    with tempfile.TemporaryDirectory(prefix="datapipe-") as folder:
        resource = None
        if node.stage.prepare is not None:
            node.stage.prepare.build(node.config, File(folder))
            resource = folder
        step = Step(paths.call(node), "", "", path.owners, node.where, resource)
        run = _Run(store, step, columns, shard="try", limits=Limits())
        try:
            run.process(window)
        finally:
            run.discard()
    reason = run.reason
    before = trial.text
    with contextlib.suppress(DatapipeError):
        before = columns.get("text", ROW, path.owners.get("text", ()))[0].as_py()
    measured = bool(run.measured)
    after = columns.get("text", ROW, (node.name,))[0].as_py() if _writes_text(path) and measured else before
    trial.text = after
    trial.left = trial.left or reason is not None
    trial.chapters.append(
        Chapter(
            stage=node.name,
            use=node.use,
            outcome="left" if reason else "kept" if measured else "passed",
            reason=reason,
            meaning=_meaning(path, reason, measured=measured),
            measures=measures_of(columns, path, ROW) if measured else (),
            text=(before, after) if before != after else None,
        )
    )
    return reason is None


def _writes_text(path: Path) -> bool:
    return "text" in path.last.stage.adds_for(path.last.config).names


def _meaning(path: Path, reason: str | None, *, measured: bool) -> str:
    node = path.last
    if reason is not None:
        return node.stage.reasons.get(reason) or FRAMEWORK_REASONS.get(reason, "")
    return node.where.text if node.where and not measured else ""


class _Run(StepRun):
    """A stage on one document; what it writes is thrown away."""

    @property
    def reason(self) -> str | None:
        """Why the document leaves."""
        given: str | None = self._reasons[-1][0].as_py()
        return given

    @property
    def measured(self) -> int:
        """Whether the stage applied to it."""
        return self._counts["processed"]
