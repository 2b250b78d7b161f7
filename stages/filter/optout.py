"""Drop pages whose owners do not want them used: by meta tags, by header fields, by lists of hosts.

What: `<meta name="robots" content="noai">` and the like (any agent in `agents`), `<meta name="tdm-reservation"
content="1">`, the header fields X-Robots-Tag and tdm-reservation where the crawl recorded them (column `robots`), and
lists of hosts that opted out, one a line; comments `# source: …` and `# date: …` at their top go into the ledger. The
most restrictive signal counts. All known directives are stored, so that another choice of them measures nothing again.
By default those count that speak of machine learning or text mining. `noindex` and its kin speak to search engines;
`noimageai` is about pictures: name them in `directives` to have them count.
A page is read as browsers read its head: up to <body> and within its first `head_bytes`; attributes in any order, case
and quotes, character references undone; nothing counts that stands in comments, scripts, styles or titles. It is not
parsed as a whole: robots.txt and tdmrep.json are not in a page, and a crawler has to heed them before.
Columns that no source gives are empty; a document with no page, header or listed host is `not_judged`.
Costs: a quarter of a millisecond a page, 4,300 pages/s (tests/benchmarks/urls.py).
Source: Google's robots meta tag and X-Robots-Tag specification; TDM Reservation Protocol (W3C community group, 2024).
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Annotated, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator

from datapipe.algo.lists import HashList, ListFile, Queries, entries, list_files, names_of, rows_where, stamp
from datapipe.algo.resource import loaded_once
from datapipe.algo.urls import LIBRARIES
from datapipe.stage import Map, Mask, Prepare, Size, StageConfig, decide, first_of, measure, place, schema

BY_META = "opted_out_by_meta"
BY_HEADER = "opted_out_by_header"
BY_LIST = "opted_out_by_list"

RESERVED = "tdm-reservation"
DIRECTIVES = (
    *("noai", "noml", RESERVED, "noimageai"),
    *("noindex", "nofollow", "noarchive", "nosnippet", "nocache", "noimageindex", "notranslate"),
)
NONE = ("noindex", "nofollow")  # what `none` stands for
# Who is spoken to. `robots` is everybody; the others are crawlers whose pages feed models.
AGENTS = ("robots", "googlebot", "google-extended", "bingbot", "ccbot", "gptbot", "claudebot", "applebot-extended")

_MARK = re.compile(rb"<(?:(!--)|([a-z][^\s/>]*))")
_COMMENT_END = re.compile(rb"--!?>")
_ATTRIBUTE = re.compile(rb"[\s/]*+(?:([^\s/>][^\s/>=]*+)\s*+(=?)\s*+)?")
_VALUE = re.compile(rb"[^\s>]*+")
_RAW = frozenset({b"script", b"style", b"title", b"textarea", b"xmp", b"iframe", b"noembed", b"noframes"})
_SEPARATORS = re.compile(r"[\s,;]+")
_AGENT = re.compile(r"\s*([a-z0-9_.*\-]+)\s*:(.*)", re.DOTALL)
_WITH_VALUE = ("max-", "unavailable_after")
_ABOUT = "lists.json"


def _known(given: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := sorted(set(given) - set(DIRECTIVES)):
        raise ValueError(f"no directive known as {', '.join(unknown)}; known are {', '.join(DIRECTIVES)}")
    return given


class Config(StageConfig):
    """Whose signals are looked for, and which of them count."""

    agents: tuple[str, ...] = measure(AGENTS, "names of crawlers whose directives are ours too; robots is all of them")
    head_bytes: Size = measure(64 << 10, "bytes from a page's start that are searched for meta tags", gt=0)
    hosts: tuple[str, ...] = place((), "files of hosts that opted out with all under them, one a line")
    directives: Annotated[tuple[str, ...], AfterValidator(_known)] = decide(
        ("noai", "noml", RESERVED), f"which of {', '.join(DIRECTIVES)} drop a page, as opted_out_by_meta or _by_header"
    )


NAMES = pa.list_(pa.string())
ADDS = schema(meta=NAMES, header=NAMES, lists=NAMES, judged=pa.bool_())


# ---------------------------------------------------------------------------------------------- what a page says


def said_in_head(page: bytes, agents: frozenset[str]) -> set[str]:
    """Directives in the meta tags of a page's head, of those in DIRECTIVES."""
    head = _as_ascii(page).lower()
    found: set[str] = set()
    at = 0
    while mark := _MARK.search(head, at):
        at = mark.end()
        if mark[1]:
            end = _COMMENT_END.search(head, at - 2)  # `<!-->` is a whole comment
            at = end.end() if end else -1
        elif mark[2] == b"body":
            break
        else:
            attributes, at = _attributes(head, at)
            if mark[2] == b"meta" and at >= 0:
                found |= _of_meta(attributes, agents)
            elif mark[2] in _RAW and at >= 0:
                at = head.find(b"</" + mark[2], at)
        if at < 0:  # it is not closed: nothing behind it is markup
            break
    return found


def _as_ascii(page: bytes) -> bytes:
    """The page as bytes of which letters are ASCII: UTF-16 becomes UTF-8."""
    if page[:2] in {b"\xff\xfe", b"<\0"}:
        return page.decode("utf-16-le", "replace").encode()
    if page[:2] in {b"\xfe\xff", b"\0<"}:
        return page.decode("utf-16-be", "replace").encode()
    return page


def _attributes(head: bytes, at: int) -> tuple[dict[bytes, bytes], int]:
    """Attributes of the tag whose name ends at `at`, the first of each name, and where it ends; -1 if nowhere."""
    found: dict[bytes, bytes] = {}
    while match := _ATTRIBUTE.match(head, at):
        at = match.end()
        name, value = match[1], b""
        if name is None:
            return found, at + 1 if at < len(head) else -1  # `>`, or the end of what is looked at
        if match[2]:
            quote = head[at : at + 1]
            if quote in {b'"', b"'"}:
                end = head.find(quote, at + 1)
                if end < 0:
                    break
                value, at = head[at + 1 : end], end + 1
            else:
                plain = _VALUE.match(head, at)
                value, at = (plain[0], plain.end()) if plain else (b"", at)
        found.setdefault(name, value)
    return found, -1


def _of_meta(attributes: dict[bytes, bytes], agents: frozenset[str]) -> set[str]:
    name = _text(attributes.get(b"name", b""))
    if name == RESERVED:
        return {RESERVED} if _text(attributes.get(b"content", b"")) == "1" else set()
    return _directives(_text(attributes.get(b"content", b""))) if name in agents else set()


def _text(value: bytes) -> str:
    text = value.decode("utf-8", "replace")
    return (html.unescape(text) if "&" in text else text).strip().lower()


def _directives(text: str) -> set[str]:
    words = set(_SEPARATORS.split(text))
    return words & (set(DIRECTIVES) - {RESERVED}) | (set(NONE) if "none" in words else set())


def said_in_header(fields: str, agents: frozenset[str]) -> set[str]:
    """Directives in lines `name: value` of header fields; an agent's name speaks for what follows it in its field."""
    found: set[str] = set()
    for line in fields.lower().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == RESERVED and value.strip() == "1":
            found.add(RESERVED)
        elif name.strip() == "x-robots-tag":
            found |= _of_field(value, agents)
    return found


def _of_field(value: str, agents: frozenset[str]) -> set[str]:
    found: set[str] = set()
    agent = "robots"
    for part in value.split(","):
        named = _AGENT.match(part)
        if named and not named[1].startswith(_WITH_VALUE):
            agent, part = named[1], named[2]  # noqa: PLW2901 - what follows the agent's name
        if agent in agents or agent == "*":
            found |= _directives(part.strip())
    return found


# ---------------------------------------------------------------------------------------------- lists


def _files(config: Config) -> list[ListFile]:
    return list_files(config.hosts, "domains")


def libraries(config: Config) -> tuple[str, ...]:
    """What tells domains, and what the lists hold."""
    return (*LIBRARIES, *stamp(_files(config))) if config.hosts else ()


def _label(each: ListFile) -> str:
    """Name of a list, with the source and date that stand at its top."""
    top = next(entries(each.file, comments=True)).to_pylist()
    told = dict(line.lstrip("# ").partition(":")[::2] for line in reversed(top))
    about = [told[key].strip() for key in ("source", "date") if told.get(key, "").strip()]
    return f"{each.name} ({', '.join(about)})" if about else each.name


def build(config: Config, folder: Path) -> None:
    """Write the lists as hashes. Raises InputError for a file that cannot be read or holds no host."""
    files = _files(config)
    labels = {each.name: _label(each) for each in reversed(files)}
    names = sorted(labels)
    HashList.of(files, {name: number for number, name in enumerate(names)}).save(folder, "hosts")
    (folder / _ABOUT).write_bytes(orjson.dumps([labels[name] for name in names]))


@loaded_once(_ABOUT)
def _load(folder: Path) -> tuple[HashList, Any]:
    return HashList.load(folder, "hosts"), pa.array(orjson.loads((folder / _ABOUT).read_bytes()), pa.string())


def _lists(urls: Any, resource: Path) -> Any:
    found, labels = _load(resource)
    queries = Queries(urls)
    return names_of(*found.find(queries, "domains"), labels, len(urls))


# ---------------------------------------------------------------------------------------------- the stage


def reads(config: Config) -> tuple[str, ...]:
    """Pages, header fields and, for lists, URLs."""
    return ("html", "robots", *(("url",) if config.hosts else ()))


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """What the meta tags and header fields of each page say, and which lists name its host."""
    assert resource is not None
    agents = frozenset(agent.lower() for agent in config.agents)
    heads = pc.binary_slice(batch["html"], 0, config.head_bytes)
    meta = [None if head is None else sorted(said_in_head(head, agents)) for head in heads.to_pylist()]
    fields = [None if one is None else sorted(said_in_header(one, agents)) for one in batch["robots"].to_pylist()]
    lists: Any = pa.array([[]] * len(batch), NAMES)
    judged: Any = pc.or_(pc.is_valid(batch["html"]), pc.is_valid(batch["robots"]))
    if config.hosts:
        lists = _lists(batch["url"], resource)
        judged = pc.or_(judged, pc.is_valid(batch["url"]))
    return pa.RecordBatch.from_arrays([pa.array(meta, NAMES), pa.array(fields, NAMES), lists, judged], schema=ADDS)


def _says(column: Any, directives: tuple[str, ...]) -> Mask:
    return rows_where(column, pc.is_in(column.flatten(), value_set=pa.array(directives, pa.string())))


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """How each page was opted out."""
    listed: Any = measured["lists"]
    return first_of(
        (_says(measured["meta"], config.directives), BY_META),
        (_says(measured["header"], config.directives), BY_HEADER),
        (pc.fill_null(pc.list_value_length(listed), 0).to_numpy(zero_copy_only=False) > 0, BY_LIST),
    )


STAGE = Map(
    name="filter.optout",
    version=1,
    config=Config,
    reads=reads,
    optional=("html", "robots", "url"),
    adds=ADDS,
    coded=("meta", "header", "lists"),
    reasons={
        BY_META: "a meta tag of the page says one of directives",
        BY_HEADER: "a header field of the page says one of directives",
        BY_LIST: "its host is on a list of hosts that opted out",
    },
    libraries=libraries,
    prepare=Prepare(build=build),
    process=process,
    decide=decide_reasons,
)
