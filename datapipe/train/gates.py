"""Whether packed data may be trained on: their gates were met, and they were cut by one tokenizer, that of the model.

Why: a gate that nobody has to pass is a remark. Who trains all the same gives a reason, which the model card tells.
Costs reading one manifest a folder, and the tokenizer of a saved model once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from datapipe.errors import GateNotMet, InputError
from datapipe.train.packed import manifest_of

__all__ = ["PENDING", "check_gates", "check_tokenizers", "failed_gates", "same_vocabulary"]

PENDING = "_pending"  # a folder of this name holds output whose gates are not met


def failed_gates(folder: str) -> tuple[str, ...]:
    """Names of the gates that packed data did not meet, sorted; PENDING where they lie among output not yet let out."""
    gates = manifest_of(Path(folder)).get("gates") or {}
    failed = sorted(name for name, told in gates.items() if not (isinstance(told, dict) and told.get("passed")))
    if not failed and PENDING in Path(folder).resolve().parts:
        failed = [PENDING]
    return tuple(failed)


def check_gates(folders: Sequence[str], reason: str | None) -> dict[str, tuple[str, ...]]:
    """The failed gates of each folder that has any. Raises GateNotMet, naming them, unless there is a reason."""
    failed = {folder: names for folder in folders if (names := failed_gates(folder))}
    if failed and reason is None:
        told = ", ".join(f"{folder} ({', '.join(names)})" for folder, names in failed.items())
        raise GateNotMet(
            f"these packed data did not meet their gates: {told}",
            remedy="mend the data, or train with --force --reason TEXT, which the model card will tell",
        )
    return failed


def check_tokenizers(folders: Sequence[str]) -> Path:
    """The folder of the one tokenizer that all packed data were cut by. Raises InputError where they differ."""
    first = manifest_of(Path(folders[0])).get("tokenizer") or {}
    for folder in folders[1:]:
        other = manifest_of(Path(folder)).get("tokenizer") or {}
        if other != first:
            changed = ", ".join(name for name in sorted({*first, *other}) if first.get(name) != other.get(name))
            raise InputError(
                f"{folder} was cut by another tokenizer than {folders[0]} ({changed})",
                remedy="tokenise all with one: tokenizer: RUN/STAGE, or resource: RUN",
            )
    place = Path(folders[0]) / "tokenizer"
    if not (place / "tokenizer.json").is_file():
        raise InputError(f"{folders[0]} has no tokenizer beside it", remedy="run the stage `write.packed` again")
    return place


def same_vocabulary(packed: Path, model: Path) -> bool:
    """Whether two tokenizer folders give the same numbers to the same tokens."""
    one, other = (_vocabulary(folder / "tokenizer.json") for folder in (packed, model))
    return one == other


def _vocabulary(path: Path) -> dict[str, int]:
    """Numbers of tokens, special ones included."""
    known = json.loads(path.read_bytes())
    vocabulary = known["model"]["vocab"]
    if isinstance(vocabulary, list):  # a unigram model: pairs of a piece and its score, in order
        vocabulary = {piece: number for number, (piece, _score) in enumerate(vocabulary)}
    return {**vocabulary, **{added["content"]: added["id"] for added in known.get("added_tokens", ())}}
