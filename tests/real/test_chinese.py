"""What `configs/chinese.yaml` keeps of good Chinese, and of the same texts spoiled; a mixed corpus meets its own rules.

`pytest -s -m full tests/real/test_chinese.py` prints the table, and each good text that leaves with its reason.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.real.machine import human
from tests.real.spam_pages import spam_pages
from tests.run.workbench import Workbench

ROOT = Path(__file__).parents[2]
PROSE = """\
The ferry left the harbour at seven, an hour later than the board had promised, and nobody on deck complained.
Fog still lay on the water, so thick that the lighthouse was only a pale spot that came and went with the swell.
An old man beside me unpacked bread and cheese, cut both with a pocket knife, and offered half of it to a stranger.
They talked about the price of diesel, about a bridge that would never be built, and about the winter of the great ice.
When the sun broke through at last, the island was much closer than we had thought, green and full of sheep.
Have you been here before, he asked, and I said that I had, but as a child, and in another century."""
KEPT, LEFT, FOUND = 0.90, 0.95, 0.90  # least shares: of good texts kept, of spoiled ones dropped, of spam found
COPIES, LINK = 8, 12  # of a text's first 400 characters; characters of a link's text


def shuffled(text: str, chance: random.Random) -> str:
    """The same characters in any order."""
    return "".join(chance.sample(text, len(text)))


def shuffled_by_line(text: str, chance: random.Random) -> str:
    """The same within each line, so that lines look as before."""
    return "\n".join("".join(chance.sample(line, len(line))) for line in text.split("\n"))


def repeated(text: str, _: random.Random) -> str:
    """A paragraph over and over."""
    return "\n".join([text[:400].replace("\n", "")] * COPIES)


def links(text: str, _: random.Random) -> str:
    """A list of links, as a page of a portal."""
    return "\n".join(part.strip()[:LINK] for part in re.split(r"[，。！？；：、\n,.]", text) if part.strip())


SPOILED: dict[str, Callable[[str, random.Random], str]] = {
    one.__name__: one for one in (shuffled, shuffled_by_line, repeated, links)
}


def filters(folder: Path, documents: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The stages of the recipe that filter, over JSON lines, each of its own language."""
    (folder / "in.jsonl").write_text("".join(json.dumps(one) + "\n" for one in documents), encoding="utf-8")
    given = yaml.safe_load((ROOT / "configs/chinese.yaml").read_text(encoding="utf-8"))["stages"]
    chain = {name: stage for name, stage in given.items() if name in ("length", "quality", "shape", "noise", "spam")}
    assert len(chain) == 5
    source = {"use": "read.jsonl", "paths": [str(folder / "in.jsonl")], "source": "s", "columns": {"id": "id"}}
    return {"docs": source, **chain, "out": {"use": "write.jsonl", "columns": ["id"], "compression": "none"}}


def kept(folder: Path) -> set[str]:
    """Ids of the documents in the output."""
    lines = (line for path in folder.rglob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines())
    return {json.loads(line)["id"] for line in lines}


@pytest.mark.full
def test_good_chinese_stays_and_spoiled_chinese_leaves(real_data: Path, tmp_path: Path) -> None:
    chance = random.Random(3)
    sets = {name: texts for name, texts in human(real_data, chinese=True).items() if name in ("extract-zh", "oiwiki")}
    assert {name: len(texts) for name, texts in sets.items()} == {"extract-zh": 25, "oiwiki": 465}
    documents = [
        {"id": f"{name}/{spoil}/{number}", "text": make(text, chance), "language": "zh"}
        for name, texts in sets.items()
        for spoil, make in {"good": lambda text, _: text, **SPOILED}.items()
        for number, text in enumerate(texts)
    ]
    spam = spam_pages()
    assert len(spam) >= 40
    documents += [{"id": f"spam/{kind}/{n}", "text": text, "language": "zh"} for n, (kind, text) in enumerate(spam)]
    done = Workbench(tmp_path).run("run", filters(tmp_path, documents))
    stays = kept(done.folder / "out")
    came = Counter(one["id"].rpartition("/")[0] for one in documents)
    share = {name: sum(one.startswith(f"{name}/") for one in stays) / count for name, count in came.items()}
    for name, kept_share in share.items():
        print(f"{name}: {came[name]} documents, {kept_share:.1%} stay")
    for stage in ("length", "quality", "shape", "noise", "spam"):
        print(stage, done.dropped(stage))
    print("good and left:", sorted(one["id"] for one in documents if "/good/" in one["id"] and one["id"] not in stays))
    good = {name: value for name, value in share.items() if name.endswith("/good")}
    assert min(good.values()) >= KEPT
    found = 1 - sum(share[name] * came[name] for name in came if name.startswith("spam")) / len(spam)
    assert found >= FOUND
    spoiled = {name: value for name, value in share.items() if name not in good and not name.startswith("spam")}
    assert max(spoiled.values()) <= 1 - LEFT


def test_a_mixed_corpus_loses_no_code_or_chat_to_rules_of_prose(tmp_path: Path) -> None:
    code = "\n".join(f"    if (x[{n}] > {{0}}) {{ return [{n}, y({n})]; }}" for n in range(9))
    chat = "hi\nhello!!\nhow r u\nok\nok\nok\n:-)"
    documents = [
        {"id": "prose", "text": PROSE, "language": "en", "kind": "prose"},
        {"id": "menu", "text": "Home\nNews\nSports\n" * 30, "language": "en", "kind": "prose"},
        {"id": "code", "text": code, "language": "en", "kind": "code"},
        {"id": "chat", "text": chat, "language": "zh", "kind": "chat"},
    ]
    chain = filters(tmp_path, documents)
    extra = {"c4": {"use": "filter.c4"}, "fineweb": {"use": "filter.fineweb"}}
    middle = {name: stage for name, stage in chain.items() if name not in ("docs", "out")} | extra
    for stage in middle.values():
        stage["where"] = "kind == 'prose'"
    done = Workbench(tmp_path).run("run", {"docs": chain["docs"], **middle, "out": chain["out"]})
    assert kept(done.folder / "out") == {"prose", "code", "chat"}
