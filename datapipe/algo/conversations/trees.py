"""Trees of messages, and the ways through them that end with the assistant.

No tree is too deep, for nothing here calls itself; what all its paths hold together is counted before one is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from datapipe.algo.conversations.turns import NOT_TEXT, Message, Shape, Unfit

__all__ = ["TOO_LARGE", "paths_of"]

TOO_LARGE = "record_too_large"


class _Node(NamedTuple):
    turn: tuple[Message, Shape]
    parent: int
    size: int  # bytes of text from the root to here


def paths_of(
    root: dict[str, Any], read: Callable[[dict[str, Any]], tuple[Message, Shape]], limit: int
) -> Iterator[list[tuple[Message, Shape]]]:
    """Turns from the root to each message of the assistant's behind which there is none of the assistant's.

    Questions that nobody answered are thus left out, and each answer is in a path. Paths come in the order of the
    tree. Raises Unfit where the paths hold more than `limit` bytes, and what `read` raises.
    """
    nodes = _nodes(root, read)
    answered = [False] * len(nodes)
    ends: list[int] = []
    for at in range(len(nodes) - 1, -1, -1):  # children stand behind their parents
        if nodes[at].turn[0]["role"] == "assistant" and not answered[at]:
            ends.append(at)
            answered[at] = True
        if answered[at] and nodes[at].parent >= 0:
            answered[nodes[at].parent] = True
    if sum(nodes[at].size for at in ends) > limit:
        raise Unfit(TOO_LARGE)
    for end in reversed(ends):
        path, at = [], end
        while at >= 0:
            path.append(nodes[at].turn)
            at = nodes[at].parent
        yield path[::-1]


def _nodes(root: dict[str, Any], read: Callable[[dict[str, Any]], tuple[Message, Shape]]) -> list[_Node]:
    """All messages, each behind its parent, the first reply and all below it before the next."""
    nodes: list[_Node] = []
    ahead: list[tuple[Any, int]] = [(root, -1)]
    while ahead:
        given, parent = ahead.pop()
        replies = given.get("replies") if isinstance(given, dict) else None
        if not isinstance(given, dict) or not isinstance(replies, list | None):
            raise Unfit(NOT_TEXT)
        turn = read({name: value for name, value in given.items() if name != "replies"})
        above = nodes[parent].size if parent >= 0 else 0
        nodes.append(_Node(turn, parent, above + len((turn[0]["content"] or "").encode())))
        ahead += [(reply, len(nodes) - 1) for reply in reversed(replies or [])]
    return nodes
