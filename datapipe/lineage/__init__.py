"""What happened to a document, and why: its story, samples of documents, and a document tried out.

Everything shown of a document has personal data masked and what a terminal would obey made visible.
"""

from __future__ import annotations

from datapipe.lineage.find import Place, find, nearest
from datapipe.lineage.masking import escape, excerpt, mask, mask_url, safe
from datapipe.lineage.sample import Sampled, sample
from datapipe.lineage.similar import Alike, Found, similar
from datapipe.lineage.story import OTHERS, SURVIVOR, Chapter, Measure, Story, story
from datapipe.lineage.trial import Document, Trial, read_document, try_out

__all__ = [
    "OTHERS",
    "SURVIVOR",
    "Alike",
    "Chapter",
    "Document",
    "Found",
    "Measure",
    "Place",
    "Sampled",
    "Story",
    "Trial",
    "escape",
    "excerpt",
    "find",
    "mask",
    "mask_url",
    "nearest",
    "read_document",
    "safe",
    "sample",
    "similar",
    "story",
    "try_out",
]
