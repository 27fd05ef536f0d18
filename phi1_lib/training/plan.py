"""What a run will need, before it starts: memory on each GPU, throughput, time, cost and disk.

Every figure is arithmetic on the preset. Only two numbers are assumptions: the share of the GPU's
peak that training reaches (MFU, by the formula of `phi1_lib.model.flops`), taken from a published
run that is named, and the price of a GPU-hour, which you give.
"""

from dataclasses import asdict, dataclass

from phi1_lib.config import Preset, TrainConfig
from phi1_lib.model.flops import (
    TrainingMemory,
    count_parameters,
    flops_per_token,
    training_memory_bytes,
)

GIB = 2**30


@dataclass(frozen=True)
class Gpu:
    """A kind of GPU. Peak: dense 16-bit TFLOP/s from the maker's data sheet; memory in GiB."""

    name: str
    memory_gib: float
    peak_tflops: float
    mfu: float  # assumed share of the peak
    mfu_source: str


_PHI1_MFU = "phi-1 itself: 770 GPU-hours for 24,000 steps on A100 (derived from the paper)"
_FOUNDRY_MFU = "llm-foundry's published 1.32B run on 8 H100, bf16, 2,048 tokens"
GPUS = {
    "a100": Gpu("A100 80GB", 80e9 / GIB, 312, 0.53, _PHI1_MFU),
    "h100": Gpu("H100 SXM 80GB", 80e9 / GIB, 989, 0.418, _FOUNDRY_MFU),
    "h200": Gpu("H200 SXM 141GB", 141e9 / GIB, 989, 0.418, _FOUNDRY_MFU + " (assumed for H200)"),
}


@dataclass(frozen=True)
class StagePlan:
    """One stage's forecast; `memory` is per rank, `seconds` is wall time."""

    stage: str
    tokens: int
    steps: int
    accumulation: int
    tokens_per_second: float
    seconds: float
    gpu_hours: float
    memory: TrainingMemory  # bytes
    data_bytes: int


@dataclass(frozen=True)
class Plan:
    """The forecast of a preset on `gpus` GPUs of one kind."""

    preset: str
    gpu: Gpu
    gpus: int
    parameters: int
    flops_per_token: float
    stages: tuple[StagePlan, ...]
    checkpoint_bytes: int

    @property
    def gpu_hours(self) -> float:
        return sum(stage.gpu_hours for stage in self.stages)

    def fits(self, stage: StagePlan) -> bool:
        """Whether a rank's memory stays under 80 % of the GPU's (the rest: buffers, driver)."""
        return stage.memory.total <= 0.8 * self.gpu.memory_gib * GIB


def accumulation_steps(config: TrainConfig, ranks: int) -> int:
    """Micro-batches each rank adds up before one optimizer step.

    Raises:
        ValueError: the batch cannot be shared evenly over the ranks.
    """
    share = config.micro_batch_size * ranks
    if ranks < 1 or config.batch_size % share:
        raise ValueError(
            f"batch_size={config.batch_size} cannot be shared over ranks={ranks} with "
            f"micro_batch_size={config.micro_batch_size}: it must be a multiple of {share}"
        )
    return config.batch_size // share


def make_plan(preset: Preset, gpus: int, gpu: str) -> Plan:
    """Forecast both training stages of `preset` on `gpus` GPUs of kind `gpu`.

    Raises:
        ValueError: the kind of GPU is unknown, or the batch cannot be shared over the GPUs.
    """
    if gpu not in GPUS:
        raise ValueError(f"there is no GPU {gpu!r} in the plan; choose one of: {', '.join(GPUS)}")
    kind = GPUS[gpu]
    parameters = count_parameters(preset.model)
    stages = tuple(
        _plan_stage(name, preset, config, kind, gpus)
        for name, config in (("pretrain", preset.pretrain), ("finetune", preset.finetune))
    )
    return Plan(
        preset=preset.name,
        gpu=kind,
        gpus=gpus,
        parameters=parameters,
        flops_per_token=flops_per_token(preset.model, preset.pretrain.context_length),
        stages=stages,
        # fp32 weights and AdamW's two moments, whatever the precision of the forward pass.
        checkpoint_bytes=12 * parameters,
    )


def _plan_stage(name: str, preset: Preset, config: TrainConfig, gpu: Gpu, gpus: int) -> StagePlan:
    flops = flops_per_token(preset.model, config.context_length)
    rate = gpus * gpu.mfu * gpu.peak_tflops * 1e12 / flops
    seconds = config.tokens / rate
    return StagePlan(
        stage=name,
        tokens=config.tokens,
        steps=config.steps,
        accumulation=accumulation_steps(config, gpus),
        tokens_per_second=rate,
        seconds=seconds,
        gpu_hours=gpus * seconds / 3600,
        memory=training_memory_bytes(preset.model, config, gpus),
        data_bytes=config.tokens * (2 if preset.model.vocab_size <= 2**16 else 4),
    )


def print_plan(plan: Plan, price_per_gpu_hour: float | None = None) -> None:
    """Print a plan as two tables, with what each assumption rests on."""
    from rich.console import Console, Group

    gpu = plan.gpu
    cost = (
        f"{plan.gpu_hours * price_per_gpu_hour:,.0f} at {price_per_gpu_hour:g} a GPU-hour"
        if price_per_gpu_hour is not None
        else "give --price, what one GPU-hour costs you"
    )
    lines = [
        f"{plan.preset}: {plan.parameters:,} parameters on {plan.gpus} x {gpu.name}",
        f"{plan.flops_per_token / 1e9:.3f} GFLOP a token (formula A of phi1_lib.model.flops)",
        _time_table(plan),
        _memory_table(plan),
        f"GPU-hours: {plan.gpu_hours:,.0f}. Cost: {cost}.",
        f"A checkpoint with its optimizer state: {plan.checkpoint_bytes / 1e9:.1f} GB.",
        f"Assumed: {gpu.mfu:.1%} of {gpu.peak_tflops:g} TFLOP/s. Source: {gpu.mfu_source}.",
    ]
    Console(highlight=False).print(Group(*lines))


def _time_table(plan: Plan):
    from rich.table import Table

    table = Table(title="Time", title_justify="left")
    for name in ("stage", "tokens", "steps", "accumulation", "tokens/s", "days", "GPU-hours"):
        table.add_column(name, justify="right")
    for stage in plan.stages:
        table.add_row(
            stage.stage,
            f"{stage.tokens / 1e9:,.2f} B",
            f"{stage.steps:,}",
            str(stage.accumulation),
            f"{stage.tokens_per_second:,.0f}",
            f"{stage.seconds / 86_400:.2f}",
            f"{stage.gpu_hours:,.0f}",
        )
    return table


def _memory_table(plan: Plan):
    from rich.table import Table

    table = Table(title="Memory of one rank, GiB", title_justify="left")
    parts = list(asdict(plan.stages[0].memory))
    for name in ("stage", *parts, "total", f"fits in {plan.gpu.memory_gib:.1f}"):
        table.add_column(name, justify="right")
    for stage in plan.stages:
        sizes = asdict(stage.memory)
        table.add_row(
            stage.stage,
            *(f"{sizes[part] / GIB:.1f}" for part in parts),
            f"{stage.memory.total / GIB:.1f}",
            "yes" if plan.fits(stage) else "no",
        )
    return table
