"""Train the models of filter.toxicity anew: `DATAPIPE_REAL_DATA=... python -m tests.real.toxicity.build [FOLDER]`.

The same data give the same bytes; without a folder the models in stages/filter/toxicity are written over.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from datapipe.cli.fit import fit
from tests.real.toxicity.texts import HERE, ordinary, sentences, write

MODELS = Path(__file__).parents[3] / "stages/filter/toxicity"


def build(data: Path, folder: Path) -> None:
    """Write en.npz, zh.npz and their cards into a folder."""
    with tempfile.TemporaryDirectory(prefix="datapipe-") as scratch:
        english = write(Path(scratch, "authored_en.jsonl"), sentences())
        plain = {code: write(Path(scratch, f"ordinary_{code}.jsonl"), ordinary(data, code)) for code in ("en", "zh")}
        _fit(
            str(data / "tox-davidson/davidson.jsonl.gz"),
            *("--fields", "text=tweet,label=class", "--names", "0=hate,1=offensive,2=neither"),
            *("--also", english, "--also", plain["en"], "--terms", str(HERE / "terms_en.txt")),
            *("--out", str(folder / "en.npz")),
            *("--about", "hate and offensive language in English tweets of 2017 (Davidson et al. 2017)"),
            "--licence",
            "MIT (tweets and labels); besides, only trained on: sentences by the authors (Apache-2.0), passages of C4 "
            "(ODC-BY), Python's PEPs (public domain), news of MinHash's tutorial (MIT), alpaca_en_demo (Apache-2.0)",
        )
        _fit(
            str(data / "tox-cold/cold_train.jsonl.gz"),
            *("--test", str(data / "tox-cold/cold_dev.jsonl.gz"), "--fields", "text=TEXT"),
            *("--names", "0=neither,1=offensive", "--characters", "none"),
            *("--also", plain["zh"], "--out", str(folder / "zh.npz")),
            *("--about", "offensive language on race, region and gender in Chinese comments (COLD, Deng et al. 2022)"),
            "--licence",
            "Apache-2.0 (COLD); besides, only trained on: passages of KdConv and alpaca_zh_demo (Apache-2.0) and of "
            "chinese-poetry (MIT)",
        )


def _fit(*arguments: str) -> None:
    fit(["classifier", *arguments, "--window", "64", "--force"], standalone_mode=False)


if __name__ == "__main__":
    build(Path(os.environ["DATAPIPE_REAL_DATA"]), Path(sys.argv[1]) if len(sys.argv) > 1 else MODELS)
