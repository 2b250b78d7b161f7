"""Invented personal data, by entity: values of the right form, whose check digits hold, and sentences for them.

What: for every value a hash decides; none is taken from anywhere. They are as sensitive as real ones to whoever looks
for such data, and some may by chance belong to somebody: treat them like real ones, and print none.
Costs some microseconds a value.
Source of the forms: ISO 7064 MOD 97-10 (IBAN), ISO/IEC 7812 (Luhn), GB 11643-1999 (resident ids), Base58Check
(Bitcoin), RFC 7468 (PEM); the issuers' own prefixes of keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from datapipe.algo.chance import Chance
from datapipe.algo.pii.chinese import CHECK_DIGITS, WEIGHTS

__all__ = ["SENTENCES", "VALUES"]

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SIGNS = _LETTERS + _LETTERS.upper() + "0123456789"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ENDS = ("com", "org", "net", "de", "co.uk", "cn")
_PLATE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_IBANS = {"DE": "{0:18}", "FR": "{0:23}", "GB": "NWBK{0:14}", "NL": "INGB{0:10}"}


def _word(chance: Chance, least: int, most: int) -> str:
    return "".join(chance.pick(_LETTERS) for _ in range(least + chance.below(most - least + 1)))


def _signs(chance: Chance, count: int) -> str:
    return "".join(chance.pick(_SIGNS) for _ in range(count))


def _email(chance: Chance) -> str:
    local = f"{_word(chance, 3, 8)}{chance.pick(('.', '_', ''))}{_word(chance, 3, 9)}"
    return f"{local}@{_word(chance, 4, 10)}.{chance.pick(_ENDS)}"


def _phone(chance: Chance) -> str:
    area, rest = chance.pick(("212", "415", "312", "206", "617")), chance.digits(4)
    exchange = f"{2 + chance.below(8)}{2 + chance.below(8)}{2 + chance.below(8)}"
    return chance.pick((f"({area}) {exchange}-{rest}", f"{area}-{exchange}-{rest}", f"+1 {area}-{exchange}-{rest}"))


def _address(chance: Chance) -> str:
    """A public IPv4 address: the first number is of blocks that no rule sets apart."""
    first = chance.pick((8, 23, 45, 62, 81, 93, 104, 151, 185, 217))
    return ".".join(map(str, (first, *(1 + chance.below(254) for _ in range(3)))))


def luhn_digit(digits: str) -> str:
    """The digit that makes a number whole by ISO/IEC 7812."""
    doubled = (int(digit) * (2 - at % 2) for at, digit in enumerate(reversed(digits)))
    return str(-sum(each // 10 + each % 10 for each in doubled) % 10)


def _card(chance: Chance) -> str:
    start = chance.pick(("4", "51", "52", "55"))
    body = start + chance.digits(15 - len(start))
    number = body + luhn_digit(body)
    between = chance.pick(("", " ", "-"))
    return between.join(number[at : at + 4] for at in range(0, 16, 4))


def iban_of(country: str, account: str) -> str:
    """An account number with its country and check digits."""
    as_digits = "".join(str(int(sign, 36)) for sign in f"{account}{country}00")
    return f"{country}{98 - int(as_digits) % 97:02}{account}"


def _iban(chance: Chance) -> str:
    country = chance.pick(tuple(_IBANS))
    start, _, count = _IBANS[country].rstrip("}").partition("{0:")
    return iban_of(country, start + chance.digits(int(count)))


def _ssn(chance: Chance) -> str:
    area = chance.pick((*range(100, 666), *range(667, 772)))
    return f"{area}-{1 + chance.below(99):02}-{1 + chance.below(9999):04}"


def _bitcoin(chance: Chance) -> str:
    body = b"\0" + bytes(chance.below(256) for _ in range(20))
    whole = body + hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4]
    number, made = int.from_bytes(whole, "big"), ""
    while number:
        number, place = divmod(number, 58)
        made = _BASE58[place] + made
    return "1" * (len(whole) - len(whole.lstrip(b"\0"))) + made


def _resident(chance: Chance) -> str:
    region = chance.pick(("110105", "310104", "440106", "510107", "330102", "420111"))
    born = f"{1950 + chance.below(60)}{1 + chance.below(12):02}{1 + chance.below(28):02}"
    body = f"{region}{born}{chance.below(1000):03}"
    return body + CHECK_DIGITS[sum(int(digit) * weight for digit, weight in zip(body, WEIGHTS, strict=True)) % 11]


def _mobile(chance: Chance) -> str:
    number = chance.pick(("135", "138", "150", "159", "186", "189")) + "".join(str(chance.below(10)) for _ in range(8))
    return chance.pick((number, f"{number[:3]} {number[3:7]} {number[7:]}", f"+86 {number}"))


def _plate(chance: Chance) -> str:
    province, city = chance.pick("京沪粤川浙苏鄂"), chance.pick(_PLATE_LETTERS[:8])
    return f"{province}{city}{chance.pick(_PLATE_LETTERS)}{chance.digits(4)}"


def _record(chance: Chance) -> str:
    return f"{chance.pick(('', 'A', 'MR'))}{chance.digits(8)}"


def _key(chance: Chance) -> str:
    return chance.pick((f"ghp_{_signs(chance, 36)}", f"AKIA{_signs(chance, 16).upper()}", f"hf_{_signs(chance, 34)}"))


def _private_key(chance: Chance) -> str:
    lines = "\n".join(_signs(chance, 64) for _ in range(3))
    return f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----"


def _credentials(chance: Chance) -> str:
    return f"{_word(chance, 4, 8)}:{_signs(chance, 12)}"


VALUES: dict[str, Callable[[Chance], str]] = {
    "EMAIL_ADDRESS": _email,
    "PHONE_NUMBER": _phone,
    "IP_ADDRESS": _address,
    "CREDIT_CARD": _card,
    "IBAN_CODE": _iban,
    "US_SSN": _ssn,
    "CRYPTO": _bitcoin,
    "CN_RESIDENT_ID": _resident,
    "CN_MOBILE": _mobile,
    "CN_LICENSE_PLATE": _plate,
    "MEDICAL_RECORD": _record,
    "HEALTH_INSURANCE": _record,
    "API_KEY": _key,
    "PRIVATE_KEY": _private_key,
    "URL_CREDENTIALS": _credentials,
}

SENTENCES: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "EMAIL_ADDRESS": ("If anything is unclear, write to {} before Friday.", "Her address was still {} last year."),
        "PHONE_NUMBER": ("Call me at {} after six.", "You can reach our office by phone: {}."),
        "IP_ADDRESS": ("The requests came from {} all night.", "We traced the server to {}, and nobody answered."),
        "CREDIT_CARD": ("He paid with card number {}, as the bill says.", "My credit card is {}."),
        "IBAN_CODE": ("Please transfer the deposit to {} by Monday.", "Her bank account is {}."),
        "US_SSN": ("His social security number is {}, the form says.", "SSN: {}."),
        "CRYPTO": ("Donations go to the bitcoin wallet {} and nowhere else.", "She sent the coins to {}."),
        "CN_RESIDENT_ID": ("Her resident id is {}.", "The passport office asked for {}, the number on the card."),
        "CN_MOBILE": ("Ring the guide in Beijing (导游): {}.",),
        "CN_LICENSE_PLATE": ("The car with the plate {} left at noon.",),
        "MEDICAL_RECORD": ("The patient, MRN: {}, was sent home.", "Medical record number {} was missing."),
        "HEALTH_INSURANCE": ("Health insurance number: {}.", "The insurance policy number {} has run out."),
        "API_KEY": ("The script used the token {} in every call.", "Set the key to {} and try again."),
        "PRIVATE_KEY": ("Somebody had pasted the key:\n{}\nNobody took it down.",),
        "URL_CREDENTIALS": ("The backup lies at https://{}@files.example.org/backup for now.",),
    },
    "zh": {
        "EMAIL_ADDRESS": ("有问题请发邮件到{}联系我们。", "她的邮箱是{}，一直没有换过。"),
        "PHONE_NUMBER": ("美国办事处的电话是{}，下午有人接听。",),
        "IP_ADDRESS": ("攻击来自{}，持续了一整夜。", "服务器地址为{}。"),
        "CREDIT_CARD": ("他的信用卡号是{}，请核对。", "付款卡号：{}。"),
        "IBAN_CODE": ("请把押金汇到{}，谢谢。", "收款账户：{}。"),
        "US_SSN": ("他在美国的社会安全号码（social security number）是 {} 。",),
        "CRYPTO": ("捐款请转到比特币地址 {} 。",),
        "CN_RESIDENT_ID": ("身份证号码{}，请妥善保管。", "他的身份证是{}。"),
        "CN_MOBILE": ("请拨打手机{}找张先生。", "联系电话：{}。"),
        "CN_LICENSE_PLATE": ("一辆车牌为{}的轿车停在门口。",),
        "MEDICAL_RECORD": ("患者病历号：{}，昨日出院。", "住院号是{}。"),
        "HEALTH_INSURANCE": ("医保卡号：{}。", "他的社保号为{}。"),
        "API_KEY": ("脚本里写着密钥 {} ，请尽快更换。",),
        "PRIVATE_KEY": ("有人把私钥贴了出来：\n{}\n没有人删除。",),
        "URL_CREDENTIALS": ("备份在 https://{}@files.example.org/backup 这里。",),
    },
}
