"""The model card: what a saved model was trained on, how, and which failed gates were overruled and why.

Costs nothing. It holds names of folders as the plan has them, counts, and no text of any document.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from datapipe import __version__
from datapipe.train.log import Seen
from datapipe.train.plan import Plan, written_plan

__all__ = ["Overruled", "card"]

LIBRARIES = ("torch", "transformers", "accelerate", "peft")


@dataclass(frozen=True)
class Overruled:
    """Packed data that was trained on although gates failed: their names by folder, and the reason given."""

    gates: dict[str, tuple[str, ...]]
    reason: str


def card(plan: Plan, seen: dict[str, Seen], digests: dict[str, str], overruled: Overruled | None) -> str:
    """The README.md of a saved model. `digests`: of packed folders; `seen`: what was trained on, by source."""
    base = plan.model.name
    head = ["---", *([f"base_model: {base}"] if base else []), "library_name: transformers", "---"]
    origin = f"Trained from {base}." if base else "Trained from random weights."
    lines = [*head, "", "# Model card", "", plan.description or "", "", origin, ""]
    if overruled is not None:
        lines += ["## Gates not met", "", f"Trained all the same. The reason given: {overruled.reason}", ""]
        lines += [f"- {folder}: {', '.join(names)}" for folder, names in overruled.gates.items()]
        lines += [""]
    lines += ["## Trained on", "", "| source | documents | of them distinct | passes | tokens |"]
    lines += ["| --- | --: | --: | --: | --: |"]
    lines += [
        f"| {name or '·'} | {each.documents:,} | {each.distinct:,} | {each.passes:.2f} | {each.tokens:,} |"
        for name, each in seen.items()
    ]
    lines += ["", "| packed data | digest |", "| --- | --- |"]
    lines += [f"| {folder} | `{digest}` |" for folder, digest in digests.items()]
    lines += ["", "## Plan", "", "```yaml", written_plan(plan).rstrip("\n"), "```", ""]
    used = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return "\n".join([*lines, f"Made with datapipe {__version__}, {used}.", ""])
