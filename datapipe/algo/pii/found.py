"""What is found, by whom, and the names of presidio's entities; imports nothing that has to be installed for it.

Costs nothing: plain declarations.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ENTITIES", "FAST", "Found"]

# What presidio's English recognisers without a language model find, and which of them; the first have a fast path.
FAST = {
    "EMAIL_ADDRESS": "EmailRecognizer",
    "PHONE_NUMBER": "PhoneRecognizer",
    "IP_ADDRESS": "IpRecognizer",
    "CREDIT_CARD": "CreditCardRecognizer",
    "IBAN_CODE": "IbanRecognizer",
    "US_SSN": "UsSsnRecognizer",
    "CRYPTO": "CryptoRecognizer",
}
ENTITIES = FAST | {
    "DATE_TIME": "DateRecognizer",
    "MAC_ADDRESS": "MacAddressRecognizer",
    "MEDICAL_LICENSE": "MedicalLicenseRecognizer",
    "UK_NHS": "NhsRecognizer",
    "URL": "UrlRecognizer",
    "US_BANK_NUMBER": "UsBankRecognizer",
    "US_DRIVER_LICENSE": "UsLicenseRecognizer",
    "US_ITIN": "UsItinRecognizer",
    "US_PASSPORT": "UsPassportRecognizer",
    "UUID": "UuidRecognizer",
}


class Found(NamedTuple):
    """Personal data at text[start:end], in characters; a score of 0 to 1, and who found it."""

    entity: str
    start: int
    end: int
    score: float
    recogniser: str
