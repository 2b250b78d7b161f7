"""The other side of `trainers.py`, which runs in an environment of its own: readers of other trainers.

python trainers_side.py READER FOLDER TARGET ASKED: what the reader finds in FOLDER goes to TARGET, as JSON.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from importlib import import_module  # its packages are not ours, so nothing is imported above
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

COLLATED = ("input_ids", "labels", "position_ids", "cu_seq_lens_q")


def megatron(folder: Path, asked: dict[str, Any]) -> Any:
    """Sequences and document bounds of each file, as megatron-core's own data set gives them."""
    indexed = import_module("megatron.core.datasets.indexed_dataset").IndexedDataset
    found = {}
    for path in sorted(folder.glob("*.bin")):
        opened = indexed(str(path.with_suffix("")))
        found[path.stem] = {
            "sequences": [opened[at].tolist() for at in range(len(opened))],
            "bounds": opened.document_indices.tolist(),
            "dtype": opened[0].dtype.name,
        }
    return found


def streaming(folder: Path, asked: dict[str, Any]) -> Any:
    """All samples, by the data set that a trainer iterates, and by the one that is indexed."""
    # It wants torchvision for images that nobody asks for here; the package does not load beside a torch for the CPU.
    for name in ("torchvision", "torchvision.datasets", "torchvision.transforms", "torchvision.transforms.functional"):
        module = _Absent(name)
        module.__spec__, module.__path__ = ModuleSpec(name, None, is_package=True), []
        sys.modules[name] = module
    streams = import_module("streaming")
    opened = streams.StreamingDataset(local=str(folder), shuffle=False, batch_size=1)
    iterated = [_plain(sample) for sample in opened]
    local = streams.LocalDataset(str(folder))
    return {"iterated": iterated, "indexed": [_plain(local[at]) for at in range(len(local))]}


class _Absent(types.ModuleType):
    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def _plain(sample: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: values.tolist() for name, values in sample.items()}


def trl(folder: Path, asked: dict[str, Any]) -> Any:
    """What TRL's collator, free of padding, makes of packed sequences, a batch of some at a time."""
    opened = import_module("datasets").load_from_disk(str(folder))
    collator = import_module("trl.trainer.sft_trainer").DataCollatorForLanguageModeling(
        pad_token_id=0, padding_free=True
    )
    found = []
    for start in range(0, len(opened), asked["batch"]):
        rows = [opened[at] for at in range(start, min(start + asked["batch"], len(opened)))]
        made = collator([{name: row[name] for name in ("input_ids", "labels", "seq_lengths")} for row in rows])
        found.append({name: made[name].flatten().tolist() for name in COLLATED})
    return {"columns": opened.column_names, "batches": found}


def trl_packs(folder: Path, asked: dict[str, Any]) -> Any:
    """How many sequences TRL packs documents of some lengths into: {name: lengths} in FOLDER/lengths.json."""
    pack = import_module("trl").pack_dataset
    found = {}
    for name, lengths in json.loads((folder / "lengths.json").read_text()).items():
        opened = import_module("datasets").Dataset.from_dict({"input_ids": [[0] * length for length in lengths]})
        for size in asked["sizes"]:
            made = pack(opened, size, asked["strategy"], {"batch_size": len(lengths), "keep_in_memory": True})
            assert sum(map(len, made["input_ids"])) == sum(lengths)
            found[f"{name} {size}"] = len(made)
    return found


def trl_packs_tokens(folder: Path, asked: dict[str, Any]) -> Any:
    """The sequences that TRL packs these into."""
    opened = import_module("datasets").Dataset.from_dict({"input_ids": asked["rows"]})
    return import_module("trl").pack_dataset(opened, asked["size"], "bfd_split")[:]["input_ids"]


def hub(folder: Path, asked: dict[str, Any]) -> Any:
    """The rows of a folder for the hub, by `load_dataset`, and its columns."""
    opened = import_module("datasets").load_dataset(str(folder), split="train")
    return {"rows": opened.to_list(), "features": [list(each) for each in _kinds(opened.features)]}


def _kinds(features: dict[str, Any]) -> Iterator[tuple[str, str]]:
    return ((name, str(kind)) for name, kind in features.items())


def chats(folder: Path, asked: dict[str, Any]) -> Any:
    """Talks as TRL reads them: their format, and the columns of each record."""
    opened = import_module("datasets").load_dataset("json", data_files=f"{folder}/**/*.jsonl*", split="train")
    return {
        "conversational": all(map(import_module("trl.data_utils").is_conversational, opened)),
        "columns": opened.column_names,
    }


READERS = (megatron, streaming, trl, trl_packs, trl_packs_tokens, hub, chats)

if __name__ == "__main__":
    reader, folder, target, asked = sys.argv[1:]
    known = {each.__name__: each for each in READERS}
    Path(target).write_text(json.dumps(known[reader](Path(folder), json.loads(asked))))
