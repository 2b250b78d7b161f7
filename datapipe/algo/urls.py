r"""Hosts of URLs, found and put into one form, and the registered domains that they belong to.

Lists of hosts are of use only if a host is written one way: small letters, punycode, without user, port or dots around.
URLs are taken as browsers take them: spaces around and line breaks within do not count, `\` is `/`, what stands before
the last `@` is no host, percent signs and full-width letters in hosts are undone, `127.1` is an IPv4 address. `//host`
and a bare `host.name/path` are URLs too; what has no host (`data:`, a relative path) has none here.
A registered domain is the public suffix and one label more. The suffixes are those of registries (`co.uk`), not of
hosters (`blogspot.com`, whose domain is itself); a suffix nobody knows is the last label. They come with tldextract
and are never fetched.
Costs 2 microseconds a URL, and 13 more for the domain of each host that was not met lately.
Source: the URL standard (url.spec.whatwg.org), publicsuffix.org, UTS 46.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import unicodedata
from functools import cache, lru_cache
from typing import Any
from urllib.parse import unquote

import idna
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.text.buffers import BytesView, readonly, view_bytes
from datapipe.text.hashing import hash_slices
from datapipe.text.jit import Int64s, Uint64s

__all__ = ["LIBRARIES", "domain_of", "enclosing", "normal_host", "page_candidates", "page_keys", "split_urls"]

LIBRARIES = ("idna", "tldextract")  # their versions shape what comes out
MOST_CHARACTERS = 253  # of a host name; longer ones are no names, and are looked at only whole

_BLANKS = "".join(map(chr, range(33)))
_REST = r"(?::[0-9]*)?(?P<rest>(?s:[/?#\\].*)?)$"
_WITH_SCHEME = (
    r"^(?:[a-zA-Z][a-zA-Z0-9+.\-]*:)?[/\\]{2,}(?:[^/?#\\]*@)?(?P<host>\[[^\]/?#\\]*\]|[^/?#\\:@\[\]]+)" + _REST
)
_BARE = r"^(?P<host>[^/?#\\:@\s\[\]]+\.[^/?#\\:@\s\[\]]+)" + _REST
_PLAIN = r"^[a-z0-9_\-]+(\.[a-z0-9_\-]+)*\.[a-z][a-z0-9_\-]*$"  # as most hosts are: nothing to be done
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f<>^|%\"`{}\\/?#@:\[\]]")
_NUMBERS = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}")


def split_urls(urls: Any) -> tuple[Any, Any]:
    """Host (null where there is none) and what follows it of each URL, two string arrays."""
    cleaned = pc.replace_substring_regex(pc.utf8_trim(urls, _BLANKS), r"[\t\n\r]", "")
    parts = pc.extract_regex(cleaned, _WITH_SCHEME)
    if parts.null_count > urls.null_count:
        bare = pc.extract_regex(cleaned, _BARE)
        parts = pc.if_else(pc.is_valid(parts), parts, bare)
    hosts, rests = (pc.if_else(pc.is_valid(parts), parts.field(at), pa.scalar(None, pa.string())) for at in (0, 1))
    return _normal(hosts), rests


def _normal(hosts: Any) -> Any:
    small = pc.ascii_lower(hosts)
    odd = np.flatnonzero(~pc.fill_null(pc.match_substring_regex(small, _PLAIN), True).to_numpy(zero_copy_only=False))
    if not len(odd):
        return small
    mended = pa.array([normal_host(host) for host in hosts.take(pa.array(odd)).to_pylist()], pa.string())
    mask = np.zeros(len(hosts), np.bool_)
    mask[odd] = True
    return pc.replace_with_mask(small, pa.array(mask), mended)


@lru_cache(maxsize=1 << 16)
def normal_host(host: str) -> str | None:
    """The host in its one form; None if it can be none."""
    if host.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(host[1:-1].partition('%')[0])}]"
        except ValueError:
            return None
    host = unquote(host) if "%" in host else host
    host = (host.lower() if host.isascii() else _punycode(host)).strip(".")
    if not host or _FORBIDDEN.search(host):
        return None
    if _NUMBERS.fullmatch(host):
        try:
            return str(ipaddress.IPv4Address(socket.inet_aton(host)))
        except OSError:
            return None
    return host


def _punycode(host: str) -> str:
    """As browsers write a host to a name server; what no name may hold is kept all the same."""
    if len(host) > MOST_CHARACTERS:  # encoding takes time by the square of its length
        return host.lower()
    try:
        host = idna.uts46_remap(host, std3_rules=False, transitional=False)
    except idna.IDNAError:
        host = unicodedata.normalize("NFKC", host).lower()
    labels = re.split(r"[.。．｡]", host)
    return ".".join(label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels)


@cache
def _suffixes() -> Any:
    import tldextract  # noqa: PLC0415 - a tenth of a second, and only for who needs domains

    return tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())


@lru_cache(maxsize=1 << 16)
def domain_of(host: str) -> str:
    """The registered domain of a host in its one form; an address, or a suffix by itself, is its own."""
    labels = host.split(".")
    if host.startswith("[") or labels[-1].isdigit() or len(host) > MOST_CHARACTERS:
        return host
    suffix = _suffixes().extract_str(host).suffix
    return ".".join(labels[-(suffix.count(".") + 2) :])


@lru_cache(maxsize=1 << 16)
def enclosing(host: str) -> tuple[str, ...]:
    """The host and the names that it lies under, up to its registered domain, which comes first."""
    domain = domain_of(host)
    above = host[: len(host) - len(domain)].split(".")[:-1]
    if len(above) > MOST_CHARACTERS:
        return domain, host
    return tuple(".".join((*above[at:], domain)) for at in range(len(above), -1, -1))


def page_keys(hosts: Any, rests: Any) -> Any:
    """`host/path?query` of each page, as lists of pages are compared: without `www.`, fragment and slashes at the end.

    Paths keep their case; null where there is no host. The front page ends in its slash.
    """
    path = pc.replace_substring_regex(rests, r"(?s)#(?:[^!/].*)?$", "")  # `#!page` and `#/page` are pages of their own
    path = pc.replace_substring(path, "\\", "/")
    path = pc.replace_substring_regex(path, r"^([^/])", r"/\1")
    path = pc.replace_substring_regex(path, r"/+(\?(?s:.*))?$", r"\1")
    site = pc.replace_substring_regex(hosts, r"^www\.(.+\..+)$", r"\1")
    front = pc.match_substring_regex(path, r"^(\?|$)")
    return pc.binary_join_element_wise(site, pc.if_else(front, "/", ""), path, "")


def page_candidates(keys: Any) -> tuple[Uint64s, Int64s]:
    """Hashes of what a list may call each page, and the rows they belong to: its key, without query, its folders.

    The front page is no folder: an entry for it names it alone.
    """
    bare = pc.replace_substring_regex(keys, r"(?s)\?.*$", "")
    shorter = pc.fill_null(pc.and_(pc.not_equal(bare, keys), pc.invert(pc.ends_with(bare, "/"))), False)
    without = np.flatnonzero(shorter.to_numpy(zero_copy_only=False))
    view = view_bytes(bare)
    slashes = np.flatnonzero(view.data == ord("/"))
    rows = np.searchsorted(view.starts, slashes, side="right") - 1
    follows = np.zeros(len(rows), np.bool_)
    follows[1:] = rows[1:] == rows[:-1]  # the first slash ends the host
    slashes, rows = slashes[follows], rows[follows]
    folders = BytesView(view.data, readonly(view.starts[rows]), readonly(slashes))
    parts = [hash_slices(view_bytes(keys)), hash_slices(view_bytes(bare.take(pa.array(without)))), hash_slices(folders)]
    return np.concatenate(parts), np.concatenate([np.arange(len(keys)), without, rows])
