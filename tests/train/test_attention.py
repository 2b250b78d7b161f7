"""Packed documents do not see each other: on every attention there is, in every family, or it is refused in one line.

What varlen attention answers is compared on a GPU where there is one. Elsewhere the kernel is stood in for by scaled
dot-product attention of each document, so that everything around the kernel is tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest
import torch
from peft import IA3Config, LoraConfig, PrefixTuningConfig, PromptEncoderConfig, get_peft_model
from torch.nn.functional import scaled_dot_product_attention

from datapipe.errors import InputError
from datapipe.train import attention
from datapipe.train.attention import adapted, check_isolation, choose, refuse, register
from datapipe.train.collator import Collator, model_inputs
from tests.train.models import CAPPED, FAMILIES, SIZES, WINDOW, build

LENGTHS = [[9, 1, 14], [20, 2]]  # of the documents of two sequences; rows of 26 leave padding
WIDTH = 26
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 2e-2}
PATHS = ["eager", "sdpa", "varlen"]


def documents_apart(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: torch.Tensor, **options: Any
) -> torch.Tensor:
    """Each document by itself, with a window: [tokens, heads, width] as the kernel's."""
    scale, window = options["scale"], options["window"]
    made = torch.empty_like(query)
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if end == start:
            continue
        assert end - start <= options["longest"]
        asks, keys, values = (each[start:end].transpose(0, 1)[None] for each in (query, key, value))
        keys, values = (each.repeat_interleave(query.shape[1] // key.shape[1], 1) for each in (keys, values))
        back = torch.arange(end - start)[:, None] - torch.arange(end - start)[None, :]
        seen = (back >= 0) & (back < (window or end))
        made[start:end] = scaled_dot_product_attention(asks, keys, values, attn_mask=seen, scale=scale)[0].transpose(
            0, 1
        )
    return made


@pytest.fixture
def varlen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_kernel", lambda: documents_apart)
    register()


def items(seed: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    made = []
    for index, lengths in enumerate(LENGTHS):
        tokens = rng.integers(1, SIZES["vocab_size"], sum(lengths))
        lists = {"input_ids": tokens, "labels": tokens, "seq_lengths": np.array(lengths), "loss_weights": None}
        made.append(lists | {"index": index})
    return made


def packed_logits(model: Any, path: Any, sequences: list[dict[str, Any]]) -> list[torch.Tensor]:
    """The logits of each document of a batch."""
    batch = Collator(WIDTH, attention=path)(sequences)
    with torch.no_grad():
        rows = model(**model_inputs(batch)).logits.reshape(len(sequences), WIDTH, -1)
    return [
        part
        for row, each in zip(rows, sequences, strict=True)
        for part in row[: len(each["input_ids"])].split(each["seq_lengths"].tolist())
    ]


def apart(model: Any, sequences: list[dict[str, Any]]) -> Iterator[torch.Tensor]:
    """The same of each document alone."""
    for each in sequences:
        for tokens in np.split(each["input_ids"], np.cumsum(each["seq_lengths"])[:-1]):
            with torch.no_grad():
                yield model(input_ids=torch.from_numpy(tokens)[None]).logits[0]


def furthest(some: list[torch.Tensor], others: list[torch.Tensor]) -> float:
    """The largest difference of two logits."""
    return max(float((one - other).abs().max()) for one, other in zip(some, others, strict=True))


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("family", FAMILIES)
def test_packed_logits_are_those_of_each_document_alone(
    family: str, path: str, dtype: torch.dtype, varlen: None
) -> None:
    told = packed_logits(build(FAMILIES[family], path, dtype), path, items())
    wanted = list(apart(build(FAMILIES[family], "eager" if path == "eager" else "sdpa", dtype), items()))
    assert [len(each) for each in told] == [9, 1, 14, 20, 2]
    assert furthest(told, wanted) <= TOLERANCE[dtype]


def test_documents_that_see_each_other_are_far_outside_of_what_is_allowed() -> None:
    config = altered()
    wanted = list(apart(build(config, "sdpa"), items()))
    assert furthest(packed_logits(with_cache(build(config, "sdpa")), "sdpa", items()), wanted) > 0.5


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("family", FAMILIES)
def test_changing_one_document_moves_no_logit_of_another(family: str, path: str, varlen: None) -> None:
    model = build(FAMILIES[family], path)
    before = packed_logits(model, path, items())
    for changed, place in enumerate([(0, slice(0, 9)), (0, slice(9, 10)), (0, slice(10, 24)), (1, slice(0, 20))]):
        sequences = items()
        row, span = place
        sequences[row]["input_ids"][span] = 1 + sequences[row]["input_ids"][span] % (SIZES["vocab_size"] - 1)
        after = packed_logits(model, path, sequences)
        moved = [float((one - other).abs().max()) for one, other in zip(before, after, strict=True)]
        assert moved[changed] > 0.01
        assert [each for document, each in enumerate(moved) if document != changed and each > 1e-6] == []


def test_gradients_of_varlen_are_those_of_sdpa(varlen: None) -> None:
    told = []
    for path in PATHS[1:]:
        model, collator = build(FAMILIES["qwen3"], path), Collator(WIDTH, attention=cast("Any", path))
        batch = collator(items())
        logits = model(**model_inputs(batch)).logits.reshape(2, WIDTH, -1)
        (logits[:, :20].float() ** 2).sum().backward()
        told.append({name: each.grad for name, each in model.named_parameters()})
    for name, grad in told[0].items():
        assert float((grad - told[1][name]).abs().max()) <= 1e-4 * max(1.0, float(grad.abs().max())), name


# ---------------------------------------------------------------------------------------------- choosing


def test_sdpa_is_chosen_without_a_gpu_and_says_why() -> None:
    assert choose(None, "cpu") == ("sdpa", "varlen does not work here: it needs a CUDA device, this is cpu")
    assert choose("eager", "cpu") == ("eager", "asked for")


@pytest.mark.parametrize(("prefer", "says"), [("varlen", "does not work here"), ("flash", "no attention flash")])
def test_what_is_asked_for_and_does_not_work_is_one_line(prefer: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as raised:
        choose(prefer, "cpu")
    assert "\n" not in str(raised.value)


# ---------------------------------------------------------------------------------------------- signatures


Q, K, V = (torch.randn(6, heads, 8, generator=torch.Generator().manual_seed(heads)) for heads in (4, 2, 2))
BOUNDS = torch.tensor([0, 4, 6], dtype=torch.int32)


def first(
    query: Any, key: Any, value: Any, cu_seq_q: Any, cu_seq_k: Any, max_q: int, max_k: int, is_causal: Any = None
) -> torch.Tensor:
    """The signature of torch 2.10: no scale, no groups, no window."""
    assert is_causal
    assert query.shape == key.shape == value.shape
    return documents_apart(query, key, value, cu_seq_q, longest=max_q, scale=query.shape[-1] ** -0.5, window=None)


def later(
    query: Any,
    key: Any,
    value: Any,
    cu_seq_q: Any,
    cu_seq_k: Any,
    max_q: int,
    max_k: int,
    *,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
    enable_gqa: bool = False,
) -> torch.Tensor:
    """The signature of torch 2.13."""
    assert window_size[1] == 0
    assert enable_gqa
    assert scale is not None
    window = None if window_size[0] < 0 else window_size[0] + 1
    return documents_apart(query, key, value, cu_seq_q, longest=max_q, scale=scale, window=window)


def test_both_signatures_give_the_same() -> None:
    told = [adapted(each)(Q, K, V, BOUNDS, longest=4, scale=0.7, window=None) for each in (first, later)]
    wanted = documents_apart(Q, K, V, BOUNDS, longest=4, scale=0.7, window=None)
    assert torch.allclose(told[0], wanted, atol=1e-6)
    assert torch.allclose(told[1], wanted, atol=1e-6)
    assert torch.allclose(attention.documents_apart(Q, K, V, BOUNDS, scale=0.7), wanted, atol=1e-6)


def test_a_window_is_passed_on_or_refused() -> None:
    told = adapted(later)(Q, K, V, BOUNDS, longest=4, scale=0.7, window=2)
    assert torch.equal(told, documents_apart(Q, K, V, BOUNDS, longest=4, scale=0.7, window=2))
    with pytest.raises(RuntimeError, match="no sliding window"):
        adapted(first)(Q, K, V, BOUNDS, longest=4, scale=0.7, window=2)


def test_a_signature_that_is_not_known_is_refused() -> None:
    with pytest.raises(RuntimeError, match="not known: \\(q, k, v\\)"):
        adapted(lambda q, k, v: q)


def test_the_installed_torch_has_a_signature_that_is_known() -> None:
    from torch.nn.attention.varlen import varlen_attn  # noqa: PLC0415 - of this test alone

    adapted(varlen_attn)


# ---------------------------------------------------------------------------------------------- refusals


def with_cache(model: Any) -> Any:
    model.config.use_cache = True
    return model


def altered(**values: Any) -> Any:
    config = type(FAMILIES["llama"])(**SIZES)
    for name, value in values.items():
        setattr(config, name, value)
    return config


def llama() -> Any:
    return build(altered(), "sdpa")


PEFT: dict[str, Any] = {"task_type": "CAUSAL_LM"}


@pytest.mark.parametrize(
    ("model", "path", "says"),
    [
        (lambda: get_peft_model(llama(), PrefixTuningConfig(**PEFT, num_virtual_tokens=3)), "sdpa", "PREFIX_TUNING"),
        (lambda: get_peft_model(llama(), PromptEncoderConfig(**PEFT, num_virtual_tokens=3)), "sdpa", "P_TUNING"),
        (lambda: with_cache(llama()), "sdpa", "cached keys"),
        (lambda: build(altered(attention_dropout=0.1), "sdpa"), "varlen", "no dropout"),
        (lambda: build(altered(layer_types=["full_attention", "linear_attention"]), "sdpa"), "sdpa", "carry"),
        (lambda: build(altered(layer_types=["full_attention", "chunked_attention"]), "sdpa"), "varlen", "chunked"),
        (lambda: build(altered(head_dim=512), "sdpa"), "varlen", "heads of 256"),
        (lambda: build(CAPPED, "eager"), "varlen", "capped"),
    ],
)
def test_what_would_mix_documents_silently_is_refused_in_one_line(model: Any, path: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as raised:
        refuse(model(), path)
    assert "\n" not in str(raised.value)
    assert raised.value.remedy


ADAPTERS: dict[str, Any] = {"none": None, "lora": LoraConfig(**PEFT, r=4), "ia3": IA3Config(**PEFT)}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("family", "adapter"), [*((family, "none") for family in FAMILIES), ("llama", "lora"), ("qwen3", "ia3")]
)
def test_what_keeps_documents_apart_is_let_through(family: str, path: Any, adapter: Any, varlen: None) -> None:
    model = build(FAMILIES[family], path).train()
    if ADAPTERS[adapter] is not None:
        model = get_peft_model(model, ADAPTERS[adapter])
    refuse(model, path)
    check_isolation(model, path)
    assert model.training


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_a_trial_finds_cached_keys_and_a_varlen_without_bounds(
    dtype: torch.dtype, varlen: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="the second document moves with the first") as raised:
        check_isolation(with_cache(build(altered(), "sdpa", dtype)), "sdpa")
    assert "\n" not in str(raised.value)
    monkeypatch.setattr(attention, "_kernel", lambda: forgets_bounds)
    with pytest.raises(InputError, match="the second document moves with the first"):
        check_isolation(build(altered(), "varlen", dtype), "varlen")


def forgets_bounds(query: Any, key: Any, value: Any, bounds: torch.Tensor, **options: Any) -> torch.Tensor:
    whole = torch.tensor([0, int(bounds[-1])], dtype=torch.int32)
    return documents_apart(query, key, value, whole, **(options | {"longest": len(query)}))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"cu_seq_lens_q": None}, "no cumulative lengths"),
        ({"attention_mask": torch.ones(1)}, "an attention mask"),
        ({"dropout": 0.1}, "dropout"),
        ({"softcap": 50.0}, "capped scores"),
        ({"s_aux": torch.ones(4)}, "attention sinks"),
    ],
)
def test_varlen_refuses_what_its_kernel_would_leave_out(changes: dict[str, Any], says: str, varlen: None) -> None:
    shaped = [each.transpose(0, 1)[None] for each in (Q, K, V)]
    given = {"attention_mask": None, "cu_seq_lens_q": BOUNDS, "max_length_q": 4, "sliding_window": WINDOW} | changes
    with pytest.raises(InputError, match=f"was given {says}"):
        attention.attend(torch.nn.Module(), *shaped, **given)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("family", FAMILIES)
def test_the_kernel_gives_packed_logits_of_each_document_alone(family: str) -> None:
    assert choose("varlen", "cuda").name == "varlen"
    register()
    model = build(FAMILIES[family], "varlen", torch.bfloat16).cuda()
    check_isolation(model, "varlen")
