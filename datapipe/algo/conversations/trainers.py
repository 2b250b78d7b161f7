"""How trainers read files of conversations: LLaMA-Factory's `dataset_info.json`, and lines for TRL and axolotl.

Of files in folders of a `by`, such as train, validation and test, only the part to train on is named as such. The
library `datasets` takes the fields of the first file for those of all, and fails where another has more: TRL's lines
name every field there is, and axolotl gets an entry for each kind of file.
Sources: LLaMA-Factory 0.9.5 (data/README.md, data/parser.py), TRL 1.16 (dataset formats), axolotl (dataset formats).
Costs nothing to speak of.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable
from typing import Any

__all__ = ["dataset_info", "usage"]

TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "function_call",
    "system_tag": "system",
}
VALIDATION = ("validation", "valid", "val", "dev")  # names of the part that is evaluated with
OPTIONAL = {"sharegpt": ("tools",), "messages": ("tools",), "alpaca": ("system", "history")}


def dataset_info(written: dict[str, dict[str, Any]], form: str) -> dict[str, Any]:
    """LLaMA-Factory's entry for each file by a name of its own; none for forms that it does not read.

    It takes plain `.jsonl` alone, and asks for a column only where some record has it.
    """
    if form not in OPTIONAL:
        return {}
    files = {name: facts for name, facts in written.items() if name.endswith(".jsonl") and facts["documents"]}
    return {
        posixpath.splitext(name)[0].replace("/", "-"): {"file_name": name, **_entry(form, facts["has"])}
        for name, facts in files.items()
    }


def _entry(form: str, has: dict[str, int]) -> dict[str, Any]:
    columns = {name: name for name in OPTIONAL[form] if has.get(name)}
    if form == "alpaca":
        return {"columns": {"prompt": "instruction", "query": "input", "response": "output", **columns}}
    if form == "sharegpt":
        return {"formatting": "sharegpt", "columns": {"messages": "conversations", **columns}}
    # `openai` reads calls and tools, but adds a line to system prompts; `sharegpt` leaves them as they are.
    formatting = "openai" if has.get("tool_calls") or has.get("tools") else "sharegpt"
    return {"formatting": formatting, "columns": {"messages": "messages", **columns}, "tags": TAGS}


def usage(written: dict[str, dict[str, Any]], form: str, info: dict[str, Any]) -> str:
    """What people read: what there is, what is lost, and the lines to paste. `info`: what `dataset_info` gives."""
    documents = sum(facts["documents"] for facts in written.values())
    head = f"# Conversations as {form}\n\n{documents:,} records in {len(written):,} files of JSON Lines. "
    parts = [
        f"{head}FOLDER is the folder of this file.\n",
        _lost(written, form),
        _trl(form, written),
        _axolotl(form, written),
        _llama_factory(form, info),
    ]
    return "\n".join(part for part in parts if part)


def _summed(written: dict[str, dict[str, Any]], name: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for facts in written.values():
        for key, count in facts[name].items():
            found[key] = found.get(key, 0) + count
    return dict(sorted(found.items()))


def _lost(written: dict[str, dict[str, Any]], form: str) -> str:
    lost, has = _summed(written, "not_held"), _summed(written, "has")
    lines = [f"- {name}: {count:,} records, each of which says so in `not_held`" for name, count in lost.items()]
    ours = {"train": "say whether they carry loss", "weight": "have a weight of loss", "reasoning": "have reasoning"}
    told = [f"- {has[name]:,} turns {what}" for name, what in ours.items() if has.get(name)]
    made = f"## What the form does not hold\n\n{chr(10).join(lines) or 'Nothing.'}\n"
    if told:
        made += f"\nThe form holds these, but not every trainer heeds them:\n\n{chr(10).join(told)}\n"
    alone = sum(facts["documents"] for facts in written.values()) - has.get("rejected", 0)
    if form == "pairs" and alone:
        made += f"\n{alone:,} records have no `rejected`: they are `prompt` and `completion`, and no pairs.\n"
    return made


# ---------------------------------------------------------------------------------------------- what trains


def _folders(written: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Files that have records, by the folder that `by` gave them; all under an empty name where it gave none."""
    found: dict[str, list[str]] = {}
    for name, facts in written.items():
        if facts["documents"]:
            found.setdefault(posixpath.dirname(name), []).append(name)
    return found


def _sides(folders: Iterable[str]) -> tuple[list[str], list[str]]:
    """Folders to train on, and those to evaluate with: of parts with a `train` it alone, else all."""
    names = list(folders)
    if "train" not in names:
        return names, []
    return ["train"], [name for name in VALIDATION if name in names][:1]


def _glob(folder: str) -> str:
    return posixpath.join(folder, "*.jsonl*")


def _split(folder: str) -> str:
    """What `datasets` can call the files of a folder."""
    return re.sub(r"\W", "_", folder) or "train"


def _trained(form: str, *, paired: bool) -> tuple[str, str, list[str]]:
    """TRL's trainer, its options, and the fields that it reads."""
    if paired:
        return "DPOTrainer", "DPOConfig()", ["prompt", "chosen", "rejected"]
    if form == "pairs":
        return "SFTTrainer", "SFTConfig()", ["prompt", "completion"]
    return "SFTTrainer", "SFTConfig(assistant_only_loss=True)", ["messages"]


def _trl(form: str, written: dict[str, dict[str, Any]]) -> str:
    folders = _folders(written)
    if form not in {"messages", "pairs"} or not folders:
        return ""
    paired = form == "pairs" and bool(_summed(written, "has").get("rejected"))
    trainer, config, columns = _trained(form, paired=paired)
    keys = sorted({key for facts in written.values() for key in facts["keys"]})
    columns += [name for name in ("tools",) if name in keys]
    files: dict[str, list[str]] = {}
    for name in folders:
        files.setdefault(_split(name), []).append(f"FOLDER/{_glob(name)}")
    train, held = ("+".join(dict.fromkeys(map(_split, side))) for side in _sides(folders))
    some = '.filter(lambda record: record["rejected"] is not None)' if paired else ""
    lines = [f'{name} = load("{side}")' for name, side in (("dataset", train), ("held_out", held)) if side]
    evaluated = ", eval_dataset=held_out" if held else ""
    return (
        "## TRL\n\nNot every record need have every field: `features` names all that there are.\n\n"
        "```python\nfrom datasets import Features, Json, load_dataset\n"
        f"from trl import {config.partition('(')[0]}, {trainer}\n\n"
        f"files = {json.dumps(files, ensure_ascii=False)}\n"
        f"features = Features({{name: Json() for name in {json.dumps(keys, ensure_ascii=False)}}})\n\n\n"
        "def load(split):\n"
        '    records = load_dataset("json", data_files=files, features=features, split=split)\n'
        f"    return records{some}.select_columns({json.dumps(columns)})\n\n\n"
        f"{chr(10).join(lines)}\n"
        f"trainer = {trainer}(model=MODEL, args={config}, train_dataset=dataset{evaluated})\n```\n"
    )


def _axolotl(form: str, written: dict[str, dict[str, Any]]) -> str:
    if form not in {"messages", "sharegpt"}:
        return ""
    field, role, content = ("messages", "role", "content") if form == "messages" else ("conversations", "from", "value")
    training = "    message_field_training: train\n" if _summed(written, "has").get("train") else ""
    how = (
        f"    type: chat_template\n    field_messages: {field}\n    message_property_mappings:\n      role: {role}\n"
        f"      content: {content}\n    roles_to_train: [assistant]\n    train_on_eos: turn\n{training}"
    )
    train, held = _sides(_folders(written))
    made = f"## axolotl\n\n```yaml\ndatasets:\n{_entries(written, train, how)}"
    if held:
        made += f"test_datasets:\n{_entries(written, held, f'    split: train{chr(10)}{how}')}"
    return f"{made}```\n"


def _entries(written: dict[str, dict[str, Any]], side: list[str], how: str) -> str:
    """An entry for files with the same fields: of those of one entry the first says which fields there are."""
    alike: dict[tuple[str, ...], list[str]] = {}
    folders = _folders(written)
    for name in (name for folder in side for name in folders[folder]):
        alike.setdefault((*written[name]["keys"], "", *written[name]["turn_keys"]), []).append(name)
    listed = [list(map(_glob, side))] if len(alike) < 2 else list(alike.values())
    return "".join(
        f"  - path: FOLDER\n    data_files: {json.dumps(files, ensure_ascii=False)}\n    ds_type: json\n{how}"
        for files in listed
    )


def _llama_factory(form: str, info: dict[str, Any]) -> str:
    head = "## LLaMA-Factory\n\n"
    if form == "pairs":
        return f"{head}It takes one turn as `chosen` and one as `rejected`; here they are lists of turns.\n"
    if form not in OPTIONAL:
        return ""
    if not info:
        return f"{head}It reads no compressed files: set `compression: none`.\n"
    named: dict[str, list[str]] = {}
    for name, entry in info.items():
        named.setdefault(posixpath.dirname(entry["file_name"]), []).append(name)
    train, held = (",".join(name for folder in side for name in named[folder]) for side in _sides(named))
    evaluated = f"eval_dataset: {held}\n" if held else ""
    return f"{head}```yaml\ndataset_dir: FOLDER\ndataset: {train}\n{evaluated}```\n"
