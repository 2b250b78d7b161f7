"""The frequent words of reference documents, the scripts they are written in, and the marks that end sentences.

Costs the segmentation of every document; words are counted by their hashes, and only candidates become strings.
Memory: 16 bytes for each different word.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from datapipe.algo.tally import Tally
from datapipe.text import segment
from datapipe.text.reference import HAS_ALPHABETIC, IS_WORD, SINGLE, group, is_terminal

__all__ = ["Seen"]

STOP_WORD_SHARE = 0.008  # of all words
FEWEST_STOP_WORDS = 8
LOOKED_AT = 1_000_000  # characters of which the scripts and marks are counted
SMALL = 0.01  # share of letters, or of marks, under which a script or a mark is foreign matter
FIRST_IN_BATCH = round(1 / STOP_WORD_SHARE)  # a stop word has that share of some batch, so it is among so many there

# ISO 15924 code by the first word of a character's Unicode name.
SCRIPTS = {
    "ARABIC": "Arab", "ARMENIAN": "Armn", "BENGALI": "Beng", "CJK": "Hani", "CYRILLIC": "Cyrl", "DEVANAGARI": "Deva",
    "ETHIOPIC": "Ethi", "GEORGIAN": "Geor", "GREEK": "Grek", "GUJARATI": "Gujr", "GURMUKHI": "Guru", "HANGUL": "Hang",
    "HEBREW": "Hebr", "HIRAGANA": "Hira", "KANNADA": "Knda", "KATAKANA": "Kana", "KHMER": "Khmr", "LAO": "Laoo",
    "LATIN": "Latn", "MALAYALAM": "Mlym", "MONGOLIAN": "Mong", "MYANMAR": "Mymr", "ORIYA": "Orya", "SINHALA": "Sinh",
    "SYRIAC": "Syrc", "TAMIL": "Taml", "TELUGU": "Telu", "THAANA": "Thaa", "THAI": "Thai", "TIBETAN": "Tibt",
}  # fmt: skip


@dataclass
class Seen:
    """What was met in the documents so far."""

    documents: int = 0
    words: int = 0
    _counted: Tally = field(default_factory=Tally)
    _spelled: dict[int, str] = field(default_factory=dict)
    _characters: Counter[str] = field(default_factory=Counter)

    def add(self, texts: pa.LargeStringArray) -> None:
        """Count the words and characters of more documents."""
        self.documents += len(texts)
        self._add_characters(texts)
        found = segment(texts).words
        letters = np.flatnonzero((found.kind & IS_WORD > 0) & (found.kind & HAS_ALPHABETIC > 0))
        self.words += int((found.kind & IS_WORD > 0).sum())
        hashes, first, counts = np.unique(found.hashes[letters], return_index=True, return_counts=True)
        self._counted.add(hashes, counts)
        for at in np.lexsort((hashes, -counts))[:FIRST_IN_BATCH]:
            if int(hashes[at]) not in self._spelled:
                token = letters[first[at]]
                row = int(np.searchsorted(found.last, token, side="right"))
                whole = str(texts[row].as_py()).encode()
                spelled = whole[found.start[token] : found.end[token]].decode()
                self._spelled[int(hashes[at])] = spelled.lower()

    def stop_words(self) -> tuple[str, ...]:
        """Words over a share of all words, or the most frequent if those are few; most frequent first."""
        hashes, counts = self._counted.merged()
        by_count = sorted(zip(-counts, hashes, strict=True))[:FIRST_IN_BATCH]
        known = [
            (-int(count), self._spelled[int(hashed)]) for count, hashed in by_count if int(hashed) in self._spelled
        ]
        frequent = [word for count, word in known if count >= STOP_WORD_SHARE * self.words]
        chosen = frequent if len(frequent) >= FEWEST_STOP_WORDS else [word for _, word in known[:FEWEST_STOP_WORDS]]
        return tuple(dict.fromkeys(chosen))

    def scripts(self) -> tuple[str, ...]:
        """ISO 15924 codes of the scripts of the letters, most frequent first; `Zyyy` if none of them is known."""
        found: Counter[str] = Counter()
        for character, count in self._characters.items():
            if character.isalpha():
                found[SCRIPTS.get(unicodedata.name(character, "").partition(" ")[0], "Zyyy")] += count
        return _frequent(found) or ("Zyyy",)

    def unspaced(self) -> bool:
        """Whether most letters are of scripts written without spaces."""
        letters = {character: count for character, count in self._characters.items() if character.isalpha()}
        alone = sum(count for character, count in letters.items() if group(character) == SINGLE)
        return 2 * alone > sum(letters.values())

    def sentence_ends(self) -> tuple[str, ...]:
        """Marks that end sentences, most frequent first."""
        return _frequent(Counter({mark: count for mark, count in self._characters.items() if is_terminal(mark)}))

    def _add_characters(self, texts: pa.LargeStringArray) -> None:
        room = LOOKED_AT - self._characters.total()
        for text in texts.to_pylist() if room > 0 else ():
            self._characters.update(str(text)[: max(0, LOOKED_AT - self._characters.total())])


def _frequent(counts: Counter[str]) -> tuple[str, ...]:
    total = counts.total()
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(name for name, count in ordered if count >= SMALL * total)
