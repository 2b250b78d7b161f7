from __future__ import annotations

import time
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datapipe.errors import InputError
from stages.filter.optout import AGENTS, STAGE, Config, said_in_head, said_in_header

EVERYBODY = frozenset(AGENTS)
HEADS = [
    ('<meta name="robots" content="noai">', {"noai"}),
    ("<META NAME='ROBOTS' CONTENT='NoAI, NoImageAI'/>", {"noai", "noimageai"}),
    ("<meta content=noai name=robots>", {"noai"}),
    ('<meta\n\tcontent = "noindex,\n noai"\n name = "robots" />', {"noindex", "noai"}),
    ('<meta name="robots" content="none">', {"noindex", "nofollow"}),
    ('<meta name="robots" content="noai noimageai">', {"noai", "noimageai"}),
    ('<meta name="robots" content="max-snippet:-1, noarchive">', {"noarchive"}),
    ('<meta name="robots" content="index, follow, all">', set()),
    ('<meta name="robots" content="noaim">', set()),
    ('<meta name="ROBOTS" content="no&#97;i">', {"noai"}),
    ('<meta name="&#x72;obots" content="noai">', {"noai"}),
    ('<meta name=" robots " content=" noai ">', {"noai"}),
    ('<meta name="googlebot" content="noai">', {"noai"}),
    ('<meta name="otherbot" content="noai">', set()),
    ('<meta name="description" content="noai, noindex">', set()),
    ('<meta name="description" content="what noai means"><meta name="robots" content="noml">', {"noml"}),
    ('<meta name="description" content="a > b"><meta name="robots" content="noai">', {"noai"}),
    ("<meta name='description' content='\"'><meta name='robots' content='noai'>", {"noai"}),
    ('<meta name="robots"" content="noai">', {"noai"}),
    ('<meta name="robots" name="description" content="noai">', {"noai"}),
    ('<meta name="description" name="robots" content="noai">', set()),
    ('<meta name="robots" content="index" content="noai">', set()),
    ('<meta name="tdm-reservation" content="1">', {"tdm-reservation"}),
    ('<meta content=" 1 " name="TDM-Reservation">', {"tdm-reservation"}),
    ('<meta name="tdm-reservation" content="0">', set()),
    ('<meta name="tdm-reservation">', set()),
    ('<meta name="robots" content="tdm-reservation">', set()),
    ('<!-- <meta name="robots" content="noai"> -->', set()),
    ('<!-- a > b --><meta name="robots" content="noai">', {"noai"}),
    ('<!--><meta name="robots" content="noai"> -->', {"noai"}),
    ('<!-- one --!><meta name="robots" content="noai">', {"noai"}),
    ('<!-- never closed <meta name="robots" content="noai">', set()),
    ('<script>document.write(\'<meta name="robots" content="noai">\')</script>', set()),
    ('<script src="a>b">x < y</script><meta name="robots" content="noai">', {"noai"}),
    ('<style>/* <meta name="robots" content="noai"> */</style>', set()),
    ('<title>How to write <meta name="robots" content="noai"></title>', set()),
    ('<script>never closed <meta name="robots" content="noai">', set()),
    ('<link title="<meta name=robots content=noai>">', set()),
    ('<noscript><meta name="robots" content="noai"></noscript>', {"noai"}),
    ('</head><body class="x"><meta name="robots" content="noai">', set()),
    ('<meta name="robots" content="noai', set()),
    ('<metadata name="robots" content="noai">', set()),
    ('<meta name="robots" content="noai"', set()),
    ('\ufeff<!DOCTYPE html><html lang="en"><head><meta name="robots" content="noai">', {"noai"}),
    ("", set()),
]


@pytest.mark.parametrize(("head", "said"), HEADS, ids=[case[0][:60] for case in HEADS])
def test_directives_of_meta_tags(head: str, said: set[str]) -> None:
    assert said_in_head(head.encode(), EVERYBODY) == said


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "latin-1", "gbk", "shift-jis"])
def test_directives_are_found_in_any_charset(charset: str) -> None:
    page = '<html><head><meta name="robots" content="noai"></head>'
    assert said_in_head(page.encode(charset), EVERYBODY) == {"noai"}


FIELDS = [
    ("X-Robots-Tag: noai", {"noai"}),
    ("x-robots-tag: NOAI, noimageai", {"noai", "noimageai"}),
    ("X-Robots-Tag: noindex\r\nX-Robots-Tag: noai", {"noindex", "noai"}),
    ("X-Robots-Tag: googlebot: noai", {"noai"}),
    ("X-Robots-Tag: otherbot: noai, noindex", set()),
    ("X-Robots-Tag: otherbot: noai, ccbot: noindex", {"noindex"}),
    ("X-Robots-Tag: noarchive, otherbot: noai", {"noarchive"}),
    ("X-Robots-Tag: unavailable_after: 25 Jun 2026 15:00:00 PST, noai", {"noai"}),
    ("X-Robots-Tag: max-snippet: 20, noai", {"noai"}),
    ("TDM-Reservation: 1\ntdm-policy: https://a.example/policy.json", {"tdm-reservation"}),
    ("tdm-reservation: 0", set()),
    ("tdm-policy: https://a.example/noai", set()),
    ("Server: noai", set()),
    ("noai", set()),
    ("", set()),
]


@pytest.mark.parametrize(("fields", "said"), FIELDS, ids=[case[0] for case in FIELDS])
def test_directives_of_header_fields(fields: str, said: set[str]) -> None:
    assert said_in_header(fields, EVERYBODY) == said


# ---------------------------------------------------------------------------------------------- the stage


def batch(*rows: tuple[bytes | None, str | None, str | None]) -> pa.RecordBatch:
    pages, fields, urls = zip(*rows, strict=True)
    return pa.record_batch(
        {
            "html": pa.array(pages, pa.large_binary()),
            "robots": pa.array(fields, pa.string()),
            "url": pa.array(urls, pa.string()),
        }
    )


def run(rows: pa.RecordBatch, folder: Path, **values: object) -> tuple[pa.RecordBatch, list[str | None]]:
    config = Config.model_validate(values)
    folder.mkdir(exist_ok=True)
    assert STAGE.prepare is not None
    assert STAGE.decide is not None
    STAGE.prepare.build(config, folder)
    measured = STAGE.process(rows, config, folder)
    return measured, STAGE.decide(measured, config).to_pylist()


NOAI = b'<meta name="robots" content="noai">'
NOINDEX = b'<meta name="robots" content="noindex">'


def test_each_way_out_has_its_reason(tmp_path: Path) -> None:
    listed = tmp_path / "spoken.txt"
    listed.write_text("# source: a survey\n# date: 2026-10-01\nshy.example\n", encoding="utf-8")
    rows = batch(
        (NOAI, "X-Robots-Tag: noai", "https://www.shy.example/"),
        (b"<p>", "X-Robots-Tag: noai", "https://www.shy.example/"),
        (b"<p>", None, "https://www.shy.example/"),
        (b"<p>", None, "https://notshy.example/"),
        (NOINDEX, None, None),
        (None, None, None),
        (None, None, "https://bold.example/"),
    )
    measured, reasons = run(rows, tmp_path / "made", hosts=[str(listed)])
    assert reasons[:3] == ["opted_out_by_meta", "opted_out_by_header", "opted_out_by_list"]
    assert reasons[3:] == [None] * 4
    assert measured["lists"].to_pylist()[2] == ["spoken (a survey, 2026-10-01)"]
    assert measured["judged"].to_pylist() == [True, True, True, True, True, False, True]


def test_directives_for_search_engines_count_where_they_are_named(tmp_path: Path) -> None:
    rows = batch((NOINDEX, None, None), (NOAI, None, None), (b"", "X-Robots-Tag: none", None))
    _, reasons = run(rows, tmp_path, directives=["noindex"])
    assert reasons == ["opted_out_by_meta", None, "opted_out_by_header"]
    assert run(rows, tmp_path, directives=[])[1] == [None, None, None]


def test_what_is_measured_does_not_depend_on_what_counts(tmp_path: Path) -> None:
    rows = batch((NOINDEX, "X-Robots-Tag: noai", None), (NOAI, None, None))
    assert run(rows, tmp_path)[0].equals(run(rows, tmp_path, directives=["noindex"])[0])


def test_only_the_first_bytes_are_searched(tmp_path: Path) -> None:
    rows = batch((b" " * 1000 + NOAI, None, None))
    assert run(rows, tmp_path, head_bytes="1000")[1] == [None]
    assert run(rows, tmp_path, head_bytes=1000 + len(NOAI))[1] == ["opted_out_by_meta"]


def test_agents_are_the_users_choice(tmp_path: Path) -> None:
    rows = batch((b'<meta name="OurBot" content="noai">', None, None), (NOAI, None, None))
    assert run(rows, tmp_path, agents=["ourbot"])[1] == ["opted_out_by_meta", None]


def test_urls_are_read_for_lists_alone() -> None:
    assert STAGE.reads_for(Config()) == ("html", "robots")
    assert STAGE.reads_for(Config(hosts=("a.txt",))) == ("html", "robots", "url")


def test_an_unknown_directive_is_refused() -> None:
    with pytest.raises(ValidationError, match="no directive known as noall"):
        Config(directives=("noall",))


def test_a_list_without_hosts_is_refused(tmp_path: Path) -> None:
    listed = tmp_path / "pages.txt"
    listed.write_text("https://a.example/page\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds none of domains"):
        run(batch((b"", None, None)), tmp_path / "made", hosts=[str(listed)])


def test_a_changed_list_changes_the_fingerprint_and_a_moved_one_does_not(tmp_path: Path) -> None:
    versions = []
    for folder, hosts in (("one", "a.example\n"), ("two", "a.example\n"), ("three", "b.example\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "shy.txt").write_text(hosts, encoding="utf-8")
        versions.append(STAGE.libraries_for(Config(hosts=(str(tmp_path / folder / "shy.txt"),))))
    assert versions[0] == versions[1] != versions[2]


PIECES = st.sampled_from(
    ["<meta ", "name=", '"robots"', "content=", "'noai'", ">", "<!--", "-->", "<script>", "</script>", '"', "'"]
)
PAGES = st.one_of(st.lists(PIECES, max_size=30).map("".join).map(str.encode), st.binary(max_size=200))


@settings(max_examples=200)
@given(PAGES)
def test_no_page_breaks_it_and_a_comment_silences_any(page: bytes) -> None:
    assert said_in_head(page, EVERYBODY) <= {"noai"}
    silent = page.replace(b"-", b"")
    assert said_in_head(b"<!-- " + silent, EVERYBODY) == set()
    assert said_in_head(b"<!-- " + silent + b"-->" + NOAI, EVERYBODY) == {"noai"}


@settings(max_examples=25)
@given(st.lists(PAGES, min_size=1, max_size=12), st.integers(0, 12))
def test_the_verdict_does_not_depend_on_how_rows_are_cut(made: Path, pages: list[bytes], cut: int) -> None:
    rows = batch(*((page, None, None) for page in pages))
    parts = [STAGE.process(part, Config(), made) for part in (rows.slice(0, cut), rows.slice(cut))]
    assert pa.Table.from_batches(parts).to_pylist() == STAGE.process(rows, Config(), made).to_pylist()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    assert STAGE.prepare is not None
    STAGE.prepare.build(Config(), folder)
    return folder


HOSTILE = (
    b"<meta ",
    b"<meta a='",
    b'<meta a="b',
    b"<!-",
    b"<meta =",
    b"<a b=",
    b"<meta a ",
    b"<title",
    b" /=",
    b"<a '>",
)


def test_hostile_heads_take_no_longer_than_others() -> None:
    """A head of four times the size takes some four times as long, not sixteen times."""
    for piece in HOSTILE:
        seconds = []
        for size in (1 << 16, 1 << 18):
            page = piece * (size // len(piece))
            began = time.process_time()
            said_in_head(page, EVERYBODY)
            seconds.append(time.process_time() - began)
        assert seconds[1] < 8 * max(seconds[0], 0.02), piece
