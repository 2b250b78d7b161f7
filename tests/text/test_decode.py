"""Pages in many charsets, rightly and wrongly declared."""

import codecs
import gzip
from pathlib import Path

import pytest

from datapipe.text import UndecodableText, decode_html

TEXTS = {
    "gbk": "中文网页的内容需要足够长才能被检测出来，这是一个关于数据处理的例子，包含常用汉字。",
    "gb18030": "中文网页的内容需要足够长，这里有一个四字节的汉字：㐂，还有别的内容在后面继续写下去。",
    "big5": "這是一個繁體中文的網頁，內容必須夠長，才能夠正確地偵測出編碼，請多多指教。",
    "shift_jis": "これは日本語のページです。文字コードを正しく判定するためには、十分な長さの文章が必要です。",
    "euc_jp": "これは日本語のページです。文字コードを正しく判定するためには、十分な長さの文章が必要です。",
    "euc_kr": "이것은 한국어 페이지입니다. 문자 인코딩을 올바르게 감지하려면 충분히 긴 문장이 필요합니다.",
    "cp1251": "Это русская страница, достаточно длинная для того, чтобы определить её кодировку правильно.",
    "cp1252": "Voilà une page en français, où l’été déjà présent réchauffe les cœurs — « c’est ça », dit-il.",
    "iso8859-2": "Zażółć gęślą jaźń. Příliš žluťoučký kůň úpěl ďábelské ódy, a tak dále po celý den.",
}
NAMES = {
    "gbk": "gb18030", "gb18030": "gb18030", "big5": "big5", "shift_jis": "shift_jis", "euc_jp": "euc-jp",
    "euc_kr": "euc-kr", "cp1251": "windows-1251", "cp1252": "windows-1252", "iso8859-2": "iso-8859-2",
}  # fmt: skip
DETECTABLE = ("gbk", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1251")


def page(text: str, *, head: str = "") -> str:
    return f"<html><head>{head}<title>t</title></head><body>{f'<p>{text}</p>' * 5}</body></html>"


@pytest.mark.parametrize("codec", TEXTS)
def test_a_charset_in_the_header_or_the_page_is_used(codec: str) -> None:
    text = page(TEXTS[codec])
    assert decode_html(text.encode(codec), codec) == (text, NAMES[codec])
    for declaration in (
        f'<meta charset="{codec}">',
        f"<META http-equiv=Content-Type content='text/html; charset={codec}'>",
    ):
        text = page(TEXTS[codec], head=declaration)
        assert decode_html(text.encode(codec), None) == (text, NAMES[codec])
    text = f'<?xml version="1.0" encoding="{codec}"?>' + page(TEXTS[codec])
    assert decode_html(text.encode(codec), None) == (text, NAMES[codec])


@pytest.mark.parametrize("codec", DETECTABLE)
@pytest.mark.parametrize("declared", [None, "utf-8", "no-such-charset"])
def test_an_undeclared_or_wrongly_declared_charset_is_detected(codec: str, declared: str | None) -> None:
    text = page(TEXTS[codec], head=f'<meta charset="{declared}">' if declared else "")
    assert decode_html(text.encode(codec), declared) == (text, NAMES[codec])


@pytest.mark.parametrize("codec", ["cp1252", "iso8859-1", "gbk", "big5", "shift_jis", None])
def test_valid_utf_8_is_utf_8_whatever_is_declared(codec: str | None) -> None:
    text = page(TEXTS["gbk"] + TEXTS["cp1251"])
    assert decode_html(text.encode(), codec) == (text, "utf-8")


def test_few_characters_of_gbk_that_are_also_utf_8_follow_the_declaration() -> None:
    assert decode_html("联通".encode("gbk"), "gb2312") == ("联通", "gb18030")
    assert decode_html("联通".encode(), None) == ("联通", "utf-8")


@pytest.mark.parametrize(
    ("label", "codec", "text", "name"),
    [
        ("gb2312", "gb18030", "㐂", "gb18030"),
        ("iso-8859-1", "cp1252", "“€”", "windows-1252"),
        ("latin1", "cp1252", "“€”", "windows-1252"),
        ("us-ascii", "cp1252", "“€”", "windows-1252"),
        ("ks_c_5601-1987", "cp949", "똠방", "euc-kr"),
        ("euc-kr", "cp949", "똠방", "euc-kr"),
        ("big5", "big5hkscs", "嘅", "big5"),
        ("Shift_JIS", "cp932", "①髙", "shift_jis"),
        ("x-sjis", "cp932", "①髙", "shift_jis"),
        ("iso-8859-9", "cp1254", "“ş”", "windows-1254"),
        ("tis-620", "cp874", "“ก”", "windows-874"),
        (" 'GBK' ", "gbk", "中", "gb18030"),
        ("koi8-r", "koi8-r", "Это", "koi8-r"),
        ("iso-2022-jp", "iso2022_jp", "日本語", "iso2022-jp"),
    ],
)
def test_labels_mean_what_browsers_take_them_for(label: str, codec: str, text: str, name: str) -> None:
    assert decode_html(text.encode(codec), label) == (text, name)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_utf_16_and_32_with_and_without_a_mark(codec: str) -> None:
    marks = {name: mark for mark, name in
             ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
              (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"))}  # fmt: skip
    for text in (page("plain English text"), page(TEXTS["gbk"][:20])):
        assert decode_html(marks[codec] + text.encode(codec), "utf-8") == (text, codec)
        assert decode_html(text.encode(codec), "utf-8") == (text, codec)


def test_a_utf_8_mark_is_taken_off() -> None:
    assert decode_html(codecs.BOM_UTF8 + "é".encode(), "gbk") == ("é", "utf-8")


def test_a_broken_utf_8_page_stays_utf_8() -> None:
    whole = page(TEXTS["gbk"]).encode()
    text, charset = decode_html(whole[:200], None)  # cut inside a character
    assert charset == "utf-8"
    assert text.count("\ufffd") <= 1
    text, charset = decode_html(whole + b"\xff <p>end", "utf-8")
    assert (charset, text.count("\ufffd")) == ("utf-8", 1)


def test_a_bad_byte_in_a_declared_charset_is_forgiven() -> None:
    text, charset = decode_html(page(TEXTS["big5"]).encode("big5") + b"\xff", "big5")
    assert (charset, text.count("\ufffd")) == ("big5", 1)


def test_a_page_that_says_it_is_utf_16_in_ascii_is_not() -> None:
    text = page(TEXTS["cp1251"], head='<meta charset="utf-16">')
    assert decode_html(text.encode(), None) == (text, "utf-8")


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", b"\x89PNG\r\n\x1a\n\x00\x00", b"\xff\xd8\xff\xe0\x00\x10JFIF",
        b"GIF89a\x01\x00", b"PK\x03\x04\x14\x00", b"\x1f\x8b\x08\x00", b"\x00" * 1000, bytes(range(256)) * 20,
        b"text\x00" * 100,
    ],
)  # fmt: skip
def test_binary_data_is_refused(data: bytes) -> None:
    with pytest.raises(UndecodableText):
        decode_html(data, "utf-8")


def test_empty_and_plain_pages() -> None:
    assert decode_html(b"", None) == ("", "utf-8")
    assert decode_html(b"plain", "gbk") == ("plain", "utf-8")
    assert decode_html(b"one stray \x00 byte in a page of text", None)[1] == "utf-8"


def test_every_single_byte_value_decodes_or_is_refused() -> None:
    for value in range(256):
        data = b"<p>some words before " + bytes([value]) + b" and after it, to look like a page</p>" * 3
        try:
            text, _ = decode_html(data, None)
        except UndecodableText:
            continue
        assert text.startswith("<p>some words")


def test_no_real_page_fails(real_data: Path) -> None:
    paths = sorted(real_data.glob("extract-zh/html/*.gz")) + sorted(real_data.glob("extract-wcxb/html/*.gz"))[:200]
    for path in paths:
        text, _ = decode_html(gzip.decompress(path.read_bytes()), None)
        assert text.count("\ufffd") <= 0.01 * len(text), path
