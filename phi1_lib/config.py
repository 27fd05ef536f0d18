"""Configurations: the model's shape, how it is trained, what it reads, and the ladder of presets.

One name (`smoke`, `nano`, `mini`, `small`, `full`) selects everything a run needs. Fields of
`PhiConfig` carry the names of `transformers.PhiConfig`, so that a `config.json` of either reads the
same. Where the paper ("Textbooks Are All You Need", arXiv 2306.11644) states a value, the comment
says so; where it is silent, the comment says whose value we took.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, Self


def _require(config: Any, name: str, condition: bool, rule: str) -> None:
    if not condition:
        raise ValueError(f"{name}={getattr(config, name)!r}: {rule}")


def _at_least(config: Any, least: float, *names: str) -> None:
    for name in names:
        _require(config, name, getattr(config, name) >= least, f"must be at least {least}")


def _shares(config: Any, *names: str) -> None:
    for name in names:
        _require(config, name, 0 <= getattr(config, name) < 1, "must be in [0, 1)")


@dataclass(frozen=True)
class _Config:
    """What all configurations share: fields hold values of their type, dictionaries known keys."""

    def __post_init__(self) -> None:
        for field in fields(self):
            kinds = field.type | int if field.type is float else field.type  # 1 for 1.0
            value = getattr(self, field.name)
            fits = isinstance(value, kinds) and not (isinstance(value, bool) and kinds is not bool)
            _require(self, field.name, fits, f"must be {getattr(kinds, '__name__', kinds)}")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from plain values, as read from JSON.

        Raises:
            ValueError: a key is unknown or missing, or a value breaks its rule (`__post_init__`).
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            names = ", ".join(sorted(known))
            raise ValueError(f"{cls.__name__} has no field {unknown[0]!r}; its fields are: {names}")
        values = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"{cls.__name__}: {error}") from None


@dataclass(frozen=True)
class PhiConfig(_Config):
    """The shape of a phi-1 model. The defaults are phi-1 itself (1,418,270,720 parameters).

    Dimension letters used across the library: B batch, T query time, S key time, H heads,
    K head dim, D model width (`hidden_size`), F MLP width (`intermediate_size`), V vocabulary,
    N packed tokens.

    Source: paper section 2.3; the released `config.json`; field names of `transformers.PhiConfig`.
    """

    vocab_size: int = 51_200  # rows; phi-1's tokenizer uses the first 50,295
    hidden_size: int = 2_048
    intermediate_size: int = 8_192
    num_hidden_layers: int = 24
    num_attention_heads: int = 32
    max_position_embeddings: int = 2_048
    layer_norm_eps: float = 1e-5
    initializer_range: float = 0.02  # released code; the paper does not state it
    partial_rotary_factor: float = 0.5
    rope_theta: float = 10_000.0
    # The paper trained with attention and residual dropout 0.1; the released config has 0.0
    # (inference). `TrainConfig.dropout` sets both while training.
    attention_dropout: float = 0.0
    resid_pdrop: float = 0.0
    embd_pdrop: float = 0.0
    # `<|endoftext|>` is the only special token: it begins, ends and separates documents.
    bos_token_id: int = 50_256
    eos_token_id: int = 50_256
    # Rows of the vocabulary that the tokenizer can produce; the rest is padding, never generated.
    used_vocab_size: int | None = 50_295

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(
            self, 1, "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
            "num_attention_heads", "max_position_embeddings",
        )  # fmt: skip
        _shares(self, "attention_dropout", "resid_pdrop", "embd_pdrop")
        heads, vocab = self.num_attention_heads, self.vocab_size
        divides = self.hidden_size % heads == 0
        _require(self, "hidden_size", divides, f"must be a multiple of num_attention_heads={heads}")
        factor = "partial_rotary_factor"
        _require(self, factor, 0 < self.partial_rotary_factor <= 1, "must be above 0, at most 1")
        even = self.rotary_dim % 2 == 0 and self.rotary_dim >= 2
        _require(self, factor, even, f"head dim {self.head_dim} x factor must be even, at least 2")
        for name in ("bos_token_id", "eos_token_id"):
            known = 0 <= getattr(self, name) < vocab
            _require(self, name, known, f"must be an id below vocab_size={vocab}")
        used = self.used_vocab_size
        fits = used is None or self.eos_token_id < used <= vocab
        _require(self, "used_vocab_size", fits, f"must be above eos_token_id, at most {vocab}")

    @property
    def head_dim(self) -> int:
        """Features of one attention head (K)."""
        return self.hidden_size // self.num_attention_heads

    @property
    def rotary_dim(self) -> int:
        """Features of each head that the rotary embedding turns; the rest pass unchanged."""
        return int(self.head_dim * self.partial_rotary_factor)


@dataclass(frozen=True)
class TrainConfig(_Config):
    """One stage of training (pretraining or finetuning).

    Units: `batch_size` and `micro_batch_size` in sequences of `context_length` tokens; steps are
    optimizer steps. Paper section 2.3 for batch, rate, warm-up, decay, weight decay, dropout and
    steps; AdamW's betas and epsilon, clipping, ZeRO stage and initial loss scale are not in the
    paper: ours, after a PhyAGI configuration (the authors' training library).
    """

    steps: int
    batch_size: int
    micro_batch_size: int
    context_length: int
    learning_rate: float
    warmup_steps: int
    decay_steps: int  # the step at which linear decay reaches 0; may lie beyond `steps`
    weight_decay: float
    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-7
    gradient_clip: float = 1.0
    dropout: float = 0.1  # attention and residual
    # "fp32", "bf16", "fp16"; or "auto": bf16 where the hardware multiplies it, else fp32, settled
    # when the stage begins and kept in its checkpoints (`phi1_lib.training.device.fast_precision`).
    precision: str = "fp32"
    initial_loss_scale_power: int = 12  # fp16 only
    zero_stage: int = 1  # DeepSpeed only
    mask_documents: bool = False  # the paper mentions no mask at document borders
    checkpoint_every: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(
            self, 1, "steps", "batch_size", "micro_batch_size", "context_length", "checkpoint_every"
        )
        _at_least(self, 0, "warmup_steps", "weight_decay")
        for name in ("learning_rate", "epsilon", "gradient_clip"):
            _require(self, name, getattr(self, name) > 0, "must be above 0")
        _shares(self, "beta1", "beta2", "dropout")
        micro, warmup, steps = self.micro_batch_size, self.warmup_steps, self.steps
        divides = self.batch_size % micro == 0
        _require(self, "batch_size", divides, f"must be a multiple of micro_batch_size={micro}")
        later = self.decay_steps > warmup and self.decay_steps >= steps
        rule = f"must exceed warmup_steps={warmup} and be at least steps={steps}"
        _require(self, "decay_steps", later, rule)
        known = self.precision in ("auto", "fp32", "bf16", "fp16")
        _require(self, "precision", known, "must be auto, fp32, bf16 or fp16")
        _require(self, "zero_stage", self.zero_stage in (0, 1, 2, 3), "must be 0 to 3")

    def for_ranks(self, ranks: int) -> Self:
        """This stage with a micro-batch no larger than one rank's share of the batch."""
        share = max(1, self.batch_size // ranks)
        return replace(self, micro_batch_size=min(self.micro_batch_size, share))

    @property
    def tokens_per_step(self) -> int:
        """Tokens one optimizer step reads, all ranks together."""
        return self.batch_size * self.context_length

    @property
    def tokens(self) -> int:
        """Tokens the whole stage reads."""
        return self.steps * self.tokens_per_step


@dataclass(frozen=True)
class DataConfig(_Config):
    """What a preset reads, and how its tokenizer and its exercises are made."""

    source: str  # "local": the learner's own environment; "the-stack": the paper's raw pool
    corpus_mb: float  # megabytes of raw Python read from the source; 0 means all
    keep_fraction: float  # share of snippets the quality filter keeps, best first
    tokenizer: str  # "train": our own, on what the filter kept; "codegen": phi-1's own vocabulary
    train_exercises: int
    test_exercises: int
    humaneval_new_tokens: int = 300  # length of a completion (the authors' harness: 300)
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, 0, "corpus_mb")
        _at_least(self, 1, "train_exercises", "test_exercises", "humaneval_new_tokens")
        _require(self, "keep_fraction", 0 < self.keep_fraction <= 1, "must be above 0, at most 1")
        _require(self, "source", self.source in ("local", "the-stack"), "local or the-stack")
        _require(self, "tokenizer", self.tokenizer in ("train", "codegen"), "train or codegen")


@dataclass(frozen=True)
class Preset:
    """One rung of the ladder: everything `phi1 run NAME` needs."""

    name: str
    about: str  # where it runs and how long it takes
    model: PhiConfig
    data: DataConfig
    pretrain: TrainConfig
    finetune: TrainConfig


def _small_model(vocab_size: int, width: int, layers: int, heads: int, context: int) -> PhiConfig:
    """A phi-1 block at laptop size; our tokenizer puts `<|endoftext|>` last."""
    return PhiConfig(
        vocab_size=vocab_size,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=context,
        bos_token_id=vocab_size - 1,
        eos_token_id=vocab_size - 1,
        used_vocab_size=vocab_size,
    )


# The laptop rungs have a larger rate, as small models want: ours, by trial. smoke trains in fp32:
# tests and chapter 14 want the same numbers, to rounding, on every processor.
_SMOKE_STAGE = TrainConfig(
    steps=40,
    batch_size=8,
    micro_batch_size=4,
    context_length=128,
    learning_rate=3e-3,
    warmup_steps=4,
    decay_steps=40,
    weight_decay=0.1,
    dropout=0.0,
    checkpoint_every=4,
)
_NANO_PRETRAIN = TrainConfig(
    steps=250,
    batch_size=16,
    micro_batch_size=16,
    context_length=256,
    learning_rate=3e-3,
    warmup_steps=25,
    decay_steps=250,
    weight_decay=0.1,
    dropout=0.0,
    precision="auto",
    checkpoint_every=50,
)
_NANO_FINETUNE = replace(
    _NANO_PRETRAIN, steps=1_000, warmup_steps=20, decay_steps=1_000, weight_decay=0.01
)
_PHI1_PRETRAIN = TrainConfig(
    steps=24_000,  # the paper runs 36,000 and keeps the checkpoint at 24,000
    batch_size=1_024,
    micro_batch_size=4,
    context_length=2_048,
    learning_rate=1e-3,
    warmup_steps=750,
    decay_steps=36_000,
    weight_decay=0.1,
    precision="fp16",
    checkpoint_every=1_000,
)
_PHI1_FINETUNE = replace(
    _PHI1_PRETRAIN,
    steps=6_000,  # the paper keeps the best of every 1,000; how it chose is not stated
    batch_size=256,
    learning_rate=1e-4,
    warmup_steps=50,
    decay_steps=6_000,
    weight_decay=0.01,
)
_MINI_STAGE = TrainConfig(
    steps=2_000,
    batch_size=64,
    micro_batch_size=16,
    context_length=1_024,
    learning_rate=1e-3,
    warmup_steps=100,
    decay_steps=2_000,
    weight_decay=0.1,
    precision="bf16",
    checkpoint_every=200,
)
_PHI1_DATA = DataConfig(
    source="the-stack",
    corpus_mb=0,
    keep_fraction=6 / 35,  # paper section 2.1: about 6B of 35B tokens were kept
    tokenizer="codegen",
    train_exercises=100_000,  # ours: what our generator makes in minutes; the paper has 879,500
    test_exercises=1_000,
)

PRESETS: dict[str, Preset] = {
    "smoke": Preset(
        name="smoke",
        about="a cut of nano for tests: the whole chain on 2 CPU cores in under a minute",
        model=_small_model(vocab_size=384, width=64, layers=2, heads=4, context=128),
        data=DataConfig(
            source="local",
            corpus_mb=1,
            keep_fraction=0.25,
            tokenizer="train",
            train_exercises=400,
            test_exercises=20,
            humaneval_new_tokens=16,
        ),
        pretrain=_SMOKE_STAGE,
        finetune=_SMOKE_STAGE,
    ),
    "nano": Preset(
        name="nano",
        about="a laptop CPU (2 cores), under 10 minutes",
        model=_small_model(vocab_size=512, width=128, layers=4, heads=4, context=256),
        data=DataConfig(
            source="local",
            corpus_mb=30,
            keep_fraction=0.15,
            tokenizer="train",
            train_exercises=20_000,
            test_exercises=200,
            humaneval_new_tokens=96,
        ),
        pretrain=_NANO_PRETRAIN,
        finetune=_NANO_FINETUNE,
    ),
    "mini": Preset(
        name="mini",
        about="one GPU, under half an hour (not measured yet)",
        model=_small_model(vocab_size=8_192, width=512, layers=8, heads=8, context=1_024),
        data=DataConfig(
            source="local",
            corpus_mb=0,
            keep_fraction=0.2,
            tokenizer="train",
            train_exercises=100_000,
            test_exercises=500,
        ),
        pretrain=_MINI_STAGE,
        finetune=_MINI_STAGE,
    ),
    "small": Preset(
        name="small",
        about="phi-1-small, 8 GPUs (not measured yet)",
        model=PhiConfig(
            hidden_size=1_024,
            intermediate_size=4_096,
            num_hidden_layers=20,
            num_attention_heads=16,
        ),
        data=_PHI1_DATA,
        pretrain=_PHI1_PRETRAIN,
        finetune=_PHI1_FINETUNE,
    ),
    "full": Preset(
        name="full",
        about="phi-1, 8 A100: about 4 days by the paper (not measured yet)",
        model=PhiConfig(),
        data=_PHI1_DATA,
        pretrain=_PHI1_PRETRAIN,
        finetune=_PHI1_FINETUNE,
    ),
}


def get_preset(name: str) -> Preset:
    """Return the preset of that name.

    Raises:
        ValueError: there is no such preset; the message lists those there are.
    """
    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}; choose one of: {', '.join(PRESETS)}")
    return PRESETS[name]
