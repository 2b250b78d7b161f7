"""Which input is new, which was read, which has changed or is gone.

A file counts as the same when its size and time (or entity tag) are as they were; where only the time
differs, the digest of its bytes decides. So a moved or copied input root changes nothing, a file changed in
place is named and read anew, and a new file costs its own reading alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from datapipe.corpus.record import FileSeen, Record, SplitSeen
from datapipe.engine.source import content_digest
from datapipe.errors import InputError
from datapipe.recipe import Node
from datapipe.run.progress import Progress
from datapipe.run.state import State
from datapipe.stage import File, Split

__all__ = ["Inventory", "Unread", "take_stock"]


@dataclass(frozen=True)
class Unread:
    """A split that is not read to its end: the next shard's number, and where it starts."""

    split: Split
    digest: str = ""  # where shards of it stand
    number: int = 0
    cursor: int = 0


@dataclass
class Inventory:
    """The shards of a source that stand, with their splits, and what is still to be read."""

    done: dict[str, Record] = field(default_factory=dict)
    splits: dict[str, Split] = field(default_factory=dict)  # by split name
    unread: list[Unread] = field(default_factory=list)


def take_stock(node: Node, values: str, state: State, progress: Progress) -> Inventory:
    """Compare a source's files with the records of the run, and of those it may reuse."""
    stage: Any = node.stage
    config: Any = node.config
    stock = Inventory(splits={split.name: split for split in stage.splits(config)})
    _apart(node, stock, state)
    known = _by_split(list(state.of(node.name).values()))
    lent = _by_split(list(state.lent_by_values(node.name, values)))
    if not stock.splits and not known:  # with allow_missing a source finds nothing without a word
        raise InputError(f"{node.name!r} finds none of its files", remedy=f"check {node.name}.paths")
    for name, split in stock.splits.items():
        records = known.get(name, [])
        current = [record for record in records if record.values == values and state.intact(record)]
        own = _unbroken(current)
        theirs = _unbroken(lent.get(name, []))
        if not _complete(own) and _complete(theirs) and _unchanged(split, theirs):
            own = theirs
            for record in own:
                state.adopt(record)
        _sort_in(stock, split, _same_input(split, own, state, progress))
    _missing(node, stock, known, values)
    limit = config.limit
    if limit is not None and sum(record.incoming.documents for record in stock.done.values()) >= limit:
        stock.unread.clear()
    return stock


def _by_split(records: list[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        if record.split is not None:
            found.setdefault(record.split.name, []).append(record)
    return found


def _unbroken(records: list[Record]) -> list[Record]:
    """Records from the first shard of a split on, without a gap, all of the same state of the input."""
    ordered = sorted(records, key=lambda record: _seen(record).number)
    for number, record in enumerate(ordered):
        if _seen(record).number != number or _seen(record).digest != _seen(ordered[0]).digest:
            return ordered[:number]
    return ordered


def _seen(record: Record) -> SplitSeen:
    assert record.split is not None
    return record.split


def _complete(records: list[Record]) -> bool:
    return bool(records) and _seen(records[-1]).next_cursor is None


def _sort_in(stock: Inventory, split: Split, own: list[Record]) -> None:
    stock.done.update({record.shard: record for record in own})
    if not own:
        stock.unread.append(Unread(split))
    elif not _complete(own):
        last = _seen(own[-1])
        stock.unread.append(Unread(split, last.digest, len(own), last.next_cursor or 0))


def _same_input(split: Split, own: list[Record], state: State, progress: Progress) -> list[Record]:
    """The records of a split if its files are as they were, else none; the new times of touched files are noted."""
    if not own or _files(split.files) == _files(_seen(own[0]).files):
        return own
    if not _unchanged(split, own):
        gone = len({file.name for file in _seen(own[0]).files} - {file.name for file in split.files})
        without = f", without {gone} of its files, which are gone" if gone else ""
        progress.note(f"{split.name} has changed since it was read: it is read anew{without}")
        return []
    files = tuple(FileSeen(name=f.name, size=f.size, modified=f.modified) for f in split.files)
    for number, record in enumerate(own):  # else each command would read the bytes again, to find them equal
        own[number] = record.model_copy(update={"split": _seen(record).model_copy(update={"files": files})})
        state.adopt(own[number])
    return own


def _files(files: Iterable[File | FileSeen]) -> set[tuple[str, int, str]]:
    return {(file.name, file.size, file.modified) for file in files}


def _unchanged(split: Split, records: list[Record]) -> bool:
    """Whether a split's files hold what they held when they were read, whatever their times say."""
    seen = _seen(records[0])
    if _files(split.files) == _files(seen.files):
        return True
    same_sizes = {(file.name, file.size) for file in split.files} == {(file.name, file.size) for file in seen.files}
    return same_sizes and content_digest(split) == seen.digest


def _apart(node: Node, stock: Inventory, state: State) -> None:
    """A run that read its own files would grow each time."""
    if not state.store.local:
        return
    run = os.path.realpath(state.store.path())
    for split in stock.splits.values():
        for file in split.files:
            if "://" not in file.path and os.path.realpath(file.path).startswith(f"{run}{os.sep}"):
                raise InputError(
                    f"{node.name!r} would read {file.path}, which lies in the run's own folder",
                    remedy="put the run elsewhere, or name the input by a glob that leaves it out",
                )


def _missing(node: Node, stock: Inventory, known: dict[str, list[Record]], values: str) -> None:
    """Files that an earlier run read and that are gone; those that now stand in another bundle are not."""
    there = {file.name for split in stock.splits.values() for file in split.files}
    seen = {file.name for records in known.values() for record in records for file in _seen(record).files}
    gone = sorted(seen - there)
    config: Any = node.config
    if gone and not config.allow_missing:
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        raise InputError(
            f"{gone[0]}{more}, read by an earlier run of {node.name!r}, is gone, or no longer among its paths",
            remedy=f"bring it back, or set {node.name}.allow_missing=true to keep its documents (of a bundle of "
            "small files it leaves), or start a new run folder",
        )
    for name, records in sorted(known.items()):
        lost = {file.name for record in records for file in _seen(record).files} - there
        everything = {file.name for record in records for file in _seen(record).files}
        if name in stock.splits or lost != everything:
            continue  # a bundle of small files, of which others are left: those are read anew
        if any(record.values != values for record in records):
            raise InputError(
                f"{min(lost)} is gone, and {node.name!r} has other settings than when it was read",
                remedy="bring it back, or go back to those settings",
            )
        stock.done.update({record.shard: record for record in _unbroken(records)})
