r"""The one form of a URL, so that two ways of writing the address of a page are equal.

Always: hosts as in `urls` (small letters, punycode, no user), no port 80 or 443, no fragment (no server ever sees it),
`\` as `/`, dot segments resolved, percent signs undone where they stand for unreserved characters and in capitals
elsewhere, other characters than ASCII as percent signs, no empty query, no session id behind a `;`. What may name
another page on some sites is asked for by `Rules`.
Costs 3 microseconds a URL, 5 for one with something odd in its path, 10 for one with a query
(tests/benchmarks/addresses.py).
Source: RFC 3986, section 6.2; the URL standard (url.spec.whatwg.org).
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.urls import split_urls

__all__ = ["TRACKING", "Rules", "normal_urls"]

TRACKING = (
    "utm_*", "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "yclid", "twclid", "ttclid", "igshid",
    "mc_cid", "mc_eid", "mkt_tok", "_ga", "_gl", "_hsenc", "_hsmi", "spm", "jsessionid", "phpsessid",
)  # fmt: skip

_PARTS = r"^(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?"
_PORT = r"^\s*(?:[a-zA-Z][a-zA-Z0-9+.\-]*:)?(?:[/\\]{2,}(?:[^/?#\\]*@)?)?(?:\[[^\]]*\]|[^/?#\\:@]+):0*(?P<port>[0-9]+)"
_SCHEME = r"^\s*(?P<scheme>[a-zA-Z][a-zA-Z0-9+.\-]*):[/\\]{2}"
_PLAIN_PATH = r"^(/|(/[A-Za-z0-9_~\-][A-Za-z0-9_~!$&'()*+,=:@.\-]*)+/?)?$"
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_SESSION = re.compile(r";jsessionid=[^/;]*", re.IGNORECASE)
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]")
_ASCII = "".join(map(chr, range(0x21, 0x7F)))


class Rules(NamedTuple):
    """What counts as the same page, beyond one and the same address."""

    tracking: tuple[str, ...] = TRACKING  # names of parameters that are left out; a `*` ends those that begin so
    any_order: bool = True  # of the parameters
    any_scheme: bool = True  # http and https
    www: bool = True  # with and without `www.`
    slash: bool = True  # with and without slashes at the end of the path


def _unescaped(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if _UNRESERVED.fullmatch(character) else match[0].upper()


def _escapes(part: str) -> str:
    return quote(_ESCAPE.sub(_unescaped, part), safe=_ASCII)


def _normal_path(path: str) -> str:
    """A path without dot segments and session ids, its escapes in one form."""
    segments: list[str] = []
    parts = _escapes(_SESSION.sub("", path.replace("\\", "/"))).split("/")
    for part in parts[1:] if parts[0] == "" else parts:
        if part == "..":
            del segments[-1:]
        elif part != ".":
            segments.append(part)
    if parts[-1] in {".", ".."}:
        segments.append("")
    return "/" + "/".join(segments)


def _is_dropped(name: str, rules: Rules) -> bool:
    small = name.lower()
    return any(small.startswith(known[:-1]) if known.endswith("*") else small == known for known in rules.tracking)


def _normal_query(query: str, rules: Rules) -> str:
    """The parameters that tell pages apart; those of one name keep their order."""
    pairs = [pair for pair in _escapes(query).split("&") if pair]
    pairs = [pair for pair in pairs if not _is_dropped(pair.partition("=")[0], rules)]
    if rules.any_order:
        pairs.sort(key=lambda pair: pair.partition("=")[0])
    return "?" + "&".join(pairs) if pairs else ""


def _mended(values: Any, odd: Any, mend: Any) -> Any:
    """The values with those that are `odd` put through a function."""
    mask = pc.fill_null(odd, False)
    places = np.flatnonzero(mask.to_numpy(zero_copy_only=False))
    mended = pa.array([mend(value) for value in values.take(pa.array(places)).to_pylist()], pa.string())
    return pc.replace_with_mask(values, mask, mended)


def normal_urls(urls: Any, rules: Rules) -> Any:
    """String array: each URL in its one form, null where there is no host. `urls` are strings."""
    hosts, rests = split_urls(urls)
    parts = pc.extract_regex(rests, _PARTS)
    path: Any
    query: Any
    path, query = (pc.if_else(pc.is_valid(parts), parts.field(at), pa.scalar(None, pa.string())) for at in (0, 1))
    path = _mended(path, pc.invert(pc.match_substring_regex(path, _PLAIN_PATH)), _normal_path)
    if rules.slash:
        path = pc.utf8_rtrim(path, "/")
    path = pc.replace_substring_regex(path, r"^$", "/")
    query = _mended(query, pc.match_substring_regex(query, "(?s)^."), lambda query: _normal_query(query, rules))
    if rules.www:
        hosts = pc.replace_substring_regex(hosts, r"^www\.(.+\..+)$", r"\1")
    port = pc.struct_field(pc.extract_regex(urls, _PORT), "port")
    named = pc.and_(pc.is_valid(port), pc.invert(pc.is_in(port, pa.array(["80", "443"]))))
    port = pc.if_else(pc.fill_null(named, False), pc.binary_join_element_wise("", pc.fill_null(port, ""), ":"), "")
    return pc.binary_join_element_wise(_schemes(urls, rules), hosts, port, path, query, "")


def _schemes(urls: Any, rules: Rules) -> Any:
    """What stands before `//`, with its colon; nothing where no scheme is given, or it does not matter."""
    scheme = pc.ascii_lower(pc.struct_field(pc.extract_regex(urls, _SCHEME), "scheme"))
    if rules.any_scheme:
        scheme = pc.if_else(pc.is_in(scheme, pa.array(["http", "https"])), None, scheme)
    return pc.fill_null(pc.binary_join_element_wise(scheme, "//", ":"), "")
