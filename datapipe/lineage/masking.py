"""Makes text of documents fit to be shown: personal data masked, and nothing that a terminal would obey.

When in doubt a number is masked: a page that shows one thing too little costs a look at the file, one that shows
a telephone number may end in a ticket. This is for display alone; the corpus is masked by stages.
Costs one pass of three patterns, linear in the text.
"""

from __future__ import annotations

import re

__all__ = ["escape", "excerpt", "mask", "mask_url", "safe"]

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
# Controls but tab and line feed; marks that turn the direction of writing; marks that nobody sees.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)


def mask(text: str) -> str:
    """The text with e-mail addresses, account numbers and runs of digits such as telephone and card numbers masked."""
    text = _USER.sub("[user]@", text)
    text = _EMAIL.sub("[e-mail]", text)
    text = _ACCOUNT.sub("[account]", text)
    return _NUMBER.sub(lambda match: match[0] if match["day"] else "[number]", text)


def mask_url(url: str) -> str:
    """A URL without its user and e-mail addresses; its digits are what tells pages apart, and stay."""
    return escape(_EMAIL.sub("[e-mail]", _USER.sub("[user]@", url)), lines=False)


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
