"""Chinese spam pages as they are met in crawls, made from sentences and names of this file's own.

They are written as whole pages with much that no list of phrases has; half of them hide their words with signs between
the characters, as spammers do.
"""

from __future__ import annotations

import random

PLACES = [
    *("北京", "上海", "广州", "深圳", "成都", "重庆", "武汉", "西安", "长沙", "沈阳"),
    *("青岛", "大连", "宁波", "厦门", "昆明", "合肥", "福州", "南宁", "太原", "兰州"),
]
GOODS = [
    *("不锈钢管", "塑料托盘", "电动门", "监控器材", "彩钢板", "工业风机", "洗地机"),
    *("防火门", "玻璃钢化粪池", "装载机", "轮胎", "空压机", "阀门", "铝型材"),
]
NAMES = ["凤凰", "金冠", "鼎盛", "永利", "万豪", "星耀", "盈丰", "财神", "鸿运", "大发", "九州", "新锦江"]
BOOKS = ["逆天剑尊", "绝世神医", "豪门弃妇", "我的冰山女友", "末日求生录", "大明小书童", "仙道第一人", "星际佣兵"]
PEOPLE = ["林凡", "叶辰", "苏婉", "楚天", "萧炎烈", "秦岚", "顾北城", "江雪"]
SIGNS = "*-_·~|^#"

SENTENCES = {
    "gambling": """{name}国际欢迎您的到来，本站经营多年，信誉卓著，让您足不出户享受拉斯维加斯般的刺激。
新会员注册送{n}元体验金，首存再加赠百分之{m}，每天登录还有红包雨等您来抢。
平台提供百家乐、龙虎斗、老虎机、捕鱼等上百款游戏，真人荷官在线发牌，画面高清流畅。
足球、篮球、电竞赛事全天候下注，赔率全网最高，提现秒到账，大额无忧。
加入{name}娱乐城，天天返水无上限，老板都在这里玩，输了算我们的。
今日{name}彩票计划群公开，跟着导师买，快三、北京赛车、时时彩一天稳赚{n}。
最新备用网址请收藏，如遇打不开请联系二十四小时在线客服获取{name}入口。
昨晚又有一位来自{place}的玩家用{m}块钱爆出大奖，当场提走{n}万。""",
    "adult": """{place}本地美女上门服务，学生、白领、空姐任您挑选，满意再付款，安全私密。
本站每天更新国产自拍、日韩精品、欧美大片，高清无码免费观看，不用下载播放器。
寂寞少妇深夜裸聊，一对一视频直播，新人进房就送{n}金币，点击马上看她脱。
成人小说、激情图片、偷拍视频应有尽有，未满十八岁请立即离开。
想要约炮的朋友看过来，{place}同城交友，附近{m}公里内的寂寞人妻等你来聊。
午夜福利在线播放，{name}影院收录伦理片三千余部，手机也能看。
男人难言之隐，一粒见效，延时壮阳特效药货到付款，保密发货。""",
    "doorway": """{place}{goods}哪家好？{place}{name}{goods}有限公司是一家集研发、生产、销售于一体的厂家。
我公司常年供应{place}{goods}，厂家直销，价格优惠，质量保证，欢迎来电咨询。
{place}代开发票，正规税务可查，各行业均可开，先验后付，联系电话一三{n}。
{place}{goods}价格表二零二四，{goods}多少钱一台，{goods}批发市场在哪里，请拨打服务热线。
专业承接{place}及周边地区{goods}上门安装、上门维修业务，随叫随到，诚信经营。
{place}办证刻章，毕业证、资格证、驾驶证，快速出证，微信号{n}，加微信请注明来意。
{place}关键词排名优化，七天上百度首页，不上首页不收费，网络推广找{name}。
急用钱找{name}，无抵押贷款，身份证就能下款，黑白户都能做，最快{m}分钟到账。""",
    "novel": """《{book}》最新章节由网友上传，{name}小说网提供全文免费阅读，更新最快，无弹窗广告。
第{n}章 {person}的秘密
{person}冷笑一声，身形一闪，已经出现在那人背后，众人只觉得眼前一花，一股恐怖的气息扑面而来。
“你竟敢伤我师妹？”{person}双目赤红，手中长剑发出一阵嗡鸣，“今日便让你付出代价！”
本章未完，请点击下一页继续阅读，手机用户请浏览手机站，阅读更方便。
喜欢《{book}》请大家加入书签，天才一秒记住本站地址，方便下次继续看。
上一章 章节目录 下一章 返回书页 投推荐票 加入书架
{person}望着她远去的背影，久久没有说话，雨水打湿了他的衣衫，他却浑然不觉。
求收藏，求月票，求各位书友多多支持，明天还有三更。""",
}


def _filled(text: str, chance: random.Random) -> str:
    choices = {"{name}": NAMES, "{place}": PLACES, "{goods}": GOODS, "{book}": BOOKS, "{person}": PEOPLE}
    for key, some in choices.items():
        while key in text:
            text = text.replace(key, chance.choice(some), 1)
    return text.replace("{n}", str(chance.randint(18, 9999))).replace("{m}", str(chance.randint(5, 99)))


def _hidden(text: str, chance: random.Random) -> str:
    """Signs between some of the characters."""
    return "".join(one + (chance.choice(SIGNS) if chance.random() < 0.15 else "") for one in text)


def _stuffed(chance: random.Random) -> str:
    """A list of keywords, over and over; none of them is a phrase of spam."""
    places, goods = chance.sample(PLACES, 4), chance.sample(GOODS, 3)
    words = [place + good for place in places for good in goods] * chance.randint(4, 8)
    chance.shuffle(words)
    return chance.choice([",", " ", "_", "|", "，"]).join(words)


def spam_pages(each: int = 12, seed: int = 5) -> list[tuple[str, str]]:
    """(kind, text) of so many pages of each of five kinds."""
    chance = random.Random(seed)
    pages = []
    for kind, sentences in SENTENCES.items():
        lines = sentences.split("\n")
        for number in range(each):
            chosen = [_filled(line, chance) for line in chance.sample(lines, chance.randint(4, len(lines)))]
            text = "\n".join(chosen)
            pages.append((kind, _hidden(text, chance) if number % 2 else text))
    return pages + [("stuffed", _stuffed(chance)) for _ in range(each)]
