"""What happened to documents, and why: the story of one, samples, one tried out, and what becomes of groups.

Everything shown of a document has personal data masked and what a terminal would obey made visible.
"""

from __future__ import annotations

from datapipe.lineage.bias import LEAST, Bias, bias_of, tells_groups
from datapipe.lineage.contamination import CONTAMINATING, Contamination, contamination, looks_for_items, write_splits
from datapipe.lineage.find import Place, find, nearest
from datapipe.lineage.masking import escape, excerpt, mask, mask_url, safe
from datapipe.lineage.sample import Sampled, sample
from datapipe.lineage.similar import Alike, Found, similar
from datapipe.lineage.story import OTHERS, SURVIVOR, Chapter, Measure, Story, measure_bound_by, measures_of, story
from datapipe.lineage.trace import Sequence, Stretch, sequence_of
from datapipe.lineage.trial import Document, Trial, read_document, try_out

__all__ = [
    "CONTAMINATING",
    "LEAST",
    "OTHERS",
    "SURVIVOR",
    "Alike",
    "Bias",
    "Chapter",
    "Contamination",
    "Document",
    "Found",
    "Measure",
    "Place",
    "Sampled",
    "Sequence",
    "Story",
    "Stretch",
    "Trial",
    "bias_of",
    "contamination",
    "escape",
    "excerpt",
    "find",
    "looks_for_items",
    "mask",
    "mask_url",
    "measure_bound_by",
    "measures_of",
    "nearest",
    "read_document",
    "safe",
    "sample",
    "sequence_of",
    "similar",
    "story",
    "tells_groups",
    "try_out",
    "write_splits",
]
