"""Pages in many charsets, rightly and wrongly declared."""

import codecs
import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
OTHER_SCRIPTS = ("gbk", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1251")
DETECTABLE = (*OTHER_SCRIPTS, "cp1252", "iso8859-2")


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


@pytest.mark.parametrize("codec", OTHER_SCRIPTS)
@pytest.mark.parametrize("declared", ["iso-8859-1", "windows-1252", "us-ascii", "iso-8859-2", "windows-1254"])
def test_a_server_s_latin_default_is_not_believed_of_another_script(codec: str, declared: str) -> None:
    text = page(TEXTS[codec])
    assert decode_html(text.encode(codec), declared) == (text, NAMES[codec])
    named = page(TEXTS[codec], head=f'<meta charset="{codec}">')
    assert decode_html(named.encode(codec), declared) == (named, NAMES[codec])


@pytest.mark.parametrize("declared", ["iso-8859-1", "iso-8859-15"])
@pytest.mark.parametrize(
    "sentence",
    [
        "Tämä sivu on kirjoitettu suomeksi, ja siinä on melkein yhtä monta äätä kuin öötä: hyvää yötä, häämyöhäinen!",
        "A informação sobre a reunião da associação não está disponível; a votação é só à tarde, às três.",
        "Voilà déjà où l'été réchauffe; ça coûte peu, mais où est-ce? À la fenêtre, près du château, là-bas.",
        "&nbsp;\xa0\xa0\xa0\xa0 «Vorsicht» \xb7\xb7\xb7 Größe, Fußgänger, über \xa7\xa7 3 \xb1 4 \xb0C",
    ],
)
def test_a_latin_charset_is_believed_of_latin_letters(declared: str, sentence: str) -> None:
    text = page(sentence)
    assert decode_html(text.encode("iso-8859-1"), declared)[0] == text


@pytest.mark.parametrize(
    ("codec", "server", "author", "name"),
    [
        ("gbk", "big5", "gb2312", "gb18030"),  # the author is right
        ("gbk", "gb2312", "big5", "gb18030"),  # the server is right
        ("big5", "gbk", "big5", "big5"),
        ("euc_kr", "gbk", "euc-kr", "euc-kr"),
        ("cp1251", "koi8-r", "windows-1251", "windows-1251"),
        ("cp1251", "windows-1251", "iso-8859-1", "windows-1251"),
        ("shift_jis", "gbk", "x-sjis", "shift_jis"),
        ("euc_jp", "windows-1251", "euc-jp", "euc-jp"),
    ],
)
def test_where_server_and_page_disagree_the_bytes_decide(codec: str, server: str, author: str, name: str) -> None:
    text = page(TEXTS[codec], head=f'<meta charset="{author}">')
    assert decode_html(text.encode(codec), server) == (text, name)


def test_where_the_bytes_do_not_tell_the_server_is_believed() -> None:
    text = page("été", head='<meta charset="windows-1254">')
    assert decode_html(text.encode("cp1252"), "windows-1252") == (text, "windows-1252")


@pytest.mark.parametrize(
    ("codec", "sentence", "name"),
    [
        ("iso8859-2", "Zażółć gęślą jaźń, proszę państwa: świat jest większy, niż się wydaje, i wciąż się zmienia.",
         "iso-8859-2"),
        ("cp1250", "Zażółć gęślą jaźń, proszę państwa: świat jest większy, niż się wydaje, i wciąż się zmienia.",
         "windows-1250"),
        ("iso8859-2", "Příliš žluťoučký kůň úpěl ďábelské ódy, když poslouchal nejžhavější zprávy.", "iso-8859-2"),
        ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy, když poslouchal nejžhavější zprávy.", "windows-1250"),
    ],
)  # fmt: skip
def test_the_two_charsets_of_central_europe_are_told_apart(codec: str, sentence: str, name: str) -> None:
    text = page(sentence)
    assert decode_html(text.encode(codec), None) == (text, name)


@pytest.mark.parametrize("character", ["\u3402", "\U00020000", "\U0001f600", "\u1e3f", "\u20ac"])
def test_four_bytes_of_gb18030_under_each_of_its_names(character: str) -> None:
    text = page(TEXTS["gbk"] + character)
    data = text.encode("gb18030")
    for label in ("gb18030", "gbk", "gb2312", "x-gbk", None):
        assert decode_html(data, label) == (text, "gb18030")


MIXED = {
    "a word of windows-1251 in UTF-8": (page(TEXTS["cp1251"]).encode(), "утро".encode("cp1251"), "utf-8", "utf-8"),
    "a stray byte in GBK": (page(TEXTS["gbk"]).encode("gbk"), b"\xff", "gbk", "gb18030"),
    "a stray byte in Big5": (page(TEXTS["big5"]).encode("big5"), b"\x80\xff", "big5", "big5"),
    "a stray byte in EUC-KR": (page(TEXTS["euc_kr"]).encode("euc_kr"), b"\xff", "euc-kr", "euc-kr"),
    "a stray byte in Shift-JIS": (page(TEXTS["shift_jis"]).encode("shift_jis"), b"\x81\xff", "shift_jis", "shift_jis"),
    "an undefined byte of windows-1252": (page(TEXTS["cp1252"]).encode("cp1252"), b"\x81", None, "windows-1252"),
}


@pytest.mark.parametrize("what", MIXED)
def test_mixed_bytes_cost_a_page_only_themselves(what: str) -> None:
    page_bytes, foreign, declared, name = MIXED[what]
    at = page_bytes.index(b"</p>")
    text, charset = decode_html(page_bytes[:at] + foreign + page_bytes[at:], declared)
    assert charset == name
    assert 1 <= text.count("\ufffd") <= len(foreign)
    assert text.startswith(page_bytes[:at].decode(name))
    assert text.endswith(page_bytes[at:].decode(name))


def test_a_page_half_in_one_charset_and_half_in_another_is_refused() -> None:
    halves = page(TEXTS["gb18030"]).encode("gb18030") + b"\xff\xfe\x80" * 100 + page(TEXTS["euc_jp"]).encode("euc_jp")
    with pytest.raises(UndecodableText, match="no charset decodes it"):
        decode_html(halves, "gb2312")


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


@given(st.binary(max_size=300), st.sampled_from([None, "gbk", "iso-8859-1", "utf-8", "utf-16", "x"]))
def test_any_bytes_decode_or_are_refused(data: bytes, declared: str | None) -> None:
    try:
        text, charset = decode_html(data, declared)
    except UndecodableText:
        return
    assert text.count("\ufffd") <= 0.01 * len(text)
    assert charset


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\ufffd\x00\x1b", exclude_categories=["Cc"]), max_size=80)
)
def test_a_page_comes_back_from_utf_8_and_marked_utf_16(text: str) -> None:
    for mark, codec in ((b"", "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        markup = page(text)
        assert decode_html(mark + markup.encode(codec), "iso-8859-1")[0] == markup


def test_no_real_page_fails(real_data: Path) -> None:
    paths = sorted(real_data.glob("extract-zh/html/*.gz")) + sorted(real_data.glob("extract-wcxb/html/*.gz"))[:200]
    for path in paths:
        text, _ = decode_html(gzip.decompress(path.read_bytes()), None)
        assert text.count("\ufffd") <= 0.01 * len(text), path
