"""How much each entity says of a person: category and severity, after pii-codex's scheme.

Severity: 1 says little by itself, 2 narrows down who it is, 3 names or opens an account. Categories are those in which
data-protection rules speak: contact, financial, government_id, health, technical, secret, demographic, whereabouts.
Costs nothing: a table. Source: pii-codex (Rosado 2023) for the scheme; where it has no entry the choice is ours.
"""

from __future__ import annotations

from typing import NamedTuple

from datapipe.algo.pii.national_ids import NATIONAL

__all__ = ["RISKS", "Risk", "risk_of"]


class Risk(NamedTuple):
    """Category, and severity from 1 to 3."""

    category: str
    severity: int


RISKS: dict[str, Risk] = {
    "EMAIL_ADDRESS": Risk("contact", 3),
    "PHONE_NUMBER": Risk("contact", 3),
    "CN_MOBILE": Risk("contact", 3),
    "IP_ADDRESS": Risk("technical", 2),
    "MAC_ADDRESS": Risk("technical", 2),
    "UUID": Risk("technical", 1),
    "URL": Risk("technical", 1),
    "CREDIT_CARD": Risk("financial", 3),
    "IBAN_CODE": Risk("financial", 3),
    "CRYPTO": Risk("financial", 2),
    "US_SSN": Risk("government_id", 3),
    "CN_RESIDENT_ID": Risk("government_id", 3),
    "CN_LICENSE_PLATE": Risk("government_id", 2),
    "MEDICAL_RECORD": Risk("health", 3),
    "HEALTH_INSURANCE": Risk("health", 3),
    "API_KEY": Risk("secret", 3),
    "PRIVATE_KEY": Risk("secret", 3),
    "URL_CREDENTIALS": Risk("secret", 3),
    "DATE_TIME": Risk("demographic", 1),
    "PERSON": Risk("demographic", 3),
    "ORGANIZATION": Risk("demographic", 1),
    "LOCATION": Risk("whereabouts", 2),
    **{entity: Risk(each.category, each.severity) for entity, each in NATIONAL.items()},
}


def risk_of(entity: str) -> Risk:
    """Category and severity of an entity."""
    return RISKS[entity]
