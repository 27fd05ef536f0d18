"""The released phi-1 itself, for those who have it: `pytest tests/model --phi1-weights FOLDER`."""

import pytest
import torch

from phi1_lib.model import Phi, count_parameters

# Source: transformers' own test of "microsoft/phi-1" (tests/models/phi/test_modeling_phi.py,
# test_model_phi_1_logits): the first 30 logits of the first two positions, in float32, to 4 digits
# after the point, compared there with rtol = atol = 1e-4.
IDS = [1212, 318, 281, 1672, 2643, 290, 428, 318, 257, 1332]
LOGITS = [
    [2.2671, 6.7684, -2.0107, -1.2440, -1.5335, -2.3828, 6.9186, 6.4245, 3.1548, 0.9998]
    + [0.0760, 4.4653, 4.9857, 4.2956, 1.2308, -1.4178, 0.1361, 0.5191, -0.5699, -2.2201]
    + [-3.0750, -3.9600, -4.5936, -3.7394, -2.7777, 6.1874, -0.4148, -1.5684, -0.5967, 0.2395],
    [1.7004, 4.0383, 0.0546, 0.4530, -0.3619, -0.9021, 1.8355, 1.3587, 1.2406, 2.5775]
    + [-0.8834, 5.1910, 4.2565, 4.1406, 3.0752, -0.9099, 1.1595, 0.0264, 0.3243, -1.1803]
    + [-1.3945, -2.1406, -3.9939, -1.4438, -2.9546, 3.9204, 1.0851, -1.0598, -1.7819, -0.4827],
]


@pytest.fixture(scope="module")
def phi1(request) -> Phi:
    folder = request.config.getoption("--phi1-weights", default=None)
    if folder is None:
        pytest.skip("phi-1's weights are not here; give their folder with --phi1-weights")
    return Phi.from_pretrained(folder, dtype=torch.float32)


def test_logits_are_those_published(phi1):
    with torch.no_grad():
        logits = phi1(torch.tensor([IDS]))[0, :2, :30]
    torch.testing.assert_close(logits, torch.tensor(LOGITS), rtol=1e-4, atol=1e-4)


def test_it_is_phi1(phi1):
    assert count_parameters(phi1.config) == 1_418_270_720
    assert (phi1.config.used_vocab_size, phi1.config.eos_token_id) == (50_295, 50_256)
