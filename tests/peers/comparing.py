"""datatrove in an environment of its own, the texts to compare on, and what our filters say of them."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pyarrow as pa

from datapipe.folders import cache_folder
from datapipe.text.peer_words import peer_words
from stages.filter import c4, fineweb, gopher

VERSION = "0.10.1"
# Without its extras `processing` and `multilingual`, which bring 8 GB.
PACKAGES = (f"datatrove[io]=={VERSION}", "nltk", "spacy", "tokenizers", "regex", "xxhash", "tldextract", "ftfy")
ROOT = Path(__file__).parents[2]
SIDE = Path(__file__).with_name("datatrove_side.py")

# Its reasons, and ours.
REASONS = {
    "gopher_short_doc": "too_few_words",
    "gopher_long_doc": "too_many_words",
    "gopher_below_avg_threshold": "word_length",
    "gopher_above_avg_threshold": "word_length",
    "gopher_too_many_hashes": "too_many_symbols",
    "gopher_too_many_ellipsis": "too_many_symbols",
    "gopher_too_many_bullets": "too_many_bullets",
    "gopher_too_many_end_ellipsis": "too_many_ellipsis_lines",
    "gopher_below_alpha_threshold": "too_few_alphabetic_words",
    "gopher_enough_stop_words": "too_few_stop_words",
    "dup_para_frac": "duplicate_paragraphs",
    "dup_para_char_frac": "duplicate_paragraph_characters",
    "dup_line_frac": "duplicate_lines",
    "dup_line_char_frac": "duplicate_line_characters",
    **{f"top_{n}_gram": "top_ngram" for n in (2, 3, 4)},
    **{f"duplicated_{n}_n_grams": "duplicate_ngrams" for n in range(5, 11)},
    "lorem_ipsum": "lorem_ipsum",
    "curly_bracket": "curly_bracket",
    "too_few_sentences": "too_few_sentences",
    "empty": "too_few_terminal_lines",  # a text without lines has none that ends well
    "line_punct_ratio": "too_few_terminal_lines",
    "short_line_ratio": "too_many_short_lines",
    "char_dup_ratio": "duplicate_line_characters",
    "list_ratio": "too_many_newlines",
}
ENGLISH_POLICIES = c4.POLICIES[:6]
_OFF = {name: None for name in gopher.Config.model_fields if name.startswith(("min_", "max_"))}
_REPEATED = {name for name in _OFF if "duplicate" in name or "gram" in name}
FILTERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "quality": (gopher, {name: value for name, value in _OFF.items() if name in _REPEATED}),
    "repetition": (gopher, {name: value for name, value in _OFF.items() if name not in _REPEATED}),
    "c4": (c4, {"policies": ENGLISH_POLICIES}),
    "fineweb": (fineweb, {}),
}


def peer() -> Path:
    """The Python of the other environment, made when it is not there: some 50 s, 0.8 GB."""
    folder = cache_folder() / f"peer-datatrove-{VERSION}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
        (folder / "complete").touch()
    return python


def texts_of(path: Path, field: str = "text") -> list[str]:
    """The documents of a file; a plain text is one."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        if ".txt" in path.name:
            return [file.read()]
        return [json.loads(line)[field] or "" for line in file]


def all_texts(data: Path) -> list[str]:
    """All documents of raw, and the gold of extract-wcxb."""
    raw = [text for path in sorted((data / "raw").glob("*.gz")) for text in texts_of(path)]
    return [text for text in raw + texts_of(data / "extract-wcxb" / "gold.jsonl.gz", "main_content") if text]


def english_web(data: Path) -> list[str]:
    """The documents of C4, and the gold of extract-wcxb."""
    c4_texts = texts_of(data / "raw" / "c4_demo_300.jsonl.gz")
    return [text for text in c4_texts + texts_of(data / "extract-wcxb" / "gold.jsonl.gz", "main_content") if text]


def theirs(folder: Path, texts: list[str], cut: str) -> dict[str, Any]:
    """Reasons and seconds of datatrove's filters, fed our words (`ours`) or cutting by itself (`own`)."""
    source, target = folder / "texts.jsonl", folder / f"{cut}.json"
    with source.open("w", encoding="utf-8") as file:
        for text in texts:
            row = {"text": text} | ({"words": words(text)} if cut == "ours" else {})
            file.write(json.dumps(row) + "\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([peer(), SIDE, source, target, cut], env=environment, capture_output=True, text=True)  # noqa: PLW1510 - looked at below
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(target.read_text())
    for said in found.values():
        said["reasons"] = [reason and REASONS[reason] for reason in said["reasons"]]
    return found


def words(text: str) -> list[str]:
    """Our words and punctuation tokens, as `like: datatrove` cuts them."""
    data, cut = text.encode(), peer_words(pa.array([text], pa.large_string()))
    return [data[start:end].decode() for start, end in zip(cut.start, cut.end, strict=True)]


def ours(texts: list[str], name: str) -> list[str | None]:
    """What our filter says of each text, with `like: datatrove`."""
    module, options = FILTERS[name]
    config = module.Config(like="datatrove", **options)
    languages = pa.array(["en"] * len(texts))
    batch = pa.record_batch({"text": pa.array(texts, pa.large_string()), "language": languages})
    measured = module.STAGE.process(batch, config, None)
    columns = pa.RecordBatch.from_arrays([*measured.columns, languages], names=[*measured.schema.names, "language"])
    reasons: list[str | None] = module.STAGE.decide(columns, config).to_pylist()
    return reasons
