"""The plain PyTorch engine: one process, one device.

An engine has the shape of DeepSpeed's: `loss = engine(ids)`, `engine.backward(loss)` and
`engine.step()` for every micro-batch; the weights change at the last micro-batch of a batch.
"""

from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor

from phi1_lib.config import TrainConfig
from phi1_lib.model import Phi
from phi1_lib.training.checkpoint import read_state, write_state
from phi1_lib.training.device import check_precision, choose_device
from phi1_lib.training.loss import LanguageModelLoss
from phi1_lib.training.optimizer import make_optimizer
from phi1_lib.training.weights import export_weights, load_weights

OPTIMIZER_FILE = "optimizer.pt"
_AUTOCAST_DTYPE = {"bf16": torch.bfloat16, "fp16": torch.float16}


class TorchEngine:
    """Trains on one device in fp32, in bf16 (autocast), or in fp16 (autocast and loss scaling).

    Weights, their gradients and AdamW's moments stay fp32; in 16 bit only the products are.
    """

    rank = 0
    ranks = 1

    def __init__(
        self,
        model: Phi,
        config: TrainConfig,
        *,
        end_of_text_id: int | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.device = device or choose_device()
        check_precision(config.precision, self.device)
        self.model = model.to(self.device)
        self.loss = LanguageModelLoss(self.model, end_of_text_id).train()
        self.optimizer = make_optimizer(self.model, config)
        self.gradient_clip = config.gradient_clip
        self.accumulation = config.batch_size // config.micro_batch_size
        self.dtype = _AUTOCAST_DTYPE.get(config.precision)
        self.scaler = torch.amp.GradScaler(
            self.device.type,
            init_scale=2.0**config.initial_loss_scale_power,
            enabled=config.precision == "fp16",
        )
        self._micro_steps = 0
        self._grad_norm = 0.0

    def __call__(self, ids: Tensor) -> Tensor:
        """Loss of one micro-batch of ids, `(b, T + 1)` int64: a scalar with its graph."""
        with torch.autocast(self.device.type, self.dtype) if self.dtype else nullcontext():
            return self.loss(ids.to(self.device))

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of one micro-batch, as its share of the batch's mean."""
        self.scaler.scale(loss / self.accumulation).backward()

    def step(self) -> None:
        """Count one micro-batch; after the last of the batch, clip, update and clear."""
        self._micro_steps += 1
        if self._micro_steps % self.accumulation:
            return
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.gradient_clip)
        self._grad_norm = norm.item()
        self.scaler.step(self.optimizer)  # skips the update if a gradient overflowed
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

    def get_global_grad_norm(self) -> float:
        """Norm of all gradients of the last update together, before clipping."""
        return self._grad_norm

    def set_learning_rate(self, rate: float) -> None:
        """Set the rate of the next update."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def mean(self, value: float) -> float:
        """The mean of `value` over all ranks: here there is one."""
        return value

    def barrier(self) -> None:
        """Wait for the other ranks: here there are none."""

    def save(self, folder: Path) -> None:
        """Write weights (as a Hugging Face folder) and optimizer state into `folder`."""
        export_weights(self.model, folder)
        state = {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}
        write_state(state, folder / OPTIMIZER_FILE)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote. No code in the files is run."""
        load_weights(self.model, folder)
        state = read_state(folder / OPTIMIZER_FILE)
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(state["scaler"])

    def export(self, folder: Path) -> None:
        """Write the weights as a Hugging Face folder."""
        export_weights(self.model, folder)
