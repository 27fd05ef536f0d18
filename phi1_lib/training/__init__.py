"""Training: one loop over two engines, plain PyTorch and DeepSpeed."""

from phi1_lib.training.checkpoint import latest_checkpoint
from phi1_lib.training.loop import TrainResult, train
from phi1_lib.training.metrics import read_metrics
from phi1_lib.training.schedule import learning_rate

__all__ = ["TrainResult", "latest_checkpoint", "learning_rate", "read_metrics", "train"]
