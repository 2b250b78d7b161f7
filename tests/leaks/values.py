"""Personal data of nobody, one value of each kind that `mask.pii` finds by default, in English and Chinese.

Numbers have the right check digits; domains, cards and numbers are those that issuers keep for tests, or made up.
"""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

__all__ = ["SENTENCES", "VALUES", "forms"]

# entity: (value, sentences around it in English and in Chinese)
SENTENCES: dict[str, tuple[str, str, str]] = {
    "EMAIL_ADDRESS": ("hildegard.quist@posthaus.de", "Please write to {} before noon.", "请发邮件到{}联系我们。"),
    "PHONE_NUMBER": ("+49 30 90182233", "You can call {} in the morning.", "欢迎拨打 {} 咨询。"),
    "CN_MOBILE": ("13912345678", "My number at home in 上海 is {} as before.", "手机号：{}，请勿外传。"),
    "CREDIT_CARD": ("5425 2334 3010 9903", "The card {} was charged twice.", "信用卡 {} 已被冻结。"),
    "IBAN_CODE": ("DE89 3704 0044 0532 0130 00", "Send the rent to {} by Friday.", "请汇款到 {} 这个账户。"),
    "US_SSN": ("536-90-4399", "Her social security number SSN is {} on the form.", "社会安全号 SSN {} 已登记。"),
    "IP_ADDRESS": ("81.2.69.142", "The login came from {} at night.", "登录地址是 {} 这台机器。"),
    "CRYPTO": ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "Pay bitcoin to {} today.", "请把比特币转到 {} 钱包。"),
    "CN_RESIDENT_ID": ("11010519491231002X", "His resident id {} is on file.", "身份证号码{}已核实。"),
    "CN_LICENSE_PLATE": ("京A8K312", "A car with the plate {} was parked there.", "车牌{}停在门口。"),
    "MEDICAL_RECORD": ("B20345678", "The patient has MRN: {} in the system.", "病历号：{}，请妥善保管。"),
    "HEALTH_INSURANCE": ("A12345678", "The health insurance number: {} has expired.", "医保卡号：{}，下月到期。"),
    "API_KEY": ("ghp_a8K2mQ9xT4vB7nR1cW5yE3uJ6hL0pS2dF8gZ", "The token {} was committed.", "令牌 {} 被提交了。"),
    "PRIVATE_KEY": (
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
        "密钥：\n-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
    ),
    "URL_CREDENTIALS": (
        "quist:pa55-w0rd",
        "Look at https://{}@intern:8080/x for it.",
        "见 https://{}@intern:8080/x 页面。",
    ),
}
VALUES = {entity: value for entity, (value, _, _) in SENTENCES.items()}


def forms(value: str) -> tuple[bytes, ...]:
    """How a value may stand in a file: as it is, and as JSON and URLs escape it."""
    written = (value, json.dumps(value)[1:-1], quote(value), quote(value, safe=""), quote_plus(value))
    return tuple(dict.fromkeys(each.encode() for each in written))
