"""`mark.bias`: which groups of people a document mentions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from datapipe.schema import COLUMNS
from datapipe.text import forget, segment
from datapipe.text.cache import _CACHE
from stages.mark.bias import STAGE, Config


def run(rows: list[tuple[str | None, str | None]], **values: Any) -> list[dict[str, Any]]:
    """Columns of each (text, language)."""
    forget()
    config = Config.model_validate(values)
    texts = pa.array([text for text, _ in rows], pa.large_string())
    batch = pa.record_batch({"text": texts, "language": pa.array([code for _, code in rows], pa.string())})
    columns = STAGE.process(batch, config, None)
    assert columns.schema == STAGE.adds_for(config)
    return columns.to_pylist()


CASES = [
    ("Women and MEN met; the women spoke.", "en", ["gender"], [3], ["gender:men", "gender:women"]),
    ("A deaf Muslim from a Polish town.", "en", ["disability", "nationality", "religion"], [1, 1, 1], None),
    ("Gay men", "en-GB", ["gender", "orientation"], [1, 1], ["gender:men", "orientation:gay"]),
    ("The menu in Manchester and womens' rights", "en", [], [], []),
    ("中国人和日本人，还有残疾人。中国人多。", "zh", ["disability", "nationality"], [1, 3], None),
    ("同性恋者的权利", "zh", ["orientation"], [2], ["orientation:同性恋", "orientation:同性恋者"]),
    ("中国的人", "zh", [], [], []),
    ("", "en", [], [], []),
    (None, "zh", [], [], []),
]


@pytest.mark.parametrize(("text", "language", "groups", "counts", "terms"), CASES)
def test_which_groups_are_mentioned(
    text: str | None, language: str, groups: list[str], counts: list[int], terms: list[str] | None
) -> None:
    (row,) = run([(text, language)])
    assert (row["groups"], row["counts"], row["judged"]) == (groups, counts, True)
    assert terms is None or row["terms"] == terms


@pytest.mark.parametrize("language", [None, "xx", "ja", ""])
def test_languages_without_terms_are_not_judged(language: str | None) -> None:
    assert run([("women", language)]) == [{"groups": [], "counts": [], "terms": [], "judged": False}]


def test_each_document_is_read_with_the_terms_of_its_own_language() -> None:
    found = run([("women 中国人", "zh"), ("women 中国人", "en"), ("women", None)])
    assert [row["groups"] for row in found] == [["nationality"], ["gender"], []]


def test_the_messages_of_a_conversation_count_together() -> None:
    forget()
    talk = [{"role": "user", "content": "Are women"}, {"role": "assistant", "content": "as old as men? Deaf women?"}]
    talks: list[Any] = [talk, None, talk]
    batch = pa.record_batch(
        {
            "text": pa.array([None, "a Muslim", "a Muslim"], pa.large_string()),
            "messages": pa.array(talks, COLUMNS["messages"]),
            "language": pa.array(["en", "en", "zh"], pa.string()),
        }
    )
    first, second, third = STAGE.process(batch, Config(), None).to_pylist()
    assert (first["groups"], first["counts"]) == (["disability", "gender"], [1, 3])
    assert first["terms"] == ["disability:deaf", "gender:men", "gender:women"]
    assert (second["groups"], second["counts"]) == (["religion"], [1])
    assert third["groups"] == []


def test_documents_of_many_languages_are_segmented_once() -> None:
    """Else each language takes a place in the cache, and the stages after find their segmentation gone."""
    forget()
    texts = pa.array(["women", "女人", "Frauen", "femmes", "mujeres", "donne"], pa.large_string())
    codes = pa.array(["en", "zh", "de", "fr", "es", "it"], pa.string())
    shared = segment(texts)
    STAGE.process(pa.record_batch({"text": texts, "language": codes}), Config(), None)
    assert len(_CACHE) == 1
    assert segment(texts) is shared


def test_terms_of_the_user_go_before(tmp_path: Path) -> None:
    told = "name: English\nscripts: Latn\nsegmenter: spaces\ngroup_terms:\n  trade: [miners, coal miners]\n"
    (tmp_path / "en.yaml").write_text(f"{told}record:\n  group_terms: made up\n")
    (row,) = run([("Coal miners and women", "en")], languages=str(tmp_path))
    assert (row["groups"], row["terms"]) == (["trade"], ["trade:coal miners", "trade:miners"])
