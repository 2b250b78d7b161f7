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
from functools import cache
from importlib.util import find_spec
from typing import Any

import pyarrow as pa

from datapipe.algo.pii.escapes import find_escaped
from datapipe.algo.pii.found import FAST, Found
from datapipe.algo.pii.replacing import merged
from datapipe.algo.pii.secrets import SECRETS, find_secrets
from datapipe.algo.pii.suspects import suspicious

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


def mask(text: str) -> str:
    """The text with all that a pattern knows masked, and with every run of digits that may be somebody's number."""
    text = _ACCOUNT.sub("[account]", _known(text))
    return _NUMBER.sub(lambda match: match[0] if match["day"] else "[number]", text)


def mask_url(url: str) -> str:
    """A URL, a name of a file or a line of our own, masked and on one line.

    Its other digits are what tells pages apart, and stay.
    """
    return escape(_known(url), lines=False)


def _known(text: str) -> str:
    """The text without what a pattern knows."""
    text = _USER.sub("[user]@", text)
    if suspicious(text):
        for span in reversed(merged(_found(text))):
            text = text[: span.start] + _SHOWN.get(span.entity, "[number]") + text[span.end :]
    return _EMAIL.sub("[e-mail]", text)


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
