"""Languages of decimal digits as one table that a kernel can follow: many patterns at the cost of one.

What: patterns of digits (what phonenumbers' metadata is written in) become expressions, several of them one
deterministic automaton, by Brzozowski's derivatives: the derivative of an expression by a digit is what may follow it.
Intersection and complement come for nothing, which `re` has not.
Costs: building takes some microseconds a state and digit, once; following it some nanoseconds a digit.
Source: Brzozowski 1964, Derivatives of regular expressions; Owens et al. 2009 for the normal forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from datapipe.text.buffers import readonly
from datapipe.text.jit import Int32s, Int64s

__all__ = ["ANYTHING", "EMPTY", "NOTHING", "Automaton", "Language", "Unreadable", "all_of", "any_of", "automaton"]
__all__ += ["but_not", "digits", "maybe", "read", "then"]

DIGITS = range(10)
MOST_STATES = 1 << 16  # automata that would be larger take whatever follows


class Unreadable(ValueError):
    """A pattern with parts that are not known here, such as looking ahead."""


@dataclass(frozen=True, eq=False)
class Language:
    """An expression: its kind, its parts and for a set of digits their bits. There is one object of each."""

    kind: str
    parts: tuple[Language, ...] | frozenset[Language] = ()
    bits: int = 0


@cache
def _the(kind: str, parts: tuple[Language, ...] | frozenset[Language] = (), bits: int = 0) -> Language:
    return Language(kind, parts, bits)


NOTHING = _the("none")
EMPTY = _the("empty")
ANYTHING = _the("any")


def digits(bits: int) -> Language:
    """One digit of a set: bit d stands for the digit d."""
    return _the("digit", (), bits) if bits else NOTHING


def then(first: Language, second: Language) -> Language:
    """What is of the first, followed by what is of the second."""
    if NOTHING in {first, second}:
        return NOTHING
    if first is EMPTY:
        return second
    if second is EMPTY:
        return first
    if first.kind == "then":  # to the right, so that equal languages look equal more often
        one, other = first.parts
        return then(one, then(other, second))
    return _the("then", (first, second))


def any_of(parts: Sequence[Language]) -> Language:
    """What is of one of some languages."""
    flat = {each for part in parts for each in (part.parts if part.kind == "or" else (part,))} - {NOTHING}
    if ANYTHING in flat:
        return ANYTHING
    bits = 0
    for each in flat:
        bits |= each.bits
    flat = {each for each in flat if each.kind != "digit"} | ({digits(bits)} if bits else set())
    return _several("or", flat, NOTHING)


def all_of(parts: Sequence[Language]) -> Language:
    """What is of all of some languages."""
    flat = {each for part in parts for each in (part.parts if part.kind == "and" else (part,))} - {ANYTHING}
    return NOTHING if NOTHING in flat else _several("and", flat, ANYTHING)


def _several(kind: str, parts: set[Language], none: Language) -> Language:
    if len(parts) < 2:
        return next(iter(parts), none)
    return _the(kind, frozenset(parts))


def but_not(part: Language) -> Language:
    """All but what is of a language."""
    if part is NOTHING:
        return ANYTHING
    if part is ANYTHING:
        return NOTHING
    return next(iter(part.parts)) if part.kind == "not" else _the("not", (part,))


def maybe(part: Language) -> Language:
    """What is of a language, or nothing at all."""
    return any_of((EMPTY, part))


# ---------------------------------------------------------------------------------------------- reading


class _Reader:
    """Reads the patterns of phonenumbers' metadata: digits, sets, groups, choices and counts."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self, sign: str) -> bool:
        found = self.pattern.startswith(sign, self.at)
        self.at += len(sign) * found
        return found

    def choice(self) -> Language:
        parts = [self.sequence()]
        while self.take("|"):
            parts.append(self.sequence())
        return any_of(parts)

    def sequence(self) -> Language:
        parts = []
        while self.peek() not in {"", "|", ")"}:
            parts.append(self.counted(self.atom()))
        whole = EMPTY
        for part in reversed(parts):
            whole = then(part, whole)
        return whole

    def atom(self) -> Language:
        if self.take("\\d"):
            return digits((1 << 10) - 1)
        if self.take("("):
            self.take("?:")
            inner = self.choice()
            if not self.take(")"):
                raise Unreadable(self.pattern)
            return inner
        if self.take("["):
            return digits(self.set_of_digits())
        sign = self.peek()
        if not (sign.isascii() and sign.isdecimal()):
            raise Unreadable(self.pattern)
        self.at += 1
        return digits(1 << int(sign))

    def set_of_digits(self) -> int:
        inside, closed, _ = self.pattern[self.at :].partition("]")
        self.at += len(inside) + 1
        plain = inside.replace("\\d", "0-9")
        if not closed or not plain.replace("-", "").isdecimal():
            raise Unreadable(self.pattern)
        bits, at = 0, 0
        while at < len(plain):
            last = at + 2 if plain[at + 1 : at + 2] == "-" else at
            for digit in range(int(plain[at]), int(plain[last]) + 1):
                bits |= 1 << digit
            at = last + 1
        return bits

    def counted(self, part: Language) -> Language:
        if self.take("?"):
            return maybe(part)
        if not self.take("{"):
            return part
        inside, closed, _ = self.pattern[self.at :].partition("}")
        self.at += len(inside) + 1
        least, _, most = inside.partition(",")
        if not closed or not least.isdecimal() or not (most or least).isdecimal():
            raise Unreadable(self.pattern)
        whole = EMPTY
        for _ in range(int(most or least) - int(least)):
            whole = maybe(then(part, whole))
        for _ in range(int(least)):
            whole = then(part, whole)
        return whole


@cache
def read(pattern: str) -> Language:
    """The language of a pattern that has to match as a whole. Raises Unreadable on what is not known here."""
    reader = _Reader(pattern)
    whole = reader.choice()
    if reader.at < len(pattern):
        raise Unreadable(pattern)
    return whole


# ---------------------------------------------------------------------------------------------- building


@cache
def _has_empty(part: Language) -> bool:
    if part.kind in {"then", "and"}:
        return all(map(_has_empty, part.parts))
    if part.kind == "or":
        return any(map(_has_empty, part.parts))
    if part.kind == "not":
        return not any(map(_has_empty, part.parts))
    return part.kind in {"empty", "any"}


@cache
def _after(part: Language, digit: int) -> Language:
    """What may follow a digit: Brzozowski's derivative."""
    if part.kind == "digit":
        return EMPTY if part.bits >> digit & 1 else NOTHING
    if part.kind == "or":
        return any_of([_after(each, digit) for each in part.parts])
    if part.kind == "and":
        return all_of([_after(each, digit) for each in part.parts])
    if part.kind == "not":
        return but_not(any_of([_after(each, digit) for each in part.parts]))
    if part.kind == "then":
        first, second = part.parts
        ahead = then(_after(first, digit), second)
        return any_of((ahead, _after(second, digit))) if _has_empty(first) else ahead
    return ANYTHING if part is ANYTHING else NOTHING


class Automaton(NamedTuple):
    """Following digits from state 0: `follow` int32 (states, 10) is the next state by digit, -1: none.

    `found` int64 (states,): bit k is set where what was read is of language k.
    """

    follow: Int32s
    found: Int64s


def automaton(languages: Sequence[Language]) -> Automaton:
    """One automaton for some languages, 62 at most. One that grows too large takes whatever follows for all."""
    first = tuple(languages)
    numbers = {first: 0}
    states = [first]
    follow: list[list[int]] = []
    dead = (NOTHING,) * len(first)
    sure = (ANYTHING,) * len(first)
    for state in states:
        row = []
        for digit in DIGITS:
            ahead = tuple(_after(part, digit) for part in state)
            if ahead == dead:
                row.append(-1)
                continue
            if ahead not in numbers and len(states) >= MOST_STATES:
                ahead = sure
            if ahead not in numbers:
                numbers[ahead] = len(states)
                states.append(ahead)
            row.append(numbers[ahead])
        follow.append(row)
    found = [sum(_has_empty(part) << bit for bit, part in enumerate(state)) for state in states]
    return Automaton(readonly(np.array(follow, np.int32)), readonly(np.array(found, np.int64)))
