"""How well the engines of `filter.language` tell languages, and how fast.

    DATAPIPE_REAL_DATA=FOLDER python -m tests.real.language [ENGINE …]

Two sets of whole documents: the Declaration of Human Rights in 388 versions (`lid-udhr`), and articles in 29 languages
that are Markdown with English in between (`lid-opensourceguide`). For each engine and set it prints the accuracy by
document over the languages that the engine knows, the same with the members of a macrolanguage taken as one, and every
confusion; then documents of 1 KB a second of CPU time through `process`.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from stages.filter.language import STAGE, Config, _engine

# File codes of the Declaration, mostly ISO 639-3, and the code that engines use: ISO 639-1 where one exists.
UDHR_CODES = """
    afr af; als sq; amh am; arb ar; ast ast; azj_latn az; bcl bcl; bel be; ben bn; bho bh; bod bo; bos_latn bs; bre br;
    bul bg; cat ca; ceb ceb; ces cs; cmn_hans zh; cmn_hant zh; cos co; cym cy; dan da; deu de; deu_1901 de; div dv;
    ell_monotonic el; ell_polytonic el; eml eml; eng en; epo eo; est et; eus eu; fin fi; fra fr; fri fy; gla gd; gle ga;
    glg gl; gug gn; guj gu; hat_kreyol ht; hat_popular ht; heb he; hin hi; hrv hr; hsb hsb; hun hu; hye hy; ido io;
    ilo ilo; ina ia; ind id; isl is; ita it; jav jv; jpn ja; kan kn; kat ka; kaz kk; khk mn; khm km; kir ky; kor ko;
    lao lo; lat la; lat_1 la; lav lv; lit lt; lnc oc; ltz lb; mai mai; mal ml; mar mr; min min; mkd mk; mlt mt;
    mly_latn ms; mya my; nds nds; nep ne; nld nl; nno nn; nob no; oss os; pam pam; pan pa; pbu ps; pes_1 fa; pes_2 fa;
    plt mg; pnb pnb; pol pl; por_BR pt; por_PT pt; prv oc; auv oc; qug qu; quy qu; quz qu; roh rm; ron ro; ron_1953 ro;
    ron_1993 ro; rus ru; sah sah; san sa; sco sco; slk sk; slv sl; som so; spa es; src sc; srp_cyrl sr; srp_latn sr;
    sun su; swe sv; swh sw; tam ta; tat tt; tgk tg; tgl tl; tha th; tuk_latn tk; tur tr; tyv tyv; uig_arab ug; ukr uk;
    urd ur; uzn_latn uz; vec vec; vep vep; vie vi; war war; wln wa; ydd yi; yor yo
"""
# Versions in a script that neither engine was shown for that language: reported, not counted.
OTHER_SCRIPT = {
    "azj_cyrl": "az", "bos_cyrl": "bs", "ckb": "ckb", "khk_mong": "mn", "mly_arab": "ms", "tgl_tglg": "tl",
    "tuk_cyrl": "tk", "uig_latn": "ug", "uzn_cyrl": "uz",
}  # fmt: skip
# ISO 639-3 macrolanguages with several members among the codes; people differ on what is a language of its own.
MACRO = {
    **dict.fromkeys(("bs", "hr", "sh", "sr"), "hbs"), **dict.fromkeys(("id", "min", "ms"), "msa"),
    **dict.fromkeys(("nn", "no"), "nor"), **dict.fromkeys(("wuu", "yue", "zh"), "zho"),
    **dict.fromkeys(("ar", "arz"), "ara"), **dict.fromkeys(("az", "azb"), "aze"), **dict.fromkeys(("ckb", "ku"), "kur"),
}  # fmt: skip
OWN_SCRIPT = {"ar", "be", "bg", "bn", "el", "fa", "hi", "ja", "ko", "ru", "sa", "ta", "zh"}
UNTRANSLATED = re.compile(r"^untranslated: true$", re.MULTILINE)
ENGINES = ("eldc", "fasttext")
ROUNDS = 3


@dataclass(frozen=True)
class Document:
    """A text and the code of its language."""

    language: str
    text: str


@dataclass(frozen=True)
class Result:
    """What an engine made of the documents in languages that it knows."""

    pairs: tuple[tuple[str, str | None], ...]  # language, and what was found

    def accuracy(self) -> float:
        """Share of documents whose language was found."""
        return sum(language == found for language, found in self.pairs) / len(self.pairs)

    def macro_accuracy(self) -> float:
        """The same with the members of a macrolanguage taken as one."""
        return sum(_macro(language) == _macro(found) for language, found in self.pairs) / len(self.pairs)

    def confusions(self) -> Counter[tuple[str, str | None]]:
        """How often a language was taken for another."""
        return Counter(pair for pair in self.pairs if pair[0] != pair[1])


def _macro(code: str | None) -> str | None:
    return MACRO.get(code, code) if code else None


def known(engine: str) -> frozenset[str]:
    """Codes that an engine gives."""
    codes: frozenset[str] = _engine(engine).LANGUAGES
    return codes


def rows(path: Path) -> Iterable[dict[str, str]]:
    """Records of a compressed JSON lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def declarations(data: Path, codes: dict[str, str] | None = None) -> list[Document]:
    """The Declaration of Human Rights, in languages that have a code."""
    codes = codes or dict(pair.split() for pair in UDHR_CODES.replace("\n", " ").split(";"))
    found = {row["code"]: row["text"] for row in rows(data / "lid-udhr" / "udhr2.jsonl.gz")}
    return [Document(language, found[code]) for code, language in codes.items()]


def articles(data: Path) -> list[Document]:
    """The articles of opensource.guide.

    Folders are labels, but some files are English still: those that say so, and those without letters of a language
    that has a script of its own.
    """
    return [
        Document("en" if is_english(row["lang"][:2], row["text"]) else row["lang"][:3].rstrip("-"), row["text"])
        for row in rows(data / "lid-opensourceguide" / "articles.jsonl.gz")
    ]


def is_english(folder: str, text: str) -> bool:
    """Whether an article is English in spite of its folder."""
    letters = [letter for letter in text if letter.isalpha()]
    foreign = sum(not letter.isascii() for letter in letters) / len(letters)
    return bool(UNTRANSLATED.search(text)) or (folder in OWN_SCRIPT and foreign < 0.1)


def measure(engine: str, documents: Iterable[Document], languages: frozenset[str] | None = None) -> Result:
    """What the stage finds; of the documents in `languages`, if not given all that the engine knows."""
    judged = [document for document in documents if document.language in (languages or known(engine))]
    texts = pa.array([document.text for document in judged], pa.large_string())
    found = STAGE.process(pa.record_batch({"text": texts}), Config.model_validate({"engine": engine}), None)[
        "language"
    ].to_pylist()
    return Result(tuple((document.language, language) for document, language in zip(judged, found, strict=True)))


def kilobytes(data: Path, count: int = 6_000) -> list[pa.RecordBatch]:
    """Batches of texts of 1 KB, cut from the Declaration in all languages."""
    texts = [row["text"].encode() for row in rows(data / "lid-udhr" / "udhr2.jsonl.gz")]
    cut = [text[at : at + 1024].decode("utf-8", "ignore") for text in texts for at in range(0, len(text) - 1023, 1024)]
    random.Random(7).shuffle(cut)
    some = pa.array(cut[:count], pa.large_string())
    return [pa.record_batch({"text": some.slice(at, 1024)}) for at in range(0, len(some), 1024)]


def speed(engine: str, batches: list[pa.RecordBatch], *, paragraphs: bool = False) -> float:
    """Documents a second of CPU time, the best of some rounds."""
    config = Config.model_validate({"engine": engine, "paragraphs": paragraphs})
    STAGE.process(batches[0], config, None)
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for batch in batches:
            STAGE.process(batch, config, None)
        seconds.append(time.process_time() - began)
    return sum(map(len, batches)) / min(seconds)


def report(name: str, result: Result) -> None:
    """Print a result and its confusions."""
    print(
        f"{name}: {len(result.pairs)} documents, {len({language for language, _ in result.pairs})} languages, "
        f"accuracy {result.accuracy():.4f}, with macrolanguages as one {result.macro_accuracy():.4f}"
    )
    for (language, found), count in sorted(result.confusions().items(), key=str):
        same = "  (one macrolanguage)" if _macro(language) == _macro(found) else ""
        print(f"    {language:>4} taken for {found or 'none':<4} {count:4}{same}")


def main(engines: list[str]) -> None:
    """Print all figures."""
    data = Path(os.environ["DATAPIPE_REAL_DATA"])
    both = known("eldc") & known("fasttext")
    sets = {"declarations": declarations(data), "articles": articles(data)}
    batches = kilobytes(data)
    for engine in engines or list(ENGINES):
        for name, documents in sets.items():
            report(f"{engine} {name}", measure(engine, documents))
            if engine == "fasttext":
                report(f"{engine} {name}, languages of both engines", measure(engine, documents, both))
        report(f"{engine} in other scripts", measure(engine, declarations(data, OTHER_SCRIPT)))
        print(f"{engine}: {speed(engine, batches):,.0f} documents of 1 KB a second of CPU time")
        print(f"{engine} with paragraphs: {speed(engine, batches, paragraphs=True):,.0f}")


if __name__ == "__main__":
    main(sys.argv[1:])
