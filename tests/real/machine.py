"""Real texts by people, and texts that no person wrote, to measure the stages of `mark` on.

Templates, their fillers and the errors of optical character recognition are made here, from word lists of their own.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EN_TEMPLATES = tuple(
    " ".join(text.split())
    for text in """
Looking for a {trade} in {city}? {company} is the number one choice for homes and businesses all over {city} and
{town}. Our team has served more than {number} happy customers since {year}, and every {trade} we send to your door
is licensed, insured and checked. Call {first} {last} today on {phone} for a free quote, or fill in the form below
and we will get back to you within {small} hours. We work in {city}, {town} and the whole of {county}.

{first} {last}, aged {small}, of {city}, passed away on {month} {small}, {year}. {first} was born in {town} and
worked for {number} weeks a year as a {trade}. A service will be held at {small} o'clock in the chapel of {town}.
The family asks that, instead of flowers, gifts be sent to the {company} fund. Please sign the guest book below to
share your memories of {first} with the family and to light a candle.

The {product} from {company} is in stock and ships from {city} within {small} working days. It comes in {colour} and
{colour}, weighs {small} kg, and has a rating of {small} out of five from {number} buyers. The {product} is covered
by a guarantee of {small} years. Order the {product} before noon and pay no postage. Item number {number}. People
who bought this also looked at the {product} in {colour} and the {product} by {company}.

Weather in {city} for {month} {small}: the day begins at {small} degrees and reaches {small} degrees in the
afternoon, with wind from the {direction} at {small} km/h. The chance of rain in {city} is {small} percent. Tomorrow
will be {sky} with {small} degrees. Sunrise is at {small}:{small}, sunset at {small}:{small}. See also the forecast
for {town} and for the rest of {county}, and our map of warnings for the {direction} of the country.
""".split("\n\n")
)
ZH_TEMPLATES = tuple(
    "".join(text.split())
    for text in """
{zcity}{ztrade}哪家好？{zcompany}专业从事{ztrade}服务多年，服务范围覆盖{zcity}及周边地区，已为{number}多位客户提供上门服务。
公司拥有一支经验丰富的技术团队，收费合理，随叫随到，欢迎新老客户来电咨询，联系人{zname}，电话{phone}。
我们承诺，凡是在{zcity}下单的客户，均可享受{small}年免费保修，先服务后付款，不满意不收费。

{zcity}今天天气{zsky}，最高气温{small}度，最低气温{small}度，{zdirection}风{small}级，空气质量{zsky}，适宜外出活动。
明天白天到夜间{zsky}，气温在{small}到{small}度之间，请市民朋友们注意及时增减衣物，出门记得带伞。
以上是{zcity}气象台{month_number}月{small}日发布的天气预报，更多城市的天气情况请点击下方的城市名称查询。

《{zbook}》是{zname}写的一本{zkind}小说，全文共{number}章，目前已经完结，本站提供最新章节免费阅读和全集下载。
如果您觉得{zname}的这本小说还不错的话，请不要忘记向您的朋友们推荐，也可以点击加入书签方便下次继续阅读。
各位书友要是喜欢{zbook}，请收藏本页地址，我们会在第一时间为您更新最新的{zkind}章节，支持作者请购买正版。
""".split("\n\n")
)
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


def human(data: Path, *, chinese: bool) -> dict[str, list[str]]:
    """Texts by people, by set."""
    articles = list(rows(data / "lid-opensourceguide" / "articles.jsonl.gz"))
    if chinese:
        return {
            "extract-zh": [row["text"] for row in rows(data / "extract-zh" / "gold.jsonl.gz")],
            "oiwiki": [row["text"] for row in rows(data / "raw" / "oiwiki_zh.jsonl.gz")],
            "guide": [row["text"] for row in articles if row["lang"] in {"zh-hans", "zh-hant"}],
        }
    return {
        "wcxb": [row["main_content"] for row in rows(data / "extract-wcxb" / "gold.jsonl.gz")],
        "c4": [row["text"] for row in rows(data / "raw" / "c4_demo_300.jsonl.gz")],
        "peps": [row["text"] for row in rows(data / "raw" / "peps.jsonl.gz")],
    }
