"""Conversations in the forms that others write them in, and as messages; both ways.

`read_talks` makes talks of a record, `write_talk` makes the record again: of a talk as it was read, or in another form.
Costs some 20 microseconds for a turn that is read, 7 for one that is written.
"""

from datapipe.algo.conversations.reading import (
    NO_ANSWER,
    NO_TURNS,
    SAYS,
    TOO_LARGE,
    UNKNOWN_FORM,
    Talk,
    form_of,
    read_talks,
)
from datapipe.algo.conversations.trainers import dataset_info, usage
from datapipe.algo.conversations.turns import BAD_CALL, NOT_TEXT, ROLES, UNKNOWN_ROLE, Unfit
from datapipe.algo.conversations.writing import NOT_HELD, write_talk

__all__ = [
    "BAD_CALL",
    "NOT_HELD",
    "NOT_TEXT",
    "NO_ANSWER",
    "NO_TURNS",
    "ROLES",
    "SAYS",
    "TOO_LARGE",
    "UNKNOWN_FORM",
    "UNKNOWN_ROLE",
    "Talk",
    "Unfit",
    "dataset_info",
    "form_of",
    "read_talks",
    "usage",
    "write_talk",
]
