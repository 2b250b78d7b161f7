"""The card of a classifier: what a reader must know before using it, written from its training record alone.

Source: Mitchell et al. 2019 (Model Cards for Model Reporting).
"""

from __future__ import annotations

from typing import Any

from datapipe.algo.linear import LinearModel

__all__ = ["model_card", "unmeasured"]


def unmeasured(record: dict[str, Any]) -> str:
    """What to say of labels of which no document was held out, so that no figure tells of them; empty if of all."""
    lacking = [label for label, of in record["held_out"]["labels"].items() if not of["documents"]]
    if not lacking:
        return ""
    split = record["split"]
    why = "the files to measure on have none"
    if not split["files"]:
        why = "they are too few" if split["by"] == "hash of the text" else "they are of too few hosts or groups"
    return (
        f"no document of {', '.join(lacking)} was measured on ({why}): accuracy and AUC say nothing of how well it is "
        "told; give --test FILES with all labels, or data of more groups"
    )


def model_card(name: str, model: LinearModel, size: int) -> str:
    """The card as Markdown. `size`: bytes of the model's file."""
    record = model.record
    parts = [
        f"# {name}",
        f"A linear classifier of texts: {record['about']}.",
        _facts(model, size),
        "## Data",
        _data(record),
        "## Held-out documents",
        _measured(record),
        "## Thresholds",
        _thresholds(record),
        "## Limits",
        _limits(record),
    ]
    return "\n\n".join(parts) + "\n"


def _facts(model: LinearModel, size: int) -> str:
    shape, record = model.shape, model.record
    characters = f", of {shape.shortest} to {shape.longest} characters within words" if shape.longest else ""
    lines = [
        f"- Labels: {', '.join(model.labels)}. The probabilities of a document's labels sum to one.",
        f"- Sees: n-grams of 1 to {shape.words} words{characters}, hashed into {1 << shape.bits:,} places.",
        "- In scripts without spaces a character is a word.",
        f"- A text is judged in windows of about {shape.window} words.",
        f"- Trained by: logistic regression, {record['training']['passes']} passes ({record['made_by']}).",
        f"- File: {size:,} bytes; the same documents give the same bytes.",
        f"- Use: `{{use: filter.classifier, engine: linear, model: PATH, drop: {{{model.labels[0]}: 0.9}}}}`",
    ]
    if record["group_terms"]:
        lines.insert(2, f"- Takes {record['group_terms']} words for groups of people as one and the same word.")
    return "\n".join(lines)


def _data(record: dict[str, Any]) -> str:
    lines = [
        f"- Files: {', '.join(record['files'])}",
        f"- Licence: {record['licence']}",
        f"- Documents: {_counts(record['documents'])}; digest {record['digest']}",
    ]
    if record["extra_documents"]:
        lines.append(
            f"- Only trained on, besides: {_counts(record['extra_documents'])}; digest {record['extra_digest']}"
        )
    if record["left_out"]:
        lines.append(f"- Lines left out: {_counts(record['left_out'])}")
    split = record["split"]
    if split["files"]:
        lines.append(f"- Measured on: {', '.join(split['files'])}")
    else:
        lines.append(f"- Split: {split['share']:.0%} held out by the {split['by']}")
    if split["met_in_training"]:
        lines.append(
            f"- Of the documents to measure on, left out since they were trained on: {split['met_in_training']}"
        )
    lines.append(f"- Trained on {record['trained_on']:,} documents")
    return "\n".join(lines)


def _measured(record: dict[str, Any]) -> str:
    held = record["held_out"]
    head = (
        f"{held['documents']:,} documents: accuracy {held['accuracy']:.3f} (always the most frequent label: "
        f"{held['most_frequent_label']:.3f}), log loss {held['log_loss']:.3f}, "
        f"expected calibration error {held['calibration_error']:.3f}."
    )
    if lacking := unmeasured(record):
        head += f"\n\nBeware: {lacking}."
    rows = [f"| {_cell(label)} | {of['documents']:,} | {_number(of['auc'])} |" for label, of in held["labels"].items()]
    return "\n".join([head, "", "| label | documents | AUC against all others |", "|---|---|---|", *rows])


def _thresholds(record: dict[str, Any]) -> str:
    rows = ["| label | score at least | share of documents | precision | recall |", "|---|---|---|---|---|"]
    for label, of in record["held_out"]["labels"].items():
        name = _cell(label)
        rows += [
            f"| {name} | {row['at']:g} | {row['share']:.3f} | {_number(row['precision'])} | {_number(row['recall'])} |"
            for row in of["thresholds"]
        ]
    return "\n".join(rows)


def _limits(record: dict[str, Any]) -> str:
    return (
        "The figures hold for documents like those above; for others (another source, length, time or language) they "
        "do not: measure before you drop. A bag of n-grams does not understand irony, quotation or negation over a "
        f"distance. Labels with few documents are learnt badly; see the table. Data: {record['about']}."
    )


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _cell(label: str) -> str:
    return label.replace("|", "\\|")


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
