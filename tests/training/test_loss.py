"""Oracles: the definition in float64 by hand; attention over separate documents."""

import torch

from phi1_lib.model import Phi
from phi1_lib.training.loss import LanguageModelLoss, next_token_loss


def _definition(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """-log softmax at the target, averaged, in float64."""
    logits = logits.double()
    log_total = torch.logsumexp(logits, dim=-1)
    at_target = logits.gather(-1, targets[..., None])[..., 0]
    return (log_total - at_target).mean()


def test_loss_is_the_definition_in_every_dtype():
    torch.manual_seed(0)
    targets = torch.randint(0, 50, (3, 5))
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        logits = (torch.randn(3, 5, 50) * 8).to(dtype)
        expected = _definition(logits, targets)
        reference = torch.nn.functional.cross_entropy(logits.float().view(-1, 50), targets.view(-1))
        allowed = 2 * (reference.double() - expected).abs() + 4 * 2**-23 * expected.abs()
        loss = next_token_loss(logits, targets)
        assert loss.dtype == torch.float32
        assert (loss.double() - expected).abs() <= allowed, dtype


def test_loss_does_not_overflow():
    """float16 holds no more than 65,504 and exp(90) is beyond fp32."""
    logits = torch.tensor([[[60_000.0, 0.0]]], dtype=torch.float16)
    assert next_token_loss(logits, torch.tensor([[0]])).item() == 0.0
    assert next_token_loss(logits, torch.tensor([[1]])).item() == 60_000.0


def test_every_token_is_predicted_from_those_before_it(model_config):
    torch.manual_seed(0)
    model = Phi(model_config).double()
    ids = torch.randint(0, 60, (2, 9))
    loss = LanguageModelLoss(model)(ids)
    with torch.no_grad():
        by_hand = [
            _definition(model(ids[b : b + 1, : t + 1])[:, -1:], ids[b : b + 1, t + 1 : t + 2])
            for b in range(2)
            for t in range(8)
        ]
    torch.testing.assert_close(loss, torch.stack(by_hand).mean())


def test_masked_loss_is_that_of_the_documents_alone(model_config):
    """Oracle: each piece between borders run through the model by itself."""
    torch.manual_seed(0)
    model = Phi(model_config).double()
    ids = torch.randint(0, 60, (2, 11))
    ids[0, 3] = ids[0, 7] = ids[1, 9] = 60
    masked = LanguageModelLoss(model, end_of_text_id=60)(ids)
    pieces = [(0, 0, 4), (0, 4, 8), (0, 8, 10), (1, 0, 10)]
    total = torch.zeros((), dtype=torch.float64)
    with torch.no_grad():
        for row, begin, end in pieces:
            logits = model(ids[row : row + 1, begin:end])
            total += _definition(logits, ids[row : row + 1, begin + 1 : end + 1]) * (end - begin)
    torch.testing.assert_close(masked, total / 20)
    assert not torch.isclose(masked, LanguageModelLoss(model)(ids))
