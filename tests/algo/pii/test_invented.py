"""Invented values have the form and the check digits of real ones, by checks that are not those that made them."""

from __future__ import annotations

import hashlib
import ipaddress
import re

import pytest

from datapipe.algo.chance import Chance
from datapipe.algo.pii.chinese import is_resident_id
from datapipe.algo.pii.invented import SENTENCES, VALUES, iban_of, luhn_digit
from datapipe.algo.pii.risk import RISKS

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
MANY = range(300)


def values(entity: str) -> list[str]:
    return [VALUES[entity](Chance(seed)) for seed in MANY]


@pytest.mark.parametrize(
    ("body", "digit"),
    [("7992739871", "3"), ("411111111111111", "1"), ("555555555555444", "4")],  # ISO/IEC 7812's example, test cards
)
def test_check_digits_of_cards_are_those_of_known_numbers(body: str, digit: str) -> None:
    assert luhn_digit(body) == digit


@pytest.mark.parametrize(
    ("country", "account", "iban"),  # examples of the IBAN registry
    [
        ("GB", "NWBK60161331926819", "GB29NWBK60161331926819"),
        ("DE", "370400440532013000", "DE89370400440532013000"),
        ("NL", "ABNA0417164300", "NL91ABNA0417164300"),
    ],
)
def test_check_digits_of_accounts_are_those_of_known_ones(country: str, account: str, iban: str) -> None:
    assert iban_of(country, account) == iban


def test_cards_hold_to_luhn() -> None:
    for value in values("CREDIT_CARD"):
        digits = [int(sign) for sign in reversed(re.sub("[ -]", "", value))]
        assert len(digits) == 16
        assert (sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0


def test_accounts_hold_to_mod_97() -> None:
    for value in values("IBAN_CODE"):
        assert int("".join(str(int(sign, 36)) for sign in value[4:] + value[:4])) % 97 == 1


def test_wallets_hold_to_base58check() -> None:
    for value in values("CRYPTO"):
        number = 0
        for sign in value:
            number = number * 58 + BASE58.index(sign)
        data = number.to_bytes(25, "big")
        assert hashlib.sha256(hashlib.sha256(data[:21]).digest()).digest()[:4] == data[21:]


def test_resident_ids_and_addresses_are_valid() -> None:
    assert all(map(is_resident_id, values("CN_RESIDENT_ID")))
    assert all(ipaddress.ip_address(value).is_global for value in values("IP_ADDRESS"))


def test_every_entity_has_sentences_in_both_languages_with_one_place() -> None:
    for language, sentences in SENTENCES.items():
        assert sentences.keys() == VALUES.keys() <= RISKS.keys(), language
        assert all(sentence.count("{}") == 1 for some in sentences.values() for sentence in some)


def test_values_differ_and_are_the_same_for_a_seed() -> None:
    for entity in VALUES:
        assert len(set(values(entity))) > 0.95 * len(MANY), entity
        assert values(entity) == values(entity)
