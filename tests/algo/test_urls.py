"""Hosts, domains and page keys of URLs: cases worked out by hand, against how browsers read them."""

from __future__ import annotations

import socket

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo.urls import domain_of, enclosing, normal_host, page_keys, split_urls

HOSTS = [
    ("https://www.Example.CO.UK:443/a?b#c", "www.example.co.uk"),
    ("HTTP://EXAMPLE.COM", "example.com"),
    ("//example.com/x", "example.com"),
    ("example.com/x", "example.com"),
    ("example.com:8080/x", "example.com"),
    ("http://example.com./", "example.com"),
    ("http://example.com../", "example.com"),
    ("http://example.com?q=http://other.example/", "example.com"),
    ("http://example.com#@other.example/", "example.com"),
    ("http://user:secret@example.com/", "example.com"),
    ("http://user:p@ss@example.com/", "example.com"),
    ("http://good.example@evil.example/", "evil.example"),
    ("http://evil.example\\@good.example/", "evil.example"),
    ("http:\\\\evil.example\\x", "evil.example"),
    (" \thttp://exa\nmple.com/ ", "example.com"),
    ("http://ex%61mple%2Ecom/", "example.com"),
    ("http://ｅｘａｍｐｌｅ。ｃｏｍ/", "example.com"),
    ("http://bücher.example/", "xn--bcher-kva.example"),
    ("http://BÜCHER.example/", "xn--bcher-kva.example"),
    ("http://xn--bcher-kva.example/", "xn--bcher-kva.example"),
    ("https://例え.jp/ü", "xn--r8jz45g.jp"),
    ("http://faß.example/", "xn--fa-hia.example"),
    ("http://💩.la/", "xn--ls8h.la"),
    ("http://a_b.example/", "a_b.example"),
    ("http://localhost:3000/x", "localhost"),
    ("http://[2001:DB8:0:0::1]:80/", "[2001:db8::1]"),
    ("http://192.0.2.7/x", "192.0.2.7"),
    ("http://127.1/", "127.0.0.1"),
    ("http://0x7f.0.0.1/", "127.0.0.1"),
    ("http://2130706433/", "127.0.0.1"),
    ("ftp://files.example/a", "files.example"),
    ("", None),
    ("no address", None),
    ("http://", None),
    ("http:///path", "path"),  # so says the standard
    ("http://[::1", None),
    ("http://[not an address]/", None),
    ("http://a b.example/", None),
    ("http://a%00b.example/", None),
    ("data:text/html,<p>", None),
    ("mailto:anna@example.org", None),
    ("dns:example.com", None),
    ("/relative/path.html", None),
    ("http://" + "例" * 8000 + ".example/", "例" * 8000 + ".example"),  # no name: encoding it would take seconds
    (None, None),
]


@pytest.mark.parametrize(("url", "host"), HOSTS, ids=[str(case[0])[:40] for case in HOSTS])
def test_the_host_is_found_as_browsers_find_it(url: str | None, host: str | None) -> None:
    assert split_urls(pa.array([url], pa.string()))[0].to_pylist() == [host]


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.example.com", "example.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("com", "com"),
        ("localhost", "localhost"),
        ("me.blogspot.com", "blogspot.com"),
        ("www.city.kawasaki.jp", "city.kawasaki.jp"),  # an exception to *.kawasaki.jp
        ("a.b.c.kawasaki.jp", "b.c.kawasaki.jp"),  # *.kawasaki.jp
        ("a.site.example", "site.example"),  # nobody's suffix: the last label
        ("xn--bcher-kva.xn--p1ai", "xn--bcher-kva.xn--p1ai"),
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:db8::1]", "[2001:db8::1]"),
    ],
)
def test_the_registered_domain_is_the_suffix_and_a_label(host: str, domain: str) -> None:
    assert domain_of(host) == domain


def test_names_that_enclose_a_host_end_at_its_domain() -> None:
    assert enclosing("a.b.example.co.uk") == ("example.co.uk", "b.example.co.uk", "a.b.example.co.uk")
    assert enclosing("co.uk") == ("co.uk",)
    assert enclosing("192.0.2.7") == ("192.0.2.7",)


KEYS = [
    ("https://www.example.com/a/b.html?q=1#top", "example.com/a/b.html?q=1"),
    ("http://example.com/a/b.html?q=1", "example.com/a/b.html?q=1"),
    ("http://example.com/a/", "example.com/a"),
    ("http://example.com/a/?x", "example.com/a?x"),
    ("http://example.com", "example.com/"),
    ("http://example.com/#x/y", "example.com/"),
    ("http://example.com?x=/", "example.com/?x=/"),
    ("http://example.com/A", "example.com/A"),
    ("http://example.com\\a", "example.com/a"),
    ("http://www.com/", "www.com/"),
    ("data:,x", None),
]


@pytest.mark.parametrize(("url", "key"), KEYS, ids=[case[0] for case in KEYS])
def test_pages_are_compared_by_host_path_and_query(url: str, key: str | None) -> None:
    assert page_keys(*split_urls(pa.array([url]))).to_pylist() == [key]


def test_domains_need_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    domain_of.cache_clear()
    assert domain_of("never.met.before.co.jp") == "before.co.jp"


@given(st.lists(st.one_of(st.none(), st.text(max_size=40), st.builds("http://{}/{}".format, st.text(), st.text()))))
def test_no_url_breaks_it_and_a_host_found_stays_as_it_is(urls: list[str | None]) -> None:
    array = pa.array([None if url is None else url.encode("utf-8", "replace").decode() for url in urls], pa.string())
    hosts, rests = split_urls(array)
    page_keys(hosts, rests)
    each = [split_urls(array.slice(row, 1))[0][0].as_py() for row in range(len(array))]
    assert each == hosts.to_pylist()
    for host in filter(None, each):
        assert normal_host(host) == host
        assert host.endswith(domain_of(host))
        assert np.unique(enclosing(host)).size == len(enclosing(host))
