"""Makes text of documents fit to be shown: personal data masked, and nothing that a terminal would obey.

What: all that `datapipe.algo.pii` finds, behind escapes too, whatever stage the text is from; besides, when in doubt a
number is masked: a page that shows one thing too little costs a look at the file, one that shows a telephone number may
end in a ticket. Names of people are not found. Where presidio is not installed the patterns that need nothing are left,
and standard error says so once. This is for display alone; the corpus is masked by stages.
Costs a second or two for the first text that could hold personal data (presidio imports spaCy), then milliseconds each.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import pyarrow as pa

from datapipe.algo.pii.escapes import find_escaped
from datapipe.algo.pii.found import FAST, Found
from datapipe.algo.pii.replacing import merged
from datapipe.algo.pii.secrets import SECRETS, find_secrets
from datapipe.algo.pii.suspects import suspicious

__all__ = ["Masked", "escape", "excerpt", "mask", "mask_url", "masked_spans", "safe"]

_EMAIL = re.compile(r"[\w.+%'-]{1,64}(?:@|＠|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_ACCOUNT = re.compile(r"(?<![^\W_])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?(?![^\W_])")
# A day or a time stands alone; else it would read as a number with dashes. Seven digits are the shortest telephone
# number, nineteen the longest card number.
_NUMBER = re.compile(
    r"(?<!\d)(?P<day>(?:1[5-9]|20)\d\d[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])[-/.](?:0?[1-9]|[12]\d|3[01])[-/.](?:1[5-9]|20)\d\d)(?!\d)"
    r"|(?<![\w])[+(]{0,2}\d(?:[ \u00a0\u2009\u202f().\-\u2010-\u2013/·]{0,3}\d){6,40}[Xx]?(?![^\W_])"
)
_USER = re.compile(r"(?<=://)[^/?#\s@]*(?:@[^/?#\s@]*)*@")
_LONE = re.compile("[\ud800-\udfff]")
_SHOWN = {  # by entity; all others are numbers
    "EMAIL_ADDRESS": "[e-mail]",
    "IP_ADDRESS": "[address]",
    "IBAN_CODE": "[account]",
    "CRYPTO": "[account]",
    "API_KEY": "[secret]",
    "PRIVATE_KEY": "[secret]",
    "URL_CREDENTIALS": "[user]",
}
MIN_SCORE = 0.4  # as `mask.pii` has it by default
# Controls but tab and line feed; marks that turn the direction of writing; marks that nobody sees.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)


class Masked(NamedTuple):
    """Characters [start, end) of a text that are masked, and what is shown for them."""

    start: int
    end: int
    shown: str


def mask(text: str) -> str:
    """The text with all that a pattern knows masked, and with every run of digits that may be somebody's number."""
    for find in (*_KNOWN, _accounts, _numbers):
        text = _replaced(text, find(text))
    return text


def masked_spans(text: str) -> list[Masked]:
    """What `mask` takes out of a text, in order: for those who show a text in pieces that a pattern may span."""
    found: list[Masked] = []
    now = text
    for find in (*_KNOWN, _accounts, _numbers):
        spans = list(find(now))
        if spans:
            found = _traced(found, spans)
            now = _replaced(text, iter(found))
    return found


def mask_url(url: str) -> str:
    """A URL, a name of a file or a line of our own, masked and on one line.

    Its other digits are what tells pages apart, and stay.
    """
    for find in _KNOWN:
        url = _replaced(url, find(url))
    return escape(url, lines=False)


def _replaced(text: str, spans: Iterator[Masked]) -> str:
    parts, at = [], 0
    for start, end, shown in spans:
        parts += [text[at:start], shown]
        at = end
    return "".join([*parts, text[at:]])


def _traced(done: list[Masked], spans: list[Masked]) -> list[Masked]:
    """What is masked after a further step, whose spans are of the text as the steps before have left it."""
    added = [Masked(_place(done, start, end=False), _place(done, end, end=True), shown) for start, end, shown in spans]
    kept = [each for each in done if not any(new.start <= each.start and each.end <= new.end for new in added)]
    return sorted([*kept, *added])


def _place(done: list[Masked], position: int, *, end: bool) -> int:
    """A place of the masked text in the original; inside of what is masked, the border of that."""
    longer = 0  # the original than the masked text, so far
    for each in done:
        start = each.start - longer
        stop = start + len(each.shown)
        if position <= start:
            break
        if position < stop:
            return each.end if end else each.start
        longer = each.end - stop
    return position + longer


# Each finds some of what is masked in a text that the ones before have been over; spans in order, none overlap.


def _users(text: str) -> Iterator[Masked]:
    return (Masked(hit.start(), hit.end(), "[user]@") for hit in _USER.finditer(text))


def _patterns(text: str) -> Iterator[Masked]:
    """What the recognisers of `datapipe.algo.pii` know."""
    spans = merged(_found(text)) if suspicious(text) else []
    return (Masked(span.start, span.end, _SHOWN.get(span.entity, "[number]")) for span in spans)


def _mails(text: str) -> Iterator[Masked]:
    return (Masked(hit.start(), hit.end(), "[e-mail]") for hit in _EMAIL.finditer(text))


def _accounts(text: str) -> Iterator[Masked]:
    return (Masked(hit.start(), hit.end(), "[account]") for hit in _ACCOUNT.finditer(text))


def _numbers(text: str) -> Iterator[Masked]:
    return (Masked(hit.start(), hit.end(), "[number]") for hit in _NUMBER.finditer(text) if not hit["day"])


_KNOWN: tuple[Callable[[str], Iterator[Masked]], ...] = (_users, _patterns, _mails)


def _found(text: str) -> list[Found]:
    texts: Any = pa.array([_LONE.sub("\ufffd", text)], pa.large_string())
    find = _finder()
    return [each for part in (find(texts), find_escaped(texts, find)) for each in part.get(0, [])]


@cache
def _finder() -> Any:
    """What finds personal data in texts: with presidio all that there is, else secrets alone, which is told once."""
    lacking = [name for name in ("presidio_analyzer", "phonenumbers", "regex") if find_spec(name) is None]
    if lacking:
        sys.stderr.write(
            f"note: {lacking[0]} is not installed: only e-mail addresses, secrets and long numbers are "
            "masked in what is shown; pip install 'datapipe[pii]'\n"
        )
        return lambda texts: find_secrets(texts, SECRETS)
    from datapipe.algo.pii.chinese import CHINESE  # noqa: PLC0415 - needs the extra
    from datapipe.algo.pii.detector import Wanted, detect  # noqa: PLC0415 - the same
    from datapipe.algo.pii.phones import REGIONS  # noqa: PLC0415 - the same

    wanted = Wanted((*FAST, *CHINESE, *SECRETS), REGIONS, MIN_SCORE, faithful=False, public_only=False)
    return lambda texts: detect(texts, wanted)


def escape(text: str, *, lines: bool = True) -> str:
    r"""The text with controls, turns of direction and unseen marks written out as `\x1b` or `\u202e`."""
    shown = _UNSEEN.sub(_written, text)
    return shown if lines else " ".join(shown.split())


def _written(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def safe(text: str, *, lines: bool = True) -> str:
    """Masked and escaped; on one line if `lines` is false."""
    return escape(mask(text), lines=lines)


def excerpt(shown: str, characters: int, start: int = 0) -> str:
    """Some of a text that is safe already, on one line; masking comes first, so that no half number is shown."""
    cut = " ".join(shown[start : start + characters].split())
    return f"{'… ' if start else ''}{cut}{' …' if len(shown) > start + characters else ''}"
