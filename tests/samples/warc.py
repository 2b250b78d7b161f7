"""Write WARC 1.1 records, one gzip member each, with fixed dates and ids."""

import base64
import dataclasses
import gzip
import hashlib
import uuid


@dataclasses.dataclass(frozen=True)
class Page:
    """One HTTP exchange; `body` is what travels, already encoded."""

    url: str
    date: str
    body: bytes
    content_type: str = "text/html; charset=utf-8"
    status: str = "200 OK"
    headers: tuple[str, ...] = ()
    revisit: bool = False  # the crawler had met the same body before, and did not store it again


def file_info(name: str) -> bytes:
    """The warcinfo record that opens a file."""
    body = f"software: datapipe sample builder\r\nformat: WARC File Format 1.1\r\nisPartOf: samples\r\ndescription: {name}\r\n"
    fields = [("WARC-Type", "warcinfo"), ("WARC-Filename", name), ("Content-Type", "application/warc-fields")]
    return _member(fields, body.encode(), name, "2026-11-01")


def exchange(page: Page, *, with_request: bool, with_metadata: bool) -> bytes:
    """The request, response and metadata records of one page."""
    records = []
    if with_request:
        host, _, path = page.url.removeprefix("https://").partition("/")
        request = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: samplebot/1.0\r\nAccept: text/html\r\n\r\n"
        records.append(_page_member("request", page, "application/http; msgtype=request", request.encode()))
    lines = [f"HTTP/1.1 {page.status}", f"Content-Type: {page.content_type}", "Server: sample", *page.headers]
    if not any(line.lower().startswith("transfer-encoding") for line in page.headers):
        lines.append(f"Content-Length: {len(page.body)}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    kind = "revisit" if page.revisit else "response"
    records.append(_page_member(kind, page, "application/http; msgtype=response", head + page.body, page.body))
    if with_metadata:
        fields = f"fetchTimeMs: {len(page.body) % 900 + 40}\r\n"
        records.append(_page_member("metadata", page, "application/warc-fields", fields.encode()))
    return b"".join(records)


def chunked(body: bytes, size: int = 700) -> bytes:
    """`body` in the chunked transfer coding."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def _page_member(kind: str, page: Page, content_type: str, block: bytes, payload: bytes | None = None) -> bytes:
    fields = [("WARC-Type", kind), ("WARC-Target-URI", page.url), ("Content-Type", content_type)]
    if page.revisit and kind == "revisit":
        fields.append(("WARC-Profile", "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"))
    if payload is not None:
        fields.append(("WARC-Payload-Digest", _digest(payload)))
    return _member(fields, block, f"{kind} {page.url}", page.date)


def _member(fields: list[tuple[str, str]], block: bytes, name: str, date: str) -> bytes:
    record_id = uuid.uuid5(uuid.NAMESPACE_URL, name)
    head = [
        "WARC/1.1",
        f"WARC-Record-ID: <urn:uuid:{record_id}>",
        f"WARC-Date: {date}T06:00:00Z",
        *(f"{key}: {value}" for key, value in fields),
        f"WARC-Block-Digest: {_digest(block)}",
        f"Content-Length: {len(block)}",
    ]
    return gzip.compress("\r\n".join(head).encode() + b"\r\n\r\n" + block + b"\r\n\r\n", 9, mtime=0)


def _digest(data: bytes) -> str:
    return "sha1:" + base64.b32encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()
