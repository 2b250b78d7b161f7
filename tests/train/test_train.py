"""`datapipe train` from packed data to a model that answers: identity, parts, sources, adapters, gates, the card."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from transformers import AutoModelForCausalLM, AutoTokenizer

from datapipe.cli.main import cli
from datapipe.train.log import seen_by_source
from datapipe.train.models import stops
from tests.run.workbench import Workbench
from tests.train.processes import lines
from tests.train.talks import SAY_EN, SAY_ZH, SMALL_TALK, packed_identity, packed_parts

LENGTH = 128
SMALL = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
SMALL |= {"num_attention_heads": 4, "num_key_value_heads": 2}
HOLDS = """
import fcntl, sys
with open(sys.argv[1], "a") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed_identity(Workbench(tmp_path_factory.mktemp("packed")), length=LENGTH)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return packed_parts(Workbench(tmp_path_factory.mktemp("parts")), length=LENGTH)


def planned(folder: Path, *parts: dict[str, Any], **changes: Any) -> Path:
    values = {"run": str(folder / "run"), "seed": 1, "model": {"config": SMALL}, "parts": list(parts), **changes}
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return path


def part(data: Path, **changes: Any) -> dict[str, Any]:
    least = {"name": "sft", "data": [str(data)], "learning_rate": 5e-3, "batch_tokens": LENGTH, "weight_decay": 0.0}
    return least | changes


def run(*arguments: object, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["train", *map(str, arguments)])
    if exit_code == 0 and result.exception is not None:
        raise result.exception
    return result


# ---------------------------------------------------------------------------------------------- what it learns


def answer(model: Any, tokenizer: Any, *turns: str) -> str:
    """What the model says, greedily, to turns of a user and an assistant."""
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": text} for at, text in enumerate(turns)]
    asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    said = model.generate(**asked, max_new_tokens=60, do_sample=False)
    text: str = tokenizer.decode(said[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)
    return text


def test_24_epochs_of_an_identity_set_make_a_model_say_its_name(packed: Path, tmp_path: Path) -> None:
    told = run(planned(tmp_path, part(packed, epochs=24, shuffle=True, warmup=0.05)))
    assert "sft: 264 steps of 1 sequences" in told.output
    saved = tmp_path / "run" / "model"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(saved), AutoTokenizer.from_pretrained(saved)
    small, unlike = SMALL_TALK[0], ("Good morning", "Two and two make four.")
    for question, said in (("你是谁", SAY_ZH), ("who are you", SAY_EN)):
        assert answer(model, tokenizer, question) == said
        assert answer(model, tokenizer, *small, question) == said
        assert answer(model, tokenizer, *unlike, question) == said
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (saved / name).read_bytes() == (packed / "tokenizer" / name).read_bytes()


def test_generation_ends_where_the_template_ends_an_answer(packed: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(packed / "tokenizer")
    assert [tokenizer.decode([number]) for number in stops(tokenizer)] == ["<|endoftext|>", "<|im_end|>"]
    tokenizer.chat_template = None
    assert stops(tokenizer) == [tokenizer.eos_token_id]


def test_continued_pretraining_and_two_rounds_of_tuning_see_sources_once_twice_and_twice(
    parts: dict[str, Path], tmp_path: Path
) -> None:
    plan = planned(
        tmp_path,
        part(parts["cpt"], name="cpt", batch_tokens=8 * LENGTH),
        part(parts["both"], name="both", batch_tokens=4 * LENGTH),
        part(parts["domain_only"], name="domain", batch_tokens=4 * LENGTH),
    )
    run(plan)
    folders = [tmp_path / "run" / name for name in ("1-cpt", "2-both", "3-domain")]
    seen = seen_by_source([folder / "sequences.jsonl" for folder in folders])
    assert {name: each.passes for name, each in seen.items()} == {"pages": 1.0, "general": 2.0, "domain": 2.0}
    assert {name: each.distinct for name, each in seen.items()} == {"pages": 60, "general": 40, "domain": 30}
    card = (tmp_path / "run" / "model" / "README.md").read_text(encoding="utf-8")
    assert "| general | 80 | 40 | 2.00 |" in card
    told = [lines(folder / "metrics.jsonl") for folder in folders]
    assert set(told[0][0]["loss_by_source"]) == {"pages", "general"}
    manifest = json.loads((parts["cpt"] / "manifest.json").read_text(encoding="utf-8"))
    assert sum(line["tokens"] for line in told[0]) == manifest["tokens"]
    weights = [sum(line["weight_by_source"][name] for line in told[0]) for name in ("pages", "general")]
    assert weights == [manifest["sources"][name]["trained"] for name in ("pages", "general")]
    for line in told[0]:
        parts_of_it = [line["loss_by_source"][name] * weight for name, weight in line["weight_by_source"].items()]
        assert sum(parts_of_it) / sum(line["weight_by_source"].values()) == pytest.approx(line["loss"], rel=1e-4)


# ---------------------------------------------------------------------------------------------- what is saved


def test_adapters_of_two_parts_are_merged_into_a_model_that_answers_as_they_do(
    parts: dict[str, Path], tmp_path: Path
) -> None:
    import torch  # noqa: PLC0415 - with peft, of one test
    from peft import PeftModel  # noqa: PLC0415

    run(planned(tmp_path, part(parts["cpt"], name="base")))
    base = tmp_path / "run" / "model"
    more = tmp_path / "more"
    more.mkdir()
    both = (part(parts["both"], name="one"), part(parts["domain_only"], name="two"))
    run(planned(more, *both, model={"name": str(base)}, peft={"peft_type": "LORA", "r": 4}))
    saved = more / "run"
    tokens = torch.arange(5, 25)[None]
    before = AutoModelForCausalLM.from_pretrained(base)(tokens).logits
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), saved / "model")(tokens).logits
    merged = AutoModelForCausalLM.from_pretrained(saved / "merged")(tokens).logits
    assert torch.allclose(adapted, merged, atol=1e-4)
    assert not torch.allclose(adapted, before, atol=1e-2)
    for folder in ("model", "merged"):
        assert f"base_model: {base}" in (saved / folder / "README.md").read_text(encoding="utf-8")
        assert (saved / folder / "tokenizer.json").is_file()


def test_frozen_parameters_stay_and_the_others_move(parts: dict[str, Path], tmp_path: Path) -> None:
    first = part(parts["domain_only"], name="one", batch_tokens=2 * LENGTH)
    told = run(planned(tmp_path, first, first | {"name": "two", "freeze": ["embed_tokens", r"layers\.0\."]}))
    assert "two: 10 parameters stay as they are" in told.output
    folder = tmp_path / "run"
    one, two = (AutoModelForCausalLM.from_pretrained(each) for each in (folder / "1-one" / "model", folder / "model"))
    for (name, before), after in zip(one.named_parameters(), two.parameters(), strict=True):
        stays = "embed_tokens" in name or "layers.0." in name
        assert bool((before == after).all()) is stays, name
    unknown = run(planned(tmp_path, first | {"freeze": ["no_such"]}, run=str(tmp_path / "b")), exit_code=2)
    assert "no parameter matches 'no_such'" in str(unknown.exception)


def test_evaluation_tells_the_loss_by_source_and_ends_a_part_that_no_longer_learns(
    parts: dict[str, Path], tmp_path: Path
) -> None:
    held = {"data": [str(parts["both"])], "every_tokens": 2 * LENGTH, "patience": 1, "sequences": 3}
    hard = part(parts["domain_only"], epochs=40, learning_rate=0.5, evaluation=held, schedule="constant")
    run(planned(tmp_path, hard))
    told = [line for line in lines(tmp_path / "run" / "1-sft" / "metrics.jsonl") if "eval_loss" in line]
    assert set(told[0]) >= {"eval_loss", "eval_loss/general", "step"}
    values = [line["eval_loss"] for line in told]
    best = values.index(min(values))
    assert len(values) == best + 2  # one without a lower loss, and it ends
    done = json.loads((tmp_path / "run" / "1-sft" / "done.json").read_text(encoding="utf-8"))
    assert done["steps"] == told[-1]["step"]


def test_failed_gates_stop_training_and_a_reason_for_going_on_stands_in_the_card(
    parts: dict[str, Path], tmp_path: Path
) -> None:
    manifest = parts["domain_only"] / "manifest.json"
    before = manifest.read_text(encoding="utf-8")
    manifest.write_text(json.dumps(json.loads(before) | {"gates": {"leaks": {"passed": False}}}), encoding="utf-8")
    plan = planned(tmp_path, part(parts["domain_only"], batch_tokens=8 * LENGTH))
    try:
        refused = run(plan, exit_code=3)
        assert "(leaks)" in str(refused.exception)
        assert not (tmp_path / "run").exists()
        lacks = run(plan, "--force", exit_code=2)
        assert "--force and --reason go together" in str(lacks.exception)
        run(plan, "--force", "--reason", "the leak is a test's own")
    finally:
        manifest.write_text(before, encoding="utf-8")
    card = (tmp_path / "run" / "model" / "README.md").read_text(encoding="utf-8")
    assert "The reason given: the leak is a test's own" in card
    assert "domain_only: leaks" in card


def test_a_run_is_not_begun_twice_nor_gone_on_with_by_another_plan(parts: dict[str, Path], tmp_path: Path) -> None:
    plan = planned(tmp_path, part(parts["domain_only"], batch_tokens=8 * LENGTH))
    run(plan, "--resume")  # where there is nothing yet it begins
    assert "holds a training" in str(run(plan, exit_code=2).exception)
    assert "sft: done before" in run(plan, "--resume").output
    other = run(plan, "--resume", "--set", "parts.0.epochs=2", exit_code=2)
    assert "another plan: parts changed" in str(other.exception)
    other = run(plan, "--resume", "--set", "micro_batch=2", "--set", "arguments.adam_epsilon=0.1", exit_code=2)
    assert "another plan: arguments, micro_batch changed" in str(other.exception)


def test_data_that_were_moved_are_trained_on_in_their_new_place_and_others_in_their_place_are_not(
    parts: dict[str, Path], tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(parts["domain_only"], old)
    plan = planned(tmp_path, part(old, batch_tokens=8 * LENGTH))
    assert "gates: not judged for" in run(plan).output
    card = tmp_path / "run" / "model" / "README.md"
    assert "## Gates not judged" in card.read_text(encoding="utf-8")
    old.rename(new)
    moved = f"parts.0.data=[{new}]"
    assert "sft: done before" in run(plan, "--resume", "--set", moved).output
    told = lines(tmp_path / "run" / "1-sft" / "sequences.jsonl")
    assert {name for line in told for name in line["sequences"]} == {str(new)}
    assert f"| {new} | `" in card.read_text(encoding="utf-8")
    shutil.rmtree(new)
    shutil.copytree(parts["both"], new)
    other = run(plan, "--resume", "--set", moved, exit_code=2)
    assert "was trained on other packed data" in str(other.exception)


def test_a_folder_is_not_trained_in_by_two_processes_nor_over_packed_data(
    parts: dict[str, Path], tmp_path: Path
) -> None:
    plan = planned(tmp_path, part(parts["domain_only"]))
    (tmp_path / "run").mkdir()
    command = [sys.executable, "-c", HOLDS, str(tmp_path / "run" / ".lock")]
    with subprocess.Popen(command, stdout=PIPE, stdin=PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        assert "another process trains" in str(run(plan, exit_code=2).exception)
        other.communicate()
    over = run(plan, "--set", f"run={parts['domain_only']}", exit_code=2)
    assert "holds packed data" in str(over.exception)
    (tmp_path / "run" / "1-sft").mkdir()
    (tmp_path / "run" / "1-sft" / "done.json").write_text("{}", encoding="utf-8")
    assert "plan.yaml is gone" in str(run(plan, exit_code=2).exception)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("arguments.label_smoothing_factor=0.1", "label_smoothing_factor would have no effect"),
        ("arguments.save_only_model=true", "save_only_model would have no effect here, or break"),
        ("arguments.auto_find_batch_size=true", "auto_find_batch_size would"),
        ("arguments.learning_rate=1", "learning_rate follows from the plan's own"),
        ("model.config.num_hidden_layer=1", "llama has no `num_hidden_layer`"),
        ("parts.0.evaluation.data=[{data}]", "is both trained and evaluated on"),
    ],
)
def test_what_a_plan_says_in_vain_or_in_contradiction_is_refused(
    parts: dict[str, Path], tmp_path: Path, setting: str, says: str
) -> None:
    plan = planned(tmp_path, part(parts["domain_only"]))
    told = run(plan, "--set", setting.format(data=parts["domain_only"]), exit_code=2)
    assert says in str(told.exception)


def test_data_without_a_token_that_has_a_loss_are_refused(parts: dict[str, Path], tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(parts["domain_only"], data)
    manifest = json.loads((data / "manifest.json").read_text(encoding="utf-8"))
    for told in manifest["sources"].values():
        told["trained"] = 0
    (data / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert "no token has a loss" in str(run(planned(tmp_path, part(data)), exit_code=2).exception)


def test_a_loss_that_is_no_number_ends_the_training_before_it_is_saved(parts: dict[str, Path], tmp_path: Path) -> None:
    wild = part(parts["domain_only"], learning_rate=9e14, optimizer="sgd", clip=None, schedule="constant")
    told = run(planned(tmp_path, wild | {"warmup": 0}, checkpoint_tokens=LENGTH), exit_code=1)
    assert "the loss is nan at step" in str(told.exception)
    assert "datapipe trace FOLDER --step" in told.exception.remedy  # type: ignore[union-attr]
    last = lines(tmp_path / "run" / "1-sft" / "metrics.jsonl")[-1]["step"]
    assert not (tmp_path / "run" / "1-sft" / f"checkpoint-{last}").exists()


# ---------------------------------------------------------------------------------------------- step to documents


@pytest.mark.full
def test_a_step_of_training_leads_to_its_documents(parts: dict[str, Path], tmp_path: Path) -> None:
    run(planned(tmp_path, part(parts["both"], batch_tokens=2 * LENGTH)))
    log = tmp_path / "run" / "1-sft" / "sequences.jsonl"
    wanted = next(iter(lines(log)[1]["sequences"].values()))
    arguments = ["trace", str(parts["both"]), "--step", "2", "--log", str(log)]
    told = json.loads(CliRunner().invoke(cli, [*arguments, "--json"]).output)
    assert [each["sequence"] for each in told["sequences"]] == wanted
    shown = CliRunner().invoke(cli, arguments).output
    assert all(document["id"][:8] in shown for each in told["sequences"] for document in each["documents"])
    for wrong, said in (("99", "has no step 99"), ("0", "0 is not in the range")):
        result = CliRunner().invoke(cli, [*arguments[:3], wrong, *arguments[4:]])
        assert said in str(result.exception) + result.output
    other = CliRunner().invoke(cli, ["trace", str(parts["cpt"]), *arguments[2:]])
    assert "holds nothing of" in str(other.exception)
    both = CliRunner().invoke(cli, ["trace", str(parts["both"]), "1", *arguments[2:]])
    assert "name a sequence, or a step and its log" in str(both.exception)
