"""The national ids that presidio knows: whose they are, who recognises them, how grave they are.

Why: presidio switches most of them on for its own language only, or not at all; an id says the same in any language.
The least digits that a match can have let a kernel tell where none can be (`national`); 0: a match may have none, or
be of any length, so that whole texts are searched. tests/algo/pii/test_national.py checks them against the patterns.
Costs nothing: a table. Severity as in `risk`.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COUNTRIES", "NATIONAL", "NationalId"]


class NationalId(NamedTuple):
    """Country (ISO 3166), presidio's recogniser, least digits of a match, category and severity of `risk`."""

    country: str
    recogniser: str
    digits: int
    category: str
    severity: int


# fmt: off
NATIONAL: dict[str, NationalId] = {
    "AU_ABN": NationalId("AU", "AuAbnRecognizer", 11, "government_id", 1),
    "AU_ACN": NationalId("AU", "AuAcnRecognizer", 9, "government_id", 1),
    "AU_MEDICARE": NationalId("AU", "AuMedicareRecognizer", 10, "health", 3),
    "AU_TFN": NationalId("AU", "AuTfnRecognizer", 9, "government_id", 3),
    "CA_POSTAL_CODE": NationalId("CA", "CaPostalCodeRecognizer", 3, "whereabouts", 1),
    "CA_SIN": NationalId("CA", "CaSinRecognizer", 9, "government_id", 3),
    "DE_BSNR": NationalId("DE", "DeBsnrRecognizer", 9, "health", 1),
    "DE_FUEHRERSCHEIN": NationalId("DE", "DeFuehrerscheinRecognizer", 8, "government_id", 3),
    "DE_HANDELSREGISTER": NationalId("DE", "DeHandelsregisterRecognizer", 0, "government_id", 1),
    "DE_HEALTH_INSURANCE": NationalId("DE", "DeHealthInsuranceRecognizer", 9, "health", 3),
    "DE_ID_CARD": NationalId("DE", "DeIdCardRecognizer", 1, "government_id", 3),
    "DE_KFZ": NationalId("DE", "DeKfzRecognizer", 1, "government_id", 2),
    "DE_LANR": NationalId("DE", "DeLanrRecognizer", 9, "health", 2),
    "DE_PASSPORT": NationalId("DE", "DePassportRecognizer", 1, "government_id", 3),
    "DE_PLZ": NationalId("DE", "DePlzRecognizer", 5, "whereabouts", 1),
    "DE_SOCIAL_SECURITY": NationalId("DE", "DeSocialSecurityRecognizer", 11, "government_id", 3),
    "DE_TAX_ID": NationalId("DE", "DeTaxIdRecognizer", 11, "government_id", 3),
    "DE_TAX_NUMBER": NationalId("DE", "DeTaxNumberRecognizer", 9, "government_id", 2),
    "DE_VAT_ID": NationalId("DE", "DeVatIdRecognizer", 9, "government_id", 1),
    "ES_NIE": NationalId("ES", "EsNieRecognizer", 7, "government_id", 3),
    "ES_NIF": NationalId("ES", "EsNifRecognizer", 7, "government_id", 3),
    "ES_PASSPORT": NationalId("ES", "EsPassportRecognizer", 6, "government_id", 3),
    "FI_PERSONAL_IDENTITY_CODE": NationalId("FI", "FiPersonalIdentityCodeRecognizer", 9, "government_id", 3),
    "UK_NHS": NationalId("GB", "NhsRecognizer", 10, "health", 3),
    "UK_DRIVING_LICENCE": NationalId("GB", "UkDrivingLicenceRecognizer", 6, "government_id", 3),
    "UK_NINO": NationalId("GB", "UkNinoRecognizer", 6, "government_id", 3),
    "UK_PASSPORT": NationalId("GB", "UkPassportRecognizer", 7, "government_id", 3),
    "UK_POSTCODE": NationalId("GB", "UkPostcodeRecognizer", 1, "whereabouts", 1),
    "UK_VEHICLE_REGISTRATION": NationalId("GB", "UkVehicleRegistrationRecognizer", 1, "government_id", 2),
    "IN_AADHAAR": NationalId("IN", "InAadhaarRecognizer", 12, "government_id", 3),
    "IN_GSTIN": NationalId("IN", "InGstinRecognizer", 2, "government_id", 1),
    "IN_PAN": NationalId("IN", "InPanRecognizer", 0, "government_id", 3),
    "IN_PASSPORT": NationalId("IN", "InPassportRecognizer", 7, "government_id", 3),
    "IN_VEHICLE_REGISTRATION": NationalId("IN", "InVehicleRegistrationRecognizer", 3, "government_id", 2),
    "IN_VOTER": NationalId("IN", "InVoterRecognizer", 7, "government_id", 3),
    "IT_DRIVER_LICENSE": NationalId("IT", "ItDriverLicenseRecognizer", 1, "government_id", 3),
    "IT_FISCAL_CODE": NationalId("IT", "ItFiscalCodeRecognizer", 0, "government_id", 3),
    "IT_IDENTITY_CARD": NationalId("IT", "ItIdentityCardRecognizer", 5, "government_id", 3),
    "IT_PASSPORT": NationalId("IT", "ItPassportRecognizer", 7, "government_id", 3),
    "IT_VAT_CODE": NationalId("IT", "ItVatCodeRecognizer", 11, "government_id", 1),
    "KR_BRN": NationalId("KR", "KrBrnRecognizer", 10, "government_id", 1),
    "KR_DRIVER_LICENSE": NationalId("KR", "KrDriverLicenseRecognizer", 12, "government_id", 3),
    "KR_FRN": NationalId("KR", "KrFrnRecognizer", 13, "government_id", 3),
    "KR_PASSPORT": NationalId("KR", "KrPassportRecognizer", 7, "government_id", 3),
    "KR_RRN": NationalId("KR", "KrRrnRecognizer", 13, "government_id", 3),
    "NG_NIN": NationalId("NG", "NgNinRecognizer", 11, "government_id", 3),
    "NG_VEHICLE_REGISTRATION": NationalId("NG", "NgVehicleRegistrationRecognizer", 3, "government_id", 2),
    "PH_PASSPORT": NationalId("PH", "PhPassportRecognizer", 7, "government_id", 3),
    "PH_TIN": NationalId("PH", "PhTinRecognizer", 9, "government_id", 3),
    "PH_UMID": NationalId("PH", "PhUmidRecognizer", 12, "government_id", 3),
    "PL_PESEL": NationalId("PL", "PlPeselRecognizer", 11, "government_id", 3),
    "SE_ORGANISATIONSNUMMER": NationalId("SE", "SeOrganisationsnummerRecognizer", 10, "government_id", 1),
    "SE_PERSONNUMMER": NationalId("SE", "SePersonnummerRecognizer", 10, "government_id", 3),
    "SG_NRIC_FIN": NationalId("SG", "SgFinRecognizer", 7, "government_id", 3),
    "SG_UEN": NationalId("SG", "SgUenRecognizer", 6, "government_id", 1),
    "TH_TNIN": NationalId("TH", "ThTninRecognizer", 13, "government_id", 3),
    "TR_LICENSE_PLATE": NationalId("TR", "TrLicensePlateRecognizer", 4, "government_id", 2),
    "TR_NATIONAL_ID": NationalId("TR", "TrNationalIdRecognizer", 11, "government_id", 3),
    "ABA_ROUTING_NUMBER": NationalId("US", "AbaRoutingRecognizer", 9, "financial", 1),
    "MEDICAL_LICENSE": NationalId("US", "MedicalLicenseRecognizer", 7, "health", 2),
    "US_BANK_NUMBER": NationalId("US", "UsBankRecognizer", 8, "financial", 3),
    "US_CLAIM_NUMBER": NationalId("US", "UsClaimNumberRecognizer", 6, "health", 2),
    "US_HEALTH_INSURANCE_MEMBER_ID": NationalId("US", "UsHealthInsuranceMemberIdRecognizer", 0, "health", 3),
    "US_ITIN": NationalId("US", "UsItinRecognizer", 9, "government_id", 3),
    "US_DRIVER_LICENSE": NationalId("US", "UsLicenseRecognizer", 1, "government_id", 3),
    "US_MBI": NationalId("US", "UsMbiRecognizer", 5, "health", 3),
    "US_NPI": NationalId("US", "UsNpiRecognizer", 10, "health", 2),
    "US_PASSPORT": NationalId("US", "UsPassportRecognizer", 8, "government_id", 3),
    "US_PRESCRIPTION_NUMBER": NationalId("US", "UsPrescriptionNumberRecognizer", 6, "health", 2),
    "US_PRIOR_AUTHORIZATION_NUMBER": NationalId("US", "UsPriorAuthorizationNumberRecognizer", 6, "health", 2),
    "US_PROVIDER_TAX_ID": NationalId("US", "UsProviderTaxIdRecognizer", 9, "government_id", 1),
    "US_REFERRAL_NUMBER": NationalId("US", "UsReferralNumberRecognizer", 6, "health", 2),
    "ZA_COMPANY_REGISTRATION": NationalId("ZA", "ZaCompanyRegistrationRecognizer", 10, "government_id", 1),
    "ZA_DRIVER_LICENSE": NationalId("ZA", "ZaDriverLicenseRecognizer", 6, "government_id", 3),
    "ZA_ID_NUMBER": NationalId("ZA", "ZaIdNumberRecognizer", 13, "government_id", 3),
    "ZA_INCOME_TAX_NUMBER": NationalId("ZA", "ZaIncomeTaxNumberRecognizer", 10, "government_id", 3),
    "ZA_LICENSE_PLATE": NationalId("ZA", "ZaLicensePlateRecognizer", 2, "government_id", 2),
    "ZA_PASSPORT": NationalId("ZA", "ZaPassportRecognizer", 8, "government_id", 3),
    "ZA_TRAFFIC_REGISTER_NUMBER": NationalId("ZA", "ZaTrafficRegisterNumberRecognizer", 13, "government_id", 2),
    "ZA_VAT_NUMBER": NationalId("ZA", "ZaVatNumberRecognizer", 10, "government_id", 1),
}
# fmt: on
COUNTRIES = tuple(sorted({each.country for each in NATIONAL.values()}))
