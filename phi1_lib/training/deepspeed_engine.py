"""The DeepSpeed engine: many ranks, ZeRO 0 to 3, on GPUs over NCCL or on CPUs over gloo.

The only module that imports deepspeed. Each rank is a process that DeepSpeed's launcher started
(`phi1_lib.training.launch`).
"""

import importlib.util
import logging
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from phi1_lib.config import TrainConfig
from phi1_lib.model import Phi
from phi1_lib.training.checkpoint import read_state, write_state
from phi1_lib.training.device import check_precision, choose_device
from phi1_lib.training.loss import LanguageModelLoss
from phi1_lib.training.optimizer import make_optimizer
from phi1_lib.training.weights import export_weights

TAG = "deepspeed"  # the folder of DeepSpeed's own files inside a checkpoint


def deepspeed_config(config: TrainConfig, ranks: int) -> dict[str, Any]:
    """DeepSpeed's configuration for this stage.

    Optimizer and schedule are not in it: the loop hands DeepSpeed the same AdamW and sets the same
    rate as it does without.

    Source: DeepSpeed's "configuration JSON" documentation.

    Raises:
        ValueError: the batch does not divide into micro-batches over the ranks.
    """
    if config.batch_size % (config.micro_batch_size * ranks):
        raise ValueError(
            f"batch_size={config.batch_size} does not divide into micro-batches of "
            f"{config.micro_batch_size} on {ranks} ranks; change batch_size, micro_batch_size or "
            "the number of ranks"
        )
    return {
        "train_batch_size": config.batch_size,
        "train_micro_batch_size_per_gpu": config.micro_batch_size,
        "gradient_clipping": config.gradient_clip,
        "zero_optimization": {"stage": config.zero_stage},
        "bf16": {"enabled": config.precision == "bf16"},
        "fp16": {
            "enabled": config.precision == "fp16",
            "initial_scale_power": config.initial_loss_scale_power,
        },
    }


def check_deepspeed() -> None:
    """Check that DeepSpeed can run here, without importing it (seconds).

    Raises:
        ValueError: this system is not one it runs on.
        ImportError: it is not installed.
    """
    if sys.platform != "linux":
        raise ValueError(
            f"DeepSpeed runs on Linux (or in WSL2), and this is {sys.platform}; "
            "use the plain engine: --launcher torch"
        )
    if importlib.util.find_spec("deepspeed") is None:
        raise ImportError(
            "deepspeed is not installed; install it with `DS_BUILD_OPS=0 pip install deepspeed`, "
            "or use the plain engine: --launcher torch"
        )


def _import_deepspeed() -> Any:
    import deepspeed

    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    # On CPUs DeepSpeed would compile an operator for reductions through shared memory: minutes, a
    # C++ compiler, and files left in /dev/shm when a rank is killed. gloo does the same.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    return deepspeed


def world_size() -> int:
    """How many ranks DeepSpeed's launcher started; 1 if this process was not started by it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


class DeepSpeedEngine:
    """DeepSpeed's engine with the few methods more that the loop asks of one.

    16-bit runs hold 16-bit weights for the products and fp32 copies of them, divided over the
    ranks from ZeRO 1 on; fp16 scales the loss dynamically and needs a GPU.
    """

    def __init__(
        self, model: Phi, config: TrainConfig, *, end_of_text_id: int | None = None
    ) -> None:
        check_deepspeed()
        if "RANK" not in os.environ:
            raise ValueError(
                "engine='deepspeed' needs DeepSpeed's launcher to start each rank; use "
                "phi1_lib.training.launch, or --launcher deepspeed at the command line"
            )
        check_precision(config.precision, choose_device())
        deepspeed = _import_deepspeed()
        deepspeed.init_distributed()
        self._deepspeed = deepspeed
        self.rank = deepspeed.comm.get_rank()
        self.ranks = deepspeed.comm.get_world_size()
        self.config = model.config
        loss = LanguageModelLoss(model, end_of_text_id).train()
        optimizer = make_optimizer(loss, config)
        # Without ZeRO and in 16 bit DeepSpeed makes room for the moments by an update with zero
        # gradients. It must not decay the weights, nor count as AdamW's first: the real first
        # would shrink by a quarter.
        _set_rate(optimizer, 0.0)
        self._engine, *_ = deepspeed.initialize(
            model=loss, optimizer=optimizer, config=deepspeed_config(config, self.ranks)
        )
        if config.zero_stage == 0:
            optimizer.state.clear()
        self._engine.checkpoint_engine = _safe_checkpoint_engine()
        # Without ZeRO and in fp32 it is a bare AdamW that runs, and DeepSpeed notes no norm.
        self._notes_no_norm = config.zero_stage == 0 and config.precision == "fp32"
        self._grad_norm = 0.0

    def __call__(self, ids: Tensor) -> Tensor:
        """Loss of one micro-batch of ids, `(b, T + 1)` int64, on this rank."""
        return self._engine(ids.to(self._engine.device))

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of one micro-batch; DeepSpeed divides and reduces them."""
        self._engine.backward(loss)

    def step(self) -> None:
        """Count one micro-batch; after the last of the batch, clip, update and clear."""
        if self._notes_no_norm and self._engine.is_gradient_accumulation_boundary():
            gradients = [p.grad for p in self._engine.module.parameters()]
            self._grad_norm = torch.nn.utils.get_total_norm(gradients).item()
        self._engine.step()

    def get_global_grad_norm(self) -> float:
        """Norm of all gradients of the last update together, before clipping."""
        return (
            self._grad_norm if self._notes_no_norm else float(self._engine.get_global_grad_norm())
        )

    def set_learning_rate(self, rate: float) -> None:
        """Set the rate of the next update."""
        _set_rate(self._engine.optimizer, rate)

    def mean(self, value: float) -> float:
        """The mean of `value` over all ranks. Every rank calls it."""
        total = torch.tensor(value, dtype=torch.float64, device=self._engine.device)
        self._deepspeed.comm.all_reduce(total)
        return total.item() / self.ranks

    def barrier(self) -> None:
        """Wait until every rank is here."""
        self._deepspeed.comm.barrier()

    def save(self, folder: Path) -> None:
        """Write the full weights, and each rank its part of the state. Every rank calls it."""
        self.export(folder)
        self._engine.save_checkpoint(str(folder), tag=TAG, save_latest=False)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote, with the same number of ranks. No code in the files is run."""
        self._engine.load_checkpoint(str(folder), tag=TAG)

    def export(self, folder: Path) -> None:
        """Write the full fp32 weights as a Hugging Face folder. Every rank calls it; 0 writes."""
        full = {}
        for name, parameter in self._engine.module.model.named_parameters():
            weight = self._full_weight(parameter)
            if self.rank == 0:
                full[name] = weight.detach().float().cpu()
        if self.rank == 0:
            with torch.device("meta"):  # initial weights would draw from dropout's generator
                model = Phi(self.config)
            model.load_state_dict(full, assign=True)
            export_weights(model, folder)

    def _full_weight(self, parameter: Tensor) -> Tensor:
        """One parameter, whole. Under ZeRO in fp32, and every rank calls it; else as it is."""
        weight = self._deepspeed.utils.safe_get_full_fp32_param(parameter)
        return parameter if weight is None else weight


def _set_rate(optimizer: Any, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _safe_checkpoint_engine() -> Any:
    """DeepSpeed's reader and writer of files, with a reader that runs no code from them.

    DeepSpeed's own reader unpickles anything. This one accepts tensors, plain values and the few
    classes DeepSpeed writes.
    """
    from deepspeed.runtime.checkpoint_engine.torch_checkpoint_engine import TorchCheckpointEngine
    from deepspeed.runtime.fp16.loss_scaler import DynamicLossScaler, LossScaler
    from deepspeed.runtime.zero.config import ZeroStageEnum
    from deepspeed.utils.tensor_fragment import fragment_address

    known = [DynamicLossScaler, LossScaler, ZeroStageEnum, fragment_address]

    class SafeCheckpointEngine(TorchCheckpointEngine):
        def save(self, state_dict: dict, path: str) -> None:
            write_state(state_dict, Path(path))

        def load(self, path: str, map_location: Any = None) -> dict:
            with torch.serialization.safe_globals(known):
                return read_state(Path(path), map_location)

    return SafeCheckpointEngine()
