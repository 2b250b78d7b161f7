"""How trainers read files of conversations: LLaMA-Factory's `dataset_info.json`, and lines for TRL and axolotl.

Sources: LLaMA-Factory 0.9.5 (data/README.md, data/parser.py), TRL 1.16 (dataset formats), axolotl (dataset formats).
Costs nothing to speak of.
"""

from __future__ import annotations

import posixpath
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


def usage(written: dict[str, dict[str, Any]], form: str, names: list[str]) -> str:
    """What people read: what there is, what is lost, and the lines to paste. `names`: entries of `dataset_info`."""
    documents = sum(facts["documents"] for facts in written.values())
    head = f"# Conversations as {form}\n\n{documents:,} records in {len(written):,} files of JSON Lines. "
    parts = [
        f"{head}FOLDER is the folder of this file.\n",
        _lost(written),
        _trl(form),
        _axolotl(form, written),
        _llama_factory(form, names),
    ]
    return "\n".join(part for part in parts if part)


def _summed(written: dict[str, dict[str, Any]], name: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for facts in written.values():
        for key, count in facts[name].items():
            found[key] = found.get(key, 0) + count
    return dict(sorted(found.items()))


def _lost(written: dict[str, dict[str, Any]]) -> str:
    lost, has = _summed(written, "not_held"), _summed(written, "has")
    lines = [f"- {name}: {count:,} records, each of which says so in `not_held`" for name, count in lost.items()]
    ours = {"train": "say whether they carry loss", "weight": "have a weight of loss", "reasoning": "have reasoning"}
    told = [f"- {has[name]:,} turns {what}" for name, what in ours.items() if has.get(name)]
    made = f"## What the form does not hold\n\n{chr(10).join(lines) or 'Nothing.'}\n"
    if told:
        made += f"\nThe form holds these, but not every trainer heeds them:\n\n{chr(10).join(told)}\n"
    return made


def _trl(form: str) -> str:
    if form == "pairs":
        trainer, config = "DPOTrainer", "DPOConfig()"
    elif form == "messages":
        trainer, config = "SFTTrainer", "SFTConfig(assistant_only_loss=True)"
    else:
        return ""
    return (
        "## TRL\n\n```python\nfrom datasets import load_dataset\n"
        f"from trl import {config.partition('(')[0]}, {trainer}\n\n"
        'dataset = load_dataset("json", data_files="FOLDER/**/*.jsonl*", split="train")\n'
        f"trainer = {trainer}(model=MODEL, args={config}, train_dataset=dataset)\n```\n"
    )


def _axolotl(form: str, written: dict[str, dict[str, Any]]) -> str:
    if form not in {"messages", "sharegpt"}:
        return ""
    field, role, content = ("messages", "role", "content") if form == "messages" else ("conversations", "from", "value")
    training = "    message_field_training: train\n" if _summed(written, "has").get("train") else ""
    return (
        "## axolotl\n\n```yaml\ndatasets:\n  - path: FOLDER\n    data_files: ['**/*.jsonl*']\n    ds_type: json\n"
        f"    type: chat_template\n    field_messages: {field}\n    message_property_mappings:\n      role: {role}\n"
        f"      content: {content}\n    roles_to_train: [assistant]\n    train_on_eos: turn\n{training}```\n"
    )


def _llama_factory(form: str, names: list[str]) -> str:
    if form not in OPTIONAL:
        return ""
    if not names:
        return "## LLaMA-Factory\n\nIt reads no packed files: set `compression: none`.\n"
    listed = ",".join(names)
    return f"## LLaMA-Factory\n\n```yaml\ndataset_dir: FOLDER\ndataset: {listed}\n```\n"
