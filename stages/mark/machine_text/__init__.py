"""Mark text that no person wrote, or that a machine spoiled: translated, badly scanned, or said by a language model.

What, each by itself:
- `lists`: lists of hosts that name the page's host; the first is of hosts known for machine translation
  (`configs/marks/machine_translation_hosts.txt`), further ones are the user's. Known hosts are found, no others.
- `noise` (0 to 1; English and Chinese): how much the text looks like optical character recognition gone wrong; see
  `_noise`. Above one half lie 0.3% of English and 1% of Chinese texts by people on which that was set.
- `refusals`, `assistants`, `openings`: how often phrases stand there by which language models refuse, serve and
  open (`configs/marks/model_phrases.yaml`). People use the openings too; they tell by their density in `words` only.
Of texts with 5 to 15% of the characters read wrongly, 99.9% of English and 97.6% of Chinese ones are found, of Chinese
ones without stray signs in them 10% to 97%; of answers by language models, phrases give away 2%
(tests/real/test_machine.py).
A document leaves only for what `drop` names: translated (its host is listed), noise, model (phrases). The thresholds
decide from what is stored. Of a stage called `machine`, `datapipe what-if RUN machine 'drop=[noise]' max_noise=0.6`
says how much would leave, and `datapipe show RUN --stage machine --where "machine.noise > 0.6"` shows it.
A document in another language, too short, or in classical or traditional Chinese is `not_judged` as to noise.
Costs: 13 to 20 MB/s (tests/benchmarks/marks.py), most of it for noise; 0.3 MB of memory.
Source: after the machine-translation and OCR findings on C4 (Dodge et al. 2021, section 4).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.families import Families, mark_file, read_phrases
from datapipe.algo.lists import HashList, ListFile, Queries, list_files, names_of, stamp
from datapipe.algo.resource import loaded_once
from datapipe.algo.urls import LIBRARIES
from datapipe.stage import Map, Mask, Prepare, StageConfig, above, at_least, decide, first_of, place, schema
from datapipe.text import segment
from datapipe.text.languages import is_in
from stages.mark.machine_text import _noise as noise

TRANSLATED, NOISE, MODEL = "translated", "noise", "model"
REASONS = {
    TRANSLATED: ("machine_translated", "its host is on a list of hosts of machine translations, and drop names that"),
    NOISE: ("recognition_noise", "it looks like bad optical character recognition, and drop names that"),
    MODEL: ("language_model", "it holds phrases of language models, and drop names that"),
}
BUNDLED = "machine_translation_hosts.txt"
PHRASES = "model_phrases.yaml"
COLUMNS = {"refusal": "refusals", "assistant": "assistants", "opening": "openings"}
NAMES = pa.list_(pa.string())
ADDS = schema(
    lists=NAMES,
    noise=pa.float64(),
    **dict.fromkeys(COLUMNS.values(), pa.int32()),
    words=pa.int32(),
    judged=pa.bool_(),
)
_ABOUT = "names.json"


class Config(StageConfig):
    """How much of what is too much, and for what documents leave."""

    hosts: tuple[str, ...] = place((), "files of further hosts of machine translations, one a line")
    max_noise: float | None = decide(0.5, "noise, 0 to 1; more is noise", ge=0, le=1)
    min_refusals: int | None = decide(1, "phrases of refusal, from which on a text is by a model", ge=1)
    min_assistants: int | None = decide(2, "phrases of service, from which on a text is by a model", ge=1)
    min_openings: float | None = decide(
        8.0, "openings in 1,000 words, from which on a text with at least 3 is by a model", gt=0
    )
    drop: tuple[Literal["translated", "noise", "model"], ...] = decide((), "what documents leave for")


MIN_OPENINGS = 3


def _files(config: Config) -> list[ListFile]:
    return list_files((str(mark_file(BUNDLED)), *config.hosts), "domains")


def _phrases() -> Families:
    return read_phrases(mark_file(PHRASES))


def libraries(config: Config) -> tuple[str, ...]:
    """What tells words and domains, and what the lists hold."""
    data = (f"phrases={_phrases().digest}", f"lexicon={noise.lexicon_digest()}")
    return ("datapipe.text", *LIBRARIES, *stamp(_files(config)), *data)


def build(config: Config, folder: Path) -> None:
    """Write the lists as hashes. Raises InputError for a file that cannot be read or holds no host."""
    files = _files(config)
    names = sorted({each.name for each in files})
    HashList.of(files, {name: number for number, name in enumerate(names)}).save(folder, "hosts")
    (folder / _ABOUT).write_bytes(orjson.dumps(names))


@loaded_once(_ABOUT)
def _load(folder: Path) -> tuple[HashList, Any]:
    return HashList.load(folder, "hosts"), pa.array(orjson.loads((folder / _ABOUT).read_bytes()), pa.string())


def _noises(batch: pa.RecordBatch) -> pa.Array[Any]:
    """Noise of each document; null where it is not judged."""
    count, found, model = batch.num_rows, noise.tokens(batch["text"]), noise.lexicon()
    values, absent = np.zeros(count), np.ones(count, np.bool_)
    for code, measured in (("en", noise.english), ("zh", noise.chinese)):
        spoken = is_in(batch["language"], code)
        if spoken.any():
            features, judged = measured(found, count, model)
            judged &= spoken
            values[judged] = noise.scores(features[judged], model.weights[code])
            absent[judged] = False
    return pa.array(values, mask=absent)


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Lists that name the host, noise, phrases of each family and words (int32), and whether noise was judged."""
    assert resource is not None
    hosts, labels = _load(resource)
    queries, count = Queries(batch["url"]), batch.num_rows
    lists = names_of(*hosts.find(queries, "domains"), labels, count)
    noises: Any = _noises(batch)
    phrases = _phrases()
    segmentation = segment(batch["text"])
    told = phrases.counts(segmentation)
    counts = {name: told[:, phrases.families.index(family)] for family, name in COLUMNS.items()}
    words = segmentation.words_per_document().astype(np.int32)
    arrays = [lists, noises, *(pa.array(some.astype(np.int32)) for some in counts.values())]
    return pa.RecordBatch.from_arrays([*arrays, pa.array(words), pc.is_valid(noises)], schema=ADDS)


def _by_model(measured: pa.RecordBatch, config: Config) -> Mask:
    """Whether the phrases of any family are enough."""
    told = at_least(measured["refusals"], config.min_refusals) | at_least(measured["assistants"], config.min_assistants)
    if config.min_openings is None:
        return told
    openings, words = (measured[name].fill_null(0).to_numpy() for name in ("openings", "words"))
    dense: Mask = openings.astype(np.int64) * 1000 >= config.min_openings * np.maximum(words, 1)
    return told | (dense & (openings >= MIN_OPENINGS))


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Documents of what they shall leave for."""
    listed: Any = pc.list_value_length(measured["lists"])
    found = {
        TRANSLATED: at_least(listed, 1),
        NOISE: above(measured["noise"], config.max_noise),
        MODEL: _by_model(measured, config),
    }
    return first_of(*((hit & (what in config.drop), REASONS[what][0]) for what, hit in found.items()))


STAGE = Map(
    name="mark.machine_text",
    version=2,
    config=Config,
    reads=("text", "language", "url"),
    optional=("url",),
    adds=ADDS,
    coded=("lists",),
    reasons=dict(REASONS.values()),
    libraries=libraries,
    prepare=Prepare(build=build),
    process=process,
    decide=decide_reasons,
)
