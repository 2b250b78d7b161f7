"""What the stages of `mark` find on real texts; each test prints its table (`pytest -s -m full`)."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from stages.mark.machine_text import _noise as noise
from tests.real.machine import EN_TEMPLATES, STRAY, ZH_TEMPLATES, fill, human, rows
from tests.real.noise_lexicon import RATES, features, noisy, quarter
from tests.real.spam_pages import spam_pages
from tests.stages.mark.test_machine_text import run
from tests.stages.mark.test_spam import run as run_spam
from tests.stages.mark.test_templates import judged


@pytest.mark.full
@pytest.mark.parametrize("code", ["en", "zh"])
def test_simulated_recognition_errors_are_found(real_data: Path, code: str) -> None:
    """On the quarter of the texts that neither the lexicon nor the threshold was made on."""
    model = noise.lexicon()
    sets = {name: [t for t in some if quarter(t) == 3] for name, some in human(real_data, chinese=code == "zh").items()}
    people = [text for some in sets.values() for text in some]

    def marked(texts: list[str]) -> tuple[int, int]:
        found = noise.scores(features(texts, code, model), model.weights[code]) > 0.5
        return int(found.sum()), len(found)

    for name, some in sets.items():
        print(f"{code} {name}: %d of %d judged texts by people marked" % marked(some))
    wrong, judged = marked(people)
    shares = []
    for rate in RATES:
        hit, size = marked(noisy(people, code, rate, 11))
        shares.append(hit / size)
        print(f"{code} {rate:.0%} of characters wrong: {hit} of {size} marked, {hit / size:.3f}")
    print(f"{code}: recall over all rates {np.mean(shares):.3f}, false positives {wrong} of {judged}")
    assert np.mean(shares) >= 0.8
    assert wrong <= max(1, 0.01 * judged)


@pytest.mark.full
def test_characters_taken_for_others_alone_are_harder_to_find_in_chinese(real_data: Path) -> None:
    """Without stray signs between characters: what the lexicon of pairs can do by itself; a figure, not an aim."""
    texts = [t for some in human(real_data, chinese=True).values() for t in some if quarter(t) == 3]
    model = noise.lexicon()
    for rate in RATES:
        bad = ["".join(one for one in text if one not in STRAY) for text in noisy(texts, "zh", rate, 11)]
        found = noise.scores(features(bad, "zh", model), model.weights["zh"]) > 0.5
        print(f"zh {rate:.0%} without signs: {found.sum()} of {len(found)} marked, {found.mean():.3f}")
    assert found.mean() > 0


SFT = {"en": ("alpaca_en_demo.jsonl.gz", "output"), "zh": ("alpaca_zh_demo.jsonl.gz", "output")}


def marks(documents: list[dict[str, str]], folder: Path) -> list[list[str]]:
    """Marks of documents with `text`, `language` and maybe `url`."""
    return [row["marks"] for row in run(documents, folder)]


@pytest.mark.full
@pytest.mark.parametrize("code", ["en", "zh"])
def test_phrases_of_language_models_are_rare_in_texts_by_people(real_data: Path, code: str, tmp_path: Path) -> None:
    """The share of answers by language models that phrases give away is printed, whatever it is."""
    for name, texts in human(real_data, chinese=code == "zh").items():
        found = marks([{"text": text, "language": code} for text in texts], tmp_path)
        marked = sum("model" in each for each in found)
        print(f"{code} {name}: {marked} of {len(texts)} texts by people marked as model")
        assert marked <= 0.01 * len(texts)
    name, field = SFT[code]
    answers = [row[field] for row in rows(real_data / "sft" / "llamafactory" / name)]
    found = marks([{"text": text, "language": code} for text in answers], tmp_path)
    hit = sum("model" in each for each in found)
    print(f"{code} {name}: {hit} of {len(answers)} answers by language models marked, {hit / len(answers):.3f}")
    assert hit > 0


HOSTS = """patents.google.com translate.google.com translate.yandex.com fanyi.baidu.com de.zxc.wiki second.wiki
qastack.ru
it-swarm-es.com coderoad.ru ja.qaz.wiki wikibrief.org www-example-org.translate.goog ru.aliexpress.com educalingo.com
askdev.io papago.naver.com worldlingo.com translationportal.epo.org hmong.wiki webdevqa.jp.net"""
FORMS = ("https://{}/x", "http://www.{}/a/b?c=d", "HTTPS://{}:443/", "//{}/page", "http://user@{}./#top")


@pytest.mark.full
def test_hosts_of_machine_translations_are_found_in_any_form_of_url(real_data: Path, tmp_path: Path) -> None:
    urls = [form.format(host) for host in HOSTS.split() for form in FORMS]
    found = marks([{"text": "x", "language": "en", "url": url} for url in urls], tmp_path)
    hit = sum("translated" in each for each in found)
    gold = [row["url"] for row in rows(real_data / "extract-wcxb" / "gold.jsonl.gz")]
    human_pages = marks([{"text": "x", "language": "en", "url": url} for url in gold], tmp_path)
    wrong = sum("translated" in each for each in human_pages)
    print(f"hosts: {hit} of {len(urls)} URLs of machine translations marked; {wrong} of {len(gold)} pages by people")
    assert hit >= 0.95 * len(urls)
    assert wrong <= 0.01 * len(gold)


@pytest.mark.full
@pytest.mark.parametrize("chinese", [False, True])
def test_templated_pages_are_found_among_pages_by_people(real_data: Path, *, chinese: bool) -> None:
    """All pages on one host, so that those by people meet as many others as they can."""
    host = "https://one.example/"
    hit = made = wrong = people = 0
    sets = human(real_data, chinese=chinese)
    for name, texts in sets.items():
        found = judged([(host, text) for text in texts])
        marked = sum(row["templated"] for row in found)
        print(f"{name}: {marked} of {len(texts)} pages by people marked as templated")
        wrong, people = wrong + marked, people + len(texts)
    for number, template in enumerate(ZH_TEMPLATES if chinese else EN_TEMPLATES):
        for seed in range(10):
            chance = random.Random(seed)
            found = judged([(host, fill(template, chance)) for _ in range(20)])
            hit, made = hit + sum(row["templated"] for row in found), made + 20
        print(f"template {number}: {hit} of {made} so far")
    print(f"{'zh' if chinese else 'en'}: recall {hit / made:.4f}, false positives {wrong} of {people}")
    assert hit >= 0.95 * made
    assert wrong <= 0.01 * people


@pytest.mark.full
def test_planted_spam_is_found_and_good_chinese_is_not(real_data: Path) -> None:
    for seed in range(5, 9):
        pages = spam_pages(seed=seed)
        found = run_spam([text for _, text in pages])
        hit = Counter(kind for (kind, _), row in zip(pages, found, strict=True) if row["marks"])
        print(f"seed {seed}: {sum(hit.values())} of {len(pages)} planted pages marked, {dict(hit)}")
        assert sum(hit.values()) >= 0.9 * len(pages)
    for name, texts in human(real_data, chinese=True).items():
        marked = sum(bool(row["marks"]) for row in run_spam(texts))
        print(f"{name}: {marked} of {len(texts)} marked")
        assert marked <= 0.02 * len(texts)


@pytest.mark.full
def test_poems_of_the_tang_are_not_taken_for_noise(real_data: Path, tmp_path: Path) -> None:
    """A register that the lexicon does not know: all are too short or too old to be judged."""
    poems = [row["text"] for row in rows(real_data / "raw" / "tang_poems.jsonl.gz")]
    found = run([{"text": text, "language": "zh"} for text in poems], tmp_path)
    marked, judged = sum(bool(row["marks"]) for row in found), sum(row["judged"] for row in found)
    print(f"zh tang: {marked} of {len(poems)} marked, {judged} judged")
    assert marked <= 0.01 * len(poems)
