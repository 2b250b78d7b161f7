from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.errors import InputError
from stages.filter.url import STAGE, Config
from stages.filter.url._lists import OWN_WORDS, load

LISTS = {
    "domains": "# a comment\nbad.example\nshop.good.example  # one shop\nCO.UK\n\nbücher.example\n192.0.2.7\n",
    "hosts": "www.half.example\n",
    "urls": "https://www.mixed.example/spam/?x\nmixed.example/forum/\nfront.example/\n",
    "allow_domains": "kind.bad.example\n",
    "allow_urls": "http://bad.example/about\n",
    "hard_words": "plonk\nпривет\n",
    "soft_words": "red\ngreen\nblue\n",
    "strict_words": "plonkyshop\n",
}

CASES: list[tuple[str | None, str | None]] = [
    ("https://bad.example/", "blocked_domain"),
    ("HTTPS://user@WWW.Bad.Example.:8080/x", "blocked_domain"),
    ("http://a.b.bad.example/x?y#z", "blocked_domain"),
    ("bad.example/x", "blocked_domain"),
    ("http://notbad.example/", None),
    ("http://bad.example.org/", None),
    ("http://good.example/?u=bad.example", None),
    ("http://bad.example@good.example/", None),
    ("http://good.example@bad.example/", "blocked_domain"),
    ("http://shop.good.example/", "blocked_domain"),
    ("http://old.shop.good.example/", "blocked_domain"),
    ("http://good.example/", None),
    ("http://anything.co.uk/", None),  # a suffix on a list names nobody's domain
    ("http://www.xn--bcher-kva.example/", "blocked_domain"),
    ("http://BÜCHER.example/", "blocked_domain"),
    ("http://192.0.2.7/", "blocked_domain"),
    ("http://192.0.2.70/", None),
    ("http://www.half.example/", "blocked_host"),
    ("http://half.example/", None),
    ("http://a.www.half.example/", None),
    ("http://mixed.example/spam?x", "blocked_url"),
    ("http://mixed.example/spam", None),  # the entry asks for a query
    ("http://mixed.example/forum", "blocked_url"),
    ("https://www.mixed.example/forum/a/b.html?page=2", "blocked_url"),
    ("http://mixed.example/forum?page=2", "blocked_url"),
    ("http://mixed.example/forums", None),
    ("http://mixed.example/", None),
    ("http://mixed.example/Forum", None),
    ("http://front.example", "blocked_url"),
    ("http://front.example/#top", "blocked_url"),
    ("http://front.example/page", None),
    ("http://front.example/?p=1", None),
    ("http://kind.bad.example/plonk", None),
    ("http://bad.example/about/us", None),
    ("http://bad.example/aboutus", "blocked_domain"),
    ("http://a.example/the-PLONK-page", "blocked_word"),
    ("http://a.example/plonks", None),
    ("http://plonk.example/", "blocked_word"),
    ("http://a.example/?q=pl%6Fnk", "blocked_word"),
    ("http://a.example/%D0%9F%D1%80%D0%B8%D0%B2%D0%B5%D1%82", "blocked_word"),
    ("http://a.example/plonk-y/sh_op", "blocked_word"),
    ("http://a.example/xplonky/s.hopx", "blocked_substring"),
    ("http://a.example/red", None),
    ("http://a.example/red-red-red", None),
    ("http://a.example/red/green", "blocked_soft_words"),
    ("http://red.example/?colour=blue", "blocked_soft_words"),
    ("http://a.example/redgreen", None),
    ("no address with plonk", None),
    ("data:,plonk", None),
    ("", None),
    (None, None),
]


def write(folder: Path, lists: dict[str, str]) -> dict[str, Any]:
    """Options that name the lists, each in a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, text in lists.items():
        (folder / f"{kind}.txt").write_text(text, encoding="utf-8")
    return {kind: [str(folder / f"{kind}.txt")] for kind in lists}


def built(config: Config, folder: Path) -> Path:
    folder.mkdir()
    assert STAGE.prepare is not None
    STAGE.prepare.build(config, folder)
    return folder


def measured(urls: list[str | None], config: Config, folder: Path) -> pa.RecordBatch:
    return STAGE.process(pa.record_batch({"url": pa.array(urls, pa.string())}), config, folder)


def reasons(measures: pa.RecordBatch, config: Config) -> list[str | None]:
    assert STAGE.decide is not None
    return STAGE.decide(measures, config).to_pylist()


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Path]:
    folder = tmp_path_factory.mktemp("lists")
    config = Config(own_words=False, **write(folder / "lists", LISTS))
    return config, built(config, folder / "made")


@pytest.mark.parametrize(("url", "reason"), CASES, ids=[str(case[0]) for case in CASES])
def test_what_leaves_and_why(url: str | None, reason: str | None, everything: tuple[Config, Path]) -> None:
    config, folder = everything
    assert reasons(measured([url], config, folder), config) == [reason]


def test_what_was_found_is_told(everything: tuple[Config, Path]) -> None:
    config, folder = everything
    urls = ["https://www.Bad.example/plonk/red", "http://a.example/plonkyshop", "data:,x", None]
    rows = measured(urls, config, folder).to_pylist()
    first = {
        name: rows[0][name] for name in ("host", "domain", "domain_lists", "url_lists", "hard_words", "soft_words")
    }
    assert first == {
        "host": "www.bad.example",
        "domain": "bad.example",
        "domain_lists": ["domains"],
        "url_lists": [],
        "hard_words": 1,
        "soft_words": 1,
    }
    assert [row["word"] for row in rows] == ["plonk", "plonkyshop", None, None]
    assert [row["strict_words"] for row in rows] == [0, 1, 0, 0]
    assert [row["judged"] for row in rows] == [True, True, False, False]


def test_thresholds_decide_from_what_is_stored(everything: tuple[Config, Path]) -> None:
    config, folder = everything
    urls: list[str | None] = ["http://a.example/red/green", "http://a.example/plonk", "http://bad.example/"]
    found = measured(urls, config, folder)
    assert reasons(found, config.model_copy(update={"max_soft_words": 2, "max_hard_words": None})) == [
        None,
        None,
        "blocked_domain",
    ]
    assert reasons(found, config.model_copy(update={"max_soft_words": 0}))[0] == "blocked_soft_words"
    assert reasons(found, config.model_copy(update={"pass_lists": ("domains",)}))[2] is None


# ---------------------------------------------------------------------------------------------- categories


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Lists as UT1 has them; one of them packed."""
    root = tmp_path / "blacklists"
    for category, name, text in (
        ("adult", "domains", "blue.example\nboth.example\n"),
        ("adult", "urls", "mixed.example/adults\n"),
        ("games", "domains", "play.example\nboth.example\n"),
    ):
        (root / category).mkdir(parents=True, exist_ok=True)
        (root / category / name).write_text(text, encoding="utf-8")
    (root / "games" / "usage").write_text("black\n", encoding="utf-8")
    (root / "press").mkdir()
    (root / "press" / "domains.gz").write_bytes(gzip.compress(b"news.example\n"))
    (root / "porn").symlink_to("adult")  # categories have other names there
    return root


URLS: list[str | None] = [
    "http://blue.example/",
    "http://both.example/",
    "http://play.example/",
    "http://news.example/",
    "http://mixed.example/adults/1",
]


def test_folders_of_categories(folders: Path, tmp_path: Path) -> None:
    config = Config(folders=(str(folders),), own_words=False)
    found = measured(URLS, config, built(config, tmp_path / "made"))
    both = ["adult", "porn"]
    assert found["domain_lists"].to_pylist() == [both, ["adult", "games", "porn"], ["games"], ["press"], []]
    assert found["url_lists"].to_pylist() == [[], [], [], [], both]
    alone = measured(
        URLS, alias := config.model_copy(update={"categories": ("porn",)}), built(alias, tmp_path / "alias")
    )
    assert alone["domain_lists"].to_pylist() == [["porn"], ["porn"], [], [], []]
    passed = config.model_copy(update={"pass_lists": ("games", "press")})
    assert reasons(found, passed) == ["blocked_domain", "blocked_domain", None, None, "blocked_url"]


def test_only_the_categories_asked_for_are_read(folders: Path, tmp_path: Path) -> None:
    config = Config(folders=(str(folders),), categories=("games",), own_words=False)
    found = measured(URLS, config, built(config, tmp_path / "made"))
    assert found["domain_lists"].to_pylist() == [[], ["games"], ["games"], [], []]


def test_an_unknown_category_is_named(folders: Path, tmp_path: Path) -> None:
    config = Config(folders=(str(folders),), categories=("adults",))
    with pytest.raises(InputError, match="no folder of lists has a category 'adults'; did you mean adult"):
        built(config, tmp_path / "made")


# ---------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("domains", "http://a.example/page\nanother.example/page\n", "holds none of domains"),
        ("hard_words", "two words\n", "is no single word"),
        ("soft_words", "--\n", "is no single word"),
    ],
)
def test_a_file_of_something_else_is_refused(kind: str, text: str, message: str, tmp_path: Path) -> None:
    config = Config.model_validate(write(tmp_path, {kind: text}))
    with pytest.raises(InputError, match=message):
        built(config, tmp_path / "made")


def test_a_missing_or_damaged_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        built(Config(domains=(str(tmp_path / "none.txt"),)), tmp_path / "made")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"a.example\n" * 1000)[:-20])
    with pytest.raises(InputError, match="is damaged"):
        built(Config(domains=(str(tmp_path / "cut.gz"),)), tmp_path / "again")


def test_the_resource_depends_on_contents_and_names_alone(tmp_path: Path) -> None:
    texts = {"domains": "b.example\na.example\n", "hard_words": "plonk\n"}
    one = Config.model_validate(write(tmp_path / "here", texts))
    two = Config.model_validate(write(tmp_path / "there", texts | {"domains": "a.example\nB.example\r\na.example"}))
    made = [built(config, tmp_path / f"made{number}") for number, config in enumerate((one, two))]
    bytes_of = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in made]
    assert bytes_of[0] == bytes_of[1]
    moved = Config.model_validate(write(tmp_path / "moved", texts))
    assert STAGE.libraries_for(one) == STAGE.libraries_for(moved) != STAGE.libraries_for(two)


def test_a_folder_filled_anew_is_read_anew(tmp_path: Path) -> None:
    config = Config.model_validate(write(tmp_path, {"domains": "a.example\n"}))
    made = built(config, tmp_path / "made")
    assert load(made) is load(made)
    assert reasons(measured(["http://b.example/"], config, made), config) == [None]
    (tmp_path / "domains.txt").write_text("b.example\n", encoding="utf-8")
    made.rename(tmp_path / "old")
    built(config, made)
    assert reasons(measured(["http://b.example/"], config, made), config) == ["blocked_domain"]


# ---------------------------------------------------------------------------------------------- words of our own


def test_own_words_spare_innocent_pages(tmp_path: Path) -> None:
    config = Config()
    made = built(config, tmp_path / "made")
    innocent: list[str | None] = [
        "https://www.essex-campus.example/middlesex/video",
        "https://siriporn.example/pornic-tourisme/hotel",
        "https://news.example/2026/11/sex-education-in-schools",
        "https://superbowl.example/xxx-recap",
        "https://cars.example/ford-escort-1998",
        "https://web.example/webcam-drivers",
    ]
    guilty: list[str | None] = [
        "https://a.example/free-porn-movies",
        "https://freeporn4u.example/",
        "https://a.example/hot-xxx-babes/",
        "https://a.example/casino?bonus=1",
    ]
    assert reasons(measured(innocent, config, made), config) == [None] * len(innocent)
    assert None not in reasons(measured(guilty, config, made), config)


def test_own_words_are_sound() -> None:
    words = yaml.safe_load(OWN_WORDS.read_text(encoding="utf-8"))
    assert set(words) == {"hard", "soft", "strict"}
    for kind, some in words.items():
        assert len(set(some)) == len(some), kind
        assert all(word.isalnum() and word == word.lower() for word in some)
    assert not set(words["hard"]) & set(words["soft"])


# ---------------------------------------------------------------------------------------------- invariants

LABELS = st.sampled_from(["a", "b", "www", "bad", "plonk", "red", "green"])
HOSTS = st.lists(LABELS, min_size=1, max_size=3).map(lambda labels: ".".join((*labels, "example")))
ADDRESSES = st.builds("http://{}/{}".format, HOSTS, st.lists(LABELS, max_size=3).map("/".join))


@settings(max_examples=15)
@given(urls=st.lists(ADDRESSES, min_size=1, max_size=8))
def test_an_allow_list_wins_over_everything(
    urls: list[str], everything: tuple[Config, Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("allow")
    allowed = "\n".join(url.split("/")[2] for url in urls)
    lists = LISTS | {"allow_domains": allowed, "allow_urls": ""}
    config = Config(own_words=False, **write(folder / "lists", lists))
    assert reasons(measured(list(urls), config, built(config, folder / "made")), config) == [None] * len(urls)


@settings(max_examples=40)
@given(urls=st.lists(st.one_of(st.none(), st.text(max_size=20), ADDRESSES), max_size=12), cut=st.integers(0, 12))
def test_the_verdict_does_not_depend_on_how_rows_are_cut(
    urls: list[str | None], cut: int, everything: tuple[Config, Path]
) -> None:
    config, folder = everything
    whole = measured(urls, config, folder)
    parts = [measured(urls[:cut], config, folder), measured(urls[cut:], config, folder)]
    assert pa.Table.from_batches(parts).to_pylist() == whole.to_pylist()
    assert [reason for part in parts for reason in reasons(part, config)] == reasons(whole, config)
