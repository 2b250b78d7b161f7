"""A hub of one's own: the requests of the hub's client, answered from memory by a real HTTP server."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Commits = dict[str, dict[str, bytes]]  # files by path, of each commit; the last is the main branch


class Hub(ThreadingHTTPServer):
    """Serves one data set or model, `someone/things`, and remembers what was asked for."""

    daemon_threads = True

    def __init__(self, commits: Commits) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.commits = commits
        self.asked: list[tuple[str, str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers like the hub, as far as reading a data set or the files of a model needs it."""

    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append((self.command, path, self.headers.get("range")))
        found = re.fullmatch(r"(?:/datasets)?/someone/things/resolve/([^/]+)/(.+)", path)
        if found:
            self.file(self.commit(found[1]), found[2])
            return
        found = re.fullmatch(r"/api/(?:datasets|models)/someone/things(?:/(revision|tree)/([^/]+)/?(.*))?", path)
        if found is None or self.commit(found[2]) is None:
            self.send(404, b"", {"X-Error-Code": "RevisionNotFound" if found else "RepoNotFound"})
        elif found[1] == "tree":
            self.tree(self.server.commits[str(self.commit(found[2]))], found[3])
        else:
            commit = self.commit(found[2])
            files = [{"rfilename": name} for name in self.server.commits[str(commit)]]
            self.send_json({"id": "someone/things", "sha": commit, "siblings": files, "tags": []})

    def commit(self, revision: str | None) -> str | None:
        if revision in (None, "main"):
            return list(self.server.commits)[-1]
        return revision if revision in self.server.commits else None

    def tree(self, files: dict[str, bytes], folder: str) -> None:
        listed: list[dict[str, Any]] = []
        for name, data in files.items():
            if name.startswith(f"{folder}/" if folder else ""):
                oid = hashlib.sha1(data).hexdigest()
                entry: dict[str, Any] = {"type": "file", "oid": oid, "size": len(data), "path": name}
                if name.endswith(".parquet"):
                    lfs = hashlib.sha256(data).hexdigest()
                    entry["lfs"] = {"oid": lfs, "size": len(data), "pointerSize": 134}
                listed.append(entry)
        folders = {entry["path"].rpartition("/")[0] for entry in listed} - {"", folder}
        listed += [{"type": "directory", "oid": "0" * 40, "size": 0, "path": name} for name in sorted(folders)]
        self.send_json(listed)

    def file(self, commit: str | None, name: str) -> None:
        data = self.server.commits.get(commit or "", {}).get(name)
        if data is None:
            self.send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        fields = {
            "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
            "X-Repo-Commit": str(commit),
            "Accept-Ranges": "bytes",
        }
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range") or "")
        if asked is None:
            self.send(200, data, fields)
            return
        first, last = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
        fields["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        self.send(206, data[first : last + 1], fields)

    def send_json(self, value: Any) -> None:
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def send(self, status: int, body: bytes, fields: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def hub(commits: Commits) -> Iterator[Hub]:
    """A running hub."""
    server = Hub(commits)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
