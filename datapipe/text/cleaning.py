"""The form that all extracted text has: NFC, line feeds and tabs as the only control characters.

Costs a pass or two over each text, and normalisation only where it is needed.
"""

import re
import unicodedata

LINE_BREAKS = re.compile("\r\n?|[\v\f\x1c-\x1e\x85\u2028]|\u2029")
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """NFC, lines end in a line feed, and no control characters, lone surrogates or spaces around."""
    text = CONTROLS.sub("", LINE_BREAKS.sub("\n", text)).strip()
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)
