"""What a decoder is made of: its layers, projections and norms, read from a transformers config.

Why: bytes and FLOPs of training follow from a model's shape; reading it needs neither torch nor the weights.
Families: llama, mistral, qwen2, qwen3, gemma3_text, mixtral, qwen3_moe. Another one is an error, since a guess
would look like a figure.
Costs nothing: arithmetic on a dozen numbers.
Source: the families' modelling code in transformers 5, whose parameters the tests count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from datapipe.errors import InputError

__all__ = ["ATTENTION_TARGETS", "LINEAR_TARGETS", "Linear", "Shape", "shape_of"]

ATTENTION_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj")
LINEAR_TARGETS = (*ATTENTION_TARGETS, "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Linear:
    """A projection of a layer: weights [outputs, inputs], and a bias or none."""

    name: str
    inputs: int
    outputs: int
    bias: bool

    @property
    def parameters(self) -> int:
        """Weights and bias."""
        return self.inputs * self.outputs + self.outputs * self.bias


@dataclass(frozen=True, kw_only=True)
class _Family:
    """How a family departs from Llama."""

    norms: int = 2  # over the hidden size, of a layer
    wide_norms: bool = False  # normalised values are scaled in float32 (Gemma)
    head_norms: bool = False  # of queries and keys, over the size of a head
    qkv_bias: bool | None = None  # None: as `attention_bias` says
    tied: bool = False  # default of `tie_word_embeddings`
    head_size: int | None = None  # default of `head_dim`; None: hidden size / heads
    experts: tuple[str, ...] = ()  # fields that hold the number of experts, in files of either age
    expert_width: str = "intermediate_size"


_FAMILIES = {
    "llama": _Family(),
    "mistral": _Family(qkv_bias=False),
    "qwen2": _Family(qkv_bias=True),
    "qwen3": _Family(head_norms=True, head_size=128),
    "gemma3_text": _Family(norms=4, wide_norms=True, head_norms=True, tied=True, head_size=256),
    "mixtral": _Family(qkv_bias=False, experts=("num_local_experts",)),
    "qwen3_moe": _Family(
        head_norms=True, experts=("num_experts", "num_local_experts"), expert_width="moe_intermediate_size"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The sizes of a decoder; all layers are alike."""

    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    width: int  # of the feed-forward, or of one expert
    vocabulary: int
    tied: bool  # the output projection is the embedding
    norms: int
    wide_norms: bool
    head_norms: bool
    qkv_bias: bool
    out_bias: bool
    mlp_bias: bool
    experts: int  # 0: a dense feed-forward
    active: int  # experts of a token
    windows: tuple[int | None, ...]  # tokens that each layer's attention sees; None: all before

    @property
    def queries(self) -> int:
        """Elements of a token's queries."""
        return self.heads * self.head_size

    @property
    def keys(self) -> int:
        """Elements of a token's keys, and of its values."""
        return self.kv_heads * self.head_size

    @property
    def attention(self) -> tuple[Linear, ...]:
        """Projections of a layer's attention."""
        hidden, queries, keys = self.hidden, self.queries, self.keys
        return (
            Linear("q_proj", hidden, queries, self.qkv_bias),
            Linear("k_proj", hidden, keys, self.qkv_bias),
            Linear("v_proj", hidden, keys, self.qkv_bias),
            Linear("o_proj", queries, hidden, self.out_bias),
        )

    @property
    def feed_forward(self) -> tuple[Linear, ...]:
        """Projections of a layer's feed-forward, or of one expert's."""
        return (
            Linear("gate_proj", self.hidden, self.width, self.mlp_bias),
            Linear("up_proj", self.hidden, self.width, self.mlp_bias),
            Linear("down_proj", self.width, self.hidden, self.mlp_bias),
        )

    @property
    def router(self) -> int:
        """Weights that choose a layer's experts."""
        return self.experts * self.hidden

    @property
    def layer_linear(self) -> int:
        """Parameters of a layer's projections, of all experts."""
        feed_forward = sum(linear.parameters for linear in self.feed_forward)
        return sum(linear.parameters for linear in self.attention) + feed_forward * (self.experts or 1)

    @property
    def layer_norms(self) -> int:
        """Parameters of a layer's norms."""
        return self.norms * self.hidden + 2 * self.head_size * self.head_norms

    @property
    def layer(self) -> int:
        """Parameters of a layer."""
        return self.layer_linear + self.layer_norms + self.router

    @property
    def embedding(self) -> int:
        """Parameters of the embedding; an output projection of its own has as many."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """Parameters of the model; a tied matrix counts once."""
        return self.layers * self.layer + self.hidden + self.embedding * (1 if self.tied else 2)

    @property
    def multiplied(self) -> int:
        """Weights that a token is multiplied with: active experts, no embedding, the output projection."""
        attention = sum(linear.inputs * linear.outputs for linear in self.attention)
        feed_forward = sum(linear.inputs * linear.outputs for linear in self.feed_forward)
        return self.layers * (attention + feed_forward * (self.active or 1) + self.router) + self.embedding


def shape_of(config: Any) -> Shape:
    """The shape of a model. `config`: a transformers config, or its `config.json` as a dict.

    Raises InputError where the family is not known here or a size is missing.
    """
    fields: dict[str, Any] = dict(config if isinstance(config, dict) else config.to_dict())
    name = str(fields.get("model_type"))
    if name not in _FAMILIES:
        raise InputError(
            f"the shape of a `{name}` is not known", remedy=f"an estimate can be made of: {', '.join(_FAMILIES)}"
        )
    family = _FAMILIES[name]
    heads, hidden = _size(fields, "num_attention_heads"), _size(fields, "hidden_size")
    bias = bool(fields.get("attention_bias", False))
    return Shape(
        family=name,
        layers=_size(fields, "num_hidden_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=int(fields.get("num_key_value_heads") or heads),
        head_size=int(fields.get("head_dim") or family.head_size or hidden // heads),
        width=_size(fields, family.expert_width),
        vocabulary=_size(fields, "vocab_size"),
        tied=bool(fields.get("tie_word_embeddings", family.tied)),
        norms=family.norms,
        wide_norms=family.wide_norms,
        head_norms=family.head_norms,
        qkv_bias=bias if family.qkv_bias is None else family.qkv_bias,
        out_bias=bias if family.qkv_bias is None else False,
        mlp_bias=bool(fields.get("mlp_bias", False)) if name == "llama" else False,
        experts=_experts(fields, family),
        active=_size(fields, "num_experts_per_tok") if family.experts else 0,
        windows=_windows(fields),
    )


def _size(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or value < 1:
        raise InputError(f"the model's config has no `{name}`", remedy=f"add {name}: a whole number above 0")
    return value


def _experts(fields: dict[str, Any], family: _Family) -> int:
    if not family.experts:
        return 0
    if fields.get("mlp_only_layers") or fields.get("decoder_sparse_step", 1) != 1:
        raise InputError(
            "some layers of this model have experts and some have none",
            remedy="an estimate needs layers that are alike",
        )
    return _size(fields, next((name for name in family.experts if name in fields), family.experts[0]))


def _windows(fields: dict[str, Any]) -> tuple[int | None, ...]:
    """How far back each layer looks: `layer_types` says where, `sliding_window` how far."""
    layers, window = _size(fields, "num_hidden_layers"), fields.get("sliding_window")
    if not fields.get("use_sliding_window", True):
        window = None
    kinds = fields.get("layer_types") or ["sliding_attention"] * layers
    return tuple(window if kind == "sliding_attention" else None for kind in kinds)
