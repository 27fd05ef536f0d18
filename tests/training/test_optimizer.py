"""Oracle: Loshchilov and Hutter's algorithm 2 in float64; torch.optim.AdamW."""

from dataclasses import replace

import torch
from torch import nn

from phi1_lib.model import Phi
from phi1_lib.training.engine import TorchEngine
from phi1_lib.training.optimizer import make_optimizer, parameter_groups


def test_matrices_decay_and_biases_and_norms_do_not(model_config):
    model = Phi(model_config)
    decayed, free = parameter_groups(model, 0.1)
    names = {id(p): name for name, p in model.named_parameters()}
    assert {"weight_decay": 0.1} == {k: v for k, v in decayed.items() if k != "params"}
    assert {"weight_decay": 0.0} == {k: v for k, v in free.items() if k != "params"}
    expected_free = {
        name
        for module_name, module in model.named_modules()
        for short, _ in module.named_parameters(recurse=False)
        if (name := f"{module_name}.{short}".lstrip("."))
        and (short == "bias" or isinstance(module, nn.LayerNorm))
    }
    assert {names[id(p)] for p in free["params"]} == expected_free
    assert len(decayed["params"]) + len(free["params"]) == len(list(model.parameters()))


def test_three_updates_are_the_algorithm(train_config):
    config = replace(train_config, weight_decay=0.3, beta1=0.8, beta2=0.9, epsilon=1e-3)
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    weights = {"weight": layer.weight.detach().double(), "bias": layer.bias.detach().double()}
    moments = {name: (torch.zeros_like(w), torch.zeros_like(w)) for name, w in weights.items()}
    optimizer = make_optimizer(layer, config)
    for t in range(1, 4):
        x = torch.randn(5, 3)
        optimizer.zero_grad()
        layer(x).square().sum().backward()
        optimizer.step()
        residual = 2 * (x.double() @ weights["weight"].T + weights["bias"])
        gradients = {"weight": residual.T @ x.double(), "bias": residual.sum(0)}
        for name, gradient in gradients.items():
            first, second = moments[name]
            first = 0.8 * first + 0.2 * gradient
            second = 0.9 * second + 0.1 * gradient**2
            moments[name] = first, second
            decay = 0.3 if name == "weight" else 0.0
            weights[name] = weights[name] * (1 - config.learning_rate * decay)
            weights[name] -= (
                config.learning_rate
                * (first / (1 - 0.8**t))
                / ((second / (1 - 0.9**t)).sqrt() + 1e-3)
            )
    for name, expected in weights.items():
        torch.testing.assert_close(layer.get_parameter(name).double(), expected)


def test_the_engine_steps_as_a_bare_training_loop_does(model_config, train_config, dataset):
    """Oracle: PyTorch used directly, one batch at a time, same groups written out."""
    config = replace(train_config, micro_batch_size=8, gradient_clip=0.5)
    torch.manual_seed(0)
    model = Phi(model_config).double()
    torch.manual_seed(0)
    oracle = Phi(model_config).double()
    engine = TorchEngine(model, config, device=torch.device("cpu"))
    matrices = [p for p in oracle.parameters() if p.ndim == 2]
    vectors = [p for p in oracle.parameters() if p.ndim == 1]
    adamw = torch.optim.AdamW(
        [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}],
        lr=1e-2,
        betas=(0.9, 0.95),
        eps=1e-7,
        weight_decay=0.1,
    )
    for step in range(3):
        ids = torch.from_numpy(dataset.batch(8 * step, 8))
        engine.backward(engine(ids))
        engine.step()
        logits = oracle(ids[:, :-1])
        loss = nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:])
        adamw.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(oracle.parameters(), 0.5)
        adamw.step()
        assert norm > 0.5  # so that clipping is seen to happen
        torch.testing.assert_close(
            torch.tensor(engine.get_global_grad_norm()), norm, check_dtype=False
        )
    for ours, theirs in zip(model.parameters(), oracle.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)
