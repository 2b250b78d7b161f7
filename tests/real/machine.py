"""Real texts by people, and texts that no person wrote, to measure the stages of `mark` on.

Templates, their fillers and the errors of optical character recognition are made here, from word lists of their own.
"""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def _templates(name: str, between: str) -> tuple[str, ...]:
    """Templates with blank lines between; line breaks within stand for `between`."""
    told = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return tuple(between.join(part.split("\n")) for part in told.strip().split("\n\n"))


EN_TEMPLATES = _templates("templates_en.txt", " ")
ZH_TEMPLATES = _templates("templates_zh.txt", "")
FILLERS: dict[str, str] = {
    "trade": "plumber|electrician|roofer|locksmith|house painter|carpet cleaner|gardener|tree surgeon|glazier|tiler",
    "city": "Leeds|Austin|Perth|Cardiff|Tampa|Boise|San Antonio|Fort Worth|Newcastle upon Tyne|Hull|Omaha|Reno|Derby",
    "town": "Otley|Ripon|Barry|Penarth|Meridian|Nampa|Katy|Plano|Beverley|Belper|Sparks|Elko|Round Rock|West Point",
    "county": "Yorkshire|Travis County|Glamorgan|Ada County|Tarrant County|Derbyshire|Washoe County",
    "company": "Acme|Swift & Sons|Brightway|Harper Ltd|Oakline|Blue River Services|Kestrel|North Star Group|Finch",
    "first": "Anna|George|Priya|Mohammed|Li|Teresa|Oliver|Chidi|Hannah|Viktor|Rosa|Dennis|Mary Ann",
    "last": "Smith|O'Neill|Kowalski|Garcia|Nguyen|Okafor|Braun|Lindqvist|Van Dyke|Castellano|Marsh",
    "month": "January|February|March|April|May|June|July|August|September|October|November|December",
    "product": "garden chair|desk lamp|winter jacket|espresso machine|bicycle pump|bookcase|yoga mat|kettle|tent",
    "colour": "red|dark blue|green|black|ivory|silver|walnut|bright orange",
    "direction": "north|south|east|west|north-west|south-east",
    "sky": "sunny|cloudy|wet|stormy|dry and clear|foggy",
    "zcity": "北京|上海|广州|深圳|成都|武汉|呼和浩特|石家庄|青岛|合肥|乌鲁木齐|温州|珠海",
    "ztrade": "管道疏通|空调维修|开锁|搬家|防水补漏|家电清洗|电脑维修|保洁",
    "zcompany": "顺达|鑫源服务中心|恒信|快捷家政公司|宏图|百事通|华美",
    "zname": "张伟|王芳|李娜|刘洋|陈静|欧阳明|赵敏|周杰|吴磊|天蚕豆",
    "zsky": "晴|多云|小雨|阴转多云|良好|雷阵雨|轻度污染|优",
    "zdirection": "东|南|西北|东南|北",
    "zbook": "剑影江湖|都市风云录|星河彼岸|重生之门|山海旧梦|侯门深深",
    "zkind": "玄幻|都市|言情|历史|科幻|悬疑",
}


def fill(template: str, chance: random.Random) -> str:
    """A page of a template."""
    while "{" in template:
        name = template[template.index("{") + 1 : template.index("}")]
        template = template.replace("{" + name + "}", _value(name, chance), 1)
    return template


def _value(name: str, chance: random.Random) -> str:
    numbers = {"number": 9000, "small": 60, "month_number": 12}
    if name in numbers:
        return str(chance.randint(1, numbers[name]))
    if name == "year":
        return str(chance.randint(1950, 2024))
    if name == "phone":
        return f"{chance.randint(100, 999)}-{chance.randint(1000, 9999)}"
    return chance.choice(FILLERS[name].split("|"))


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Records of a compressed JSON lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _cut(path: Path, size: int = 4000) -> list[str]:
    """One long text in pieces of so many characters; the sign for words left out is not a word."""
    text = gzip.decompress(path.read_bytes()).decode().replace("<unk>", "")
    return [text[start : start + size] for start in range(0, len(text), size)]


def real_data_folder() -> Path:
    """The folder of real data."""
    return Path(os.environ["DATAPIPE_REAL_DATA"])


def human(data: Path, *, chinese: bool) -> dict[str, list[str]]:
    """Texts by people, by set."""
    articles = list(rows(data / "lid-opensourceguide" / "articles.jsonl.gz"))
    if chinese:
        return {
            "extract-zh": [row["text"] for row in rows(data / "extract-zh" / "gold.jsonl.gz")],
            "oiwiki": [row["text"] for row in rows(data / "raw" / "oiwiki_zh.jsonl.gz")],
            "guide": [row["text"] for row in articles if row["lang"] == "zh-hans"],
        }
    return {
        "wcxb": [row["main_content"] for row in rows(data / "extract-wcxb" / "gold.jsonl.gz")],
        "c4": [row["text"] for row in rows(data / "raw" / "c4_demo_300.jsonl.gz")],
        "wikitext": [part for name in ("valid", "test") for part in _cut(data / "raw" / f"wikitext2_{name}.txt.gz")],
        "shakespeare": _cut(data / "raw" / "tinyshakespeare.txt.gz"),
        "peps": [row["text"] for row in rows(data / "raw" / "peps.jsonl.gz")],
    }


# What a reader of worn or blurred print takes for what.
LATIN_CONFUSIONS = {
    "a": "oe@",
    "b": "h6",
    "c": "eo(",
    "d": "cl",
    "e": "co",
    "f": "t",
    "g": "q9",
    "h": "b",
    "i": "l1!j",
    "j": "i;",
    "k": "lc",
    "l": "1i|",
    "m": "rn",
    "n": "ru",
    "o": "0c",
    "p": "n",
    "q": "g",
    "r": "n",
    "s": "5$",
    "t": "fl",
    "u": "n",
    "v": "y",
    "w": "vv",
    "x": "%",
    "y": "v",
    "z": "2",
    "B": "8",
    "S": "5",
    "O": "0",
    "I": "l",
    "D": "O",
}
HAN_CONFUSIONS = (
    "己已巳 未末朱 土士工 日曰目 人入八 大太犬 千干于 天夫无 刀力刁 又叉义 口囗日 木本术 王玉主 田由甲申 今令 问间闻 "
    "买卖实 往住佳 侯候 治冶 折拆析 免兔 晴睛清 辩辨辫 拔拨 戌戍戊 鸟乌 风凤 贝见 厂广 没设 科料 活话 处外 话诺 体休 "
    "特持待 的約 在左右 是足定 不木 有冇育 这迷 我找 们门 来米 国固图 时吋 会令 可司 对刘 为办 学字 过讨 说悦 地他 年午"
)
STRAY = ".,'`~|^*_-:;!"


def latin_errors(text: str, rate: float, chance: random.Random) -> str:
    """A text in which a share of the characters was read wrongly."""
    out = []
    for letter in text:
        if letter == "\n" or chance.random() >= rate:
            out.append(letter)
            continue
        kind = chance.random()
        if kind < 0.65:
            wrong = LATIN_CONFUSIONS.get(letter) or LATIN_CONFUSIONS.get(letter.lower()) or STRAY
            out.append(wrong if wrong in {"cl", "rn", "vv", "ru"} else chance.choice(wrong))
        elif kind < 0.8:
            pass
        elif kind < 0.9:
            out.append(letter + chance.choice(STRAY))
        else:
            out.append("" if letter == " " else letter + " ")
    return "".join(out)


def han_errors(text: str, rate: float, chance: random.Random) -> str:
    """The same of Chinese: a look-alike where one is known, else any other character of the text."""
    alike = {one: group for group in HAN_CONFUSIONS.split() for one in group}
    characters = [one for one in text if "\u4e00" <= one <= "\u9fff"] or ["一"]
    out = []
    for letter in text:
        if letter == "\n" or chance.random() >= rate:
            out.append(letter)
            continue
        kind = chance.random()
        if kind < 0.75:
            out.append(chance.choice(alike.get(letter, "").replace(letter, "") or characters))
        elif kind < 0.85:
            pass
        else:
            out.append(letter + chance.choice(STRAY + "丨丶亅"))
    return "".join(out)
