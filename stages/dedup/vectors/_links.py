"""Second round: the different vectors of a block are compared, and those that are alike enough are linked.

Pairs come from products of rounded vectors, TILE by TILE; where rounding could decide, the exact cosine does. Links are
not told one by one, which in a block of many alike would be half its square: each document learns of the nearest other
one (of equals the first; nearest by rounded vectors) and of the first of those that chains of links in the block hold
together with it.
A block of more than max_block vectors is cut into blocks of its own; one of more than memory holds the names of (16
million in 4 GiB) is compared part by part, each part with the block's first vector and the last of the part before.
Costs: of n vectors of d numbers n * n * d operations at 90 thousand million a second a core (AVX-512), of
which 1 ns a pair is looking at it; memory: 256 bytes a vector of the block, and two tiles; what of its numbers exceeds
an eighth of the memory stands in scratch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datapipe.algo.blocks import cut
from datapipe.algo.clusters import LINKS
from datapipe.algo.nodes import Uint64s, firsts, mixed, nodes_of, place_of
from datapipe.algo.vectors import SCALE, Float32s, exact_cosine, rounded, vectors_of
from datapipe.stage import Scratch
from datapipe.text import readonly
from datapipe.text.jit import Float64s, Int64s, inlined, kernel

TILE = 1024
PLACE_BYTES = 256  # of memory for each vector of a block, besides its numbers
FAR = 3.0  # in the place of a distance: told of the first in the block, however far that is
NOBODY = -1

Bools: TypeAlias = npt.NDArray[np.bool_]


def answer(measured: pa.RecordBatch, asked: pa.RecordBatch, config: Any) -> pa.RecordBatch:
    """Each document to each of its blocks, with its vector; null where it is known to be equal to the one before."""
    places = np.searchsorted(measured["row"].to_numpy(), asked["row"].to_numpy())
    every: Any = pa.array(places)
    known: Any = pa.array(places, mask=asked["equal"].to_numpy(zero_copy_only=False))
    vectors, ids = measured["vector"].take(known), measured["id"].take(every)
    arrays: list[Any] = [asked["row"], asked["block"], asked["content"], vectors, ids]
    return pa.RecordBatch.from_arrays(arrays, names=["row", "key", "content", "vector", "id"])


def resolve(stream: Iterator[pa.RecordBatch], config: Any, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """The links of all blocks, told to both documents of each."""
    block = _Block(config, scratch)
    for batch in stream:
        if batch.num_rows == 0:
            continue
        key = batch["key"].to_numpy()
        starts = np.flatnonzero(firsts(key))
        for start, stop in zip(starts, np.append(starts[1:], len(key)), strict=True):
            if int(key[start]) != block.key:
                yield from block.links()
                block = _Block(config, scratch, int(key[start]))
            yield from block.add(batch.slice(int(start), int(stop - start)))
    yield from block.links()


class _Different(NamedTuple):
    """Different vectors of a block, as far as they are in memory: their documents, ids, and who is of earlier runs."""

    nodes: Uint64s
    ids: pa.Array[Any]
    old: Bools

    def some(self, at: Any) -> _Different:
        return _Different(self.nodes[at], self.ids.take(pa.array(at)), self.old[at])


def _together(*parts: _Different) -> _Different:
    ids: Any = pa.concat_arrays([part.ids for part in parts])
    nodes, old = (np.concatenate([getattr(part, name) for part in parts]) for name in ("nodes", "old"))
    return _Different(nodes, ids, old)


class _Numbers:
    """The vectors of a block as a matrix that grows, in memory or in a file."""

    def __init__(self, path: Path, memory_bytes: int) -> None:
        self._path, self._memory = path, memory_bytes
        self._held: list[Float32s] = []
        self._spilled = False

    def add(self, matrix: Float32s) -> None:
        self._held.append(matrix)
        if sum(each.nbytes for each in self._held) > self._memory:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                for each in self._held:
                    file.write(np.ascontiguousarray(each).data)
            self._held, self._spilled = [each[:0] for each in self._held[:1]], True

    def matrix(self) -> Float32s:
        """All of them; nothing can be added any more."""
        held = np.concatenate(self._held)
        if not self._spilled:
            return held
        with self._path.open("ab") as file:
            file.write(held.data)
        return np.asarray(np.memmap(self._path, np.float32, "r")).reshape(-1, held.shape[1])

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


class _Block:
    """Collects the rows of one block."""

    def __init__(self, config: Any, scratch: Scratch, key: int | None = None) -> None:
        self.key = key
        self._config, self._scratch = config, scratch
        self._most = max(2 * TILE, scratch.memory_bytes // PLACE_BYTES)
        self._begin()

    def _begin(self) -> None:
        self._parts: list[_Different] = []
        self._count = 0
        self._numbers = _Numbers(self._scratch.folder / "block", self._scratch.memory_bytes // 8)

    def add(self, rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """More rows, in order; equal ones are linked to the first of them at once."""
        old = rows["run"].to_numpy() < len(self._config.against)
        here = _Different(nodes_of(rows), rows["id"], old)
        new = np.asarray(rows["vector"].is_valid())
        found = here.some(np.flatnonzero(new))
        before = [part.some(np.array([len(part.nodes) - 1])) for part in self._parts[-1:]]
        known, heads = _together(*before, found), np.cumsum(new) - 1 + len(before)
        if (~new).any():
            yield from _both(here.some(np.flatnonzero(~new)), known.some(heads[~new]), 0.0)
        if len(found.nodes):
            vectors = vectors_of(rows["vector"].filter(pa.array(new)), "vector")
            self._numbers.add(vectors.matrix(np.arange(len(found.nodes))))
            self._parts.append(found)
            self._count += len(found.nodes)
        if self._count >= self._most:
            yield from self._next_part()

    def _next_part(self) -> Iterator[pa.RecordBatch]:
        matrix, all_ = self._numbers.matrix(), self._whole()
        ends = np.array([0, len(matrix) - 1])
        glue, numbers = all_.some(ends), np.array(matrix[ends])
        del matrix
        yield from self.links()
        self._begin()
        self._numbers.add(numbers)
        self._parts, self._count = [glue], 2

    def _whole(self) -> _Different:
        return _together(*self._parts)

    def links(self) -> Iterator[pa.RecordBatch]:
        """What the vectors collected learn of each other."""
        if self._count > 1:
            matrix, of = self._numbers.matrix(), self._whole()
            state = _compared(matrix, of.old, self._config)
            has = np.flatnonzero(state.best != NOBODY)
            near = np.empty(len(has), np.float64)
            _measure(readonly(matrix.reshape(-1)), matrix.shape[1], (readonly(has), readonly(state.best[has])), near)
            yield _told(of.some(has), of.some(state.best[has]), 1.0 - near)
            # A chain may lead from one old document to another through new ones.
            new = of._replace(old=np.zeros(len(of.old), np.bool_))
            for chains, known in ((state.joint, new), (state.old, of)):
                linked, root = _roots(chains)
                yield _told(known.some(linked), known.some(root), np.full(len(linked), FAR))
        self._numbers.remove()


def _both(one: _Different, other: _Different, distance: float) -> Iterator[pa.RecordBatch]:
    distances = np.full(len(one.nodes), distance)
    yield _told(one, other, distances)
    yield _told(other, one, distances)


def _told(one: _Different, other: _Different, distances: Any) -> pa.RecordBatch:
    """What documents learn of others."""
    shard, row = place_of(one.nodes)
    arrays: list[Any] = [
        shard,
        row,
        pa.array(mixed(one.nodes)),
        pa.array(distances),
        pa.array(np.ones(len(distances), np.uint8)),  # each brings its vector, equals too
        other.ids,
        pa.array(other.nodes),
        pa.array(one.old & other.old),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=LINKS)


# ---------------------------------------------------------------------------------------------- pairs


class _State(NamedTuple):
    """What is known of each vector of a block.

    joint, old: int64, the next on the way to the first of its chains of links, and of those within earlier runs;
    best: int64, the nearest that it is linked to; scores: float32, how near that is.
    """

    joint: Int64s
    old: Int64s
    best: Int64s
    scores: Float32s


def _compared(matrix: Float32s, old: Bools, config: Any) -> _State:
    """All pairs of a block, or of the parts that it is cut into."""
    count, numbers = len(matrix), readonly(matrix.reshape(-1))
    state = _State(np.arange(count), np.arange(count), np.full(count, NOBODY), np.full(count, -np.inf, np.float32))
    for part in cut(matrix, config.max_block, config.nearest):
        tiles = [part[at : at + TILE] for at in range(0, len(part), TILE)]
        for number, rows in enumerate(tiles):
            one, off = rounded(matrix[rows])
            for others in tiles[number:]:
                other, error = (one, off) if others is rows else rounded(matrix[others])
                error = max(off, error)
                slack = 2 * SCALE * error + error * error
                least = config.min_similarity
                bounds = (SCALE * SCALE * least - slack, SCALE * SCALE * least + slack, least)
                places = (readonly(rows), readonly(others), readonly(old))
                _link((readonly(one @ other.T), numbers, matrix.shape[1]), places, bounds, state)
    return state


def _roots(parents: Int64s) -> tuple[Int64s, Int64s]:
    """Those that are not the first of their chains, and who that is."""
    roots = parents
    while not np.array_equal(roots, roots[roots]):
        roots = roots[roots]
    linked = np.flatnonzero(roots != np.arange(len(roots)))
    return linked, roots[linked]


@inlined
def _root(parents: Int64s, place: Any) -> Any:
    while parents[place] != place:
        parents[place] = parents[parents[place]]
        place = parents[place]
    return place


@inlined
def _unite(parents: Int64s, i: Any, j: Any) -> None:
    one, other = _root(parents, i), _root(parents, j)
    parents[max(one, other)] = min(one, other)


@inlined
def _nearer(state: _State, i: Any, j: Any, score: Any) -> None:
    _, _, best, scores = state
    if score > scores[i] or (score == scores[i] and j < best[i]):
        best[i], scores[i] = j, score


@kernel
def _link(
    products: tuple[Float32s, Float32s, int], places: tuple[Int64s, Int64s, Bools], bounds: Any, state: _State
) -> None:
    """Links of the vectors `rows` and `others` to the state: all pairs whose product is high enough."""
    (scores, numbers, size), (rows, others, is_old), (low, high, least) = products, places, bounds
    joint, old, _, _ = state
    for p in range(len(rows)):
        for q in range(len(others)):
            score, i, j = scores[p, q], rows[p], others[q]
            if score < low or i == j:
                continue
            if score < high and exact_cosine((numbers, i * size), (numbers, j * size), size) < least:
                continue
            _unite(joint, i, j)
            if is_old[i] and is_old[j]:
                _unite(old, i, j)
            _nearer(state, i, j, score)
            _nearer(state, j, i, score)


@kernel
def _measure(numbers: Float32s, size: int, pairs: tuple[Int64s, Int64s], out: Float64s) -> None:
    one, other = pairs
    for p in range(len(out)):
        out[p] = exact_cosine((numbers, one[p] * size), (numbers, other[p] * size), size)
