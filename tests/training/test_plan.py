"""The plan's arithmetic, against the paper's own GPU-hours and by hand."""

import pytest

from phi1_lib.config import PRESETS
from phi1_lib.training.plan import GPUS, accumulation_steps, make_plan, print_plan


def test_full_on_a100_matches_the_paper():
    plan = make_plan(PRESETS["full"], 8, "a100")
    # The assumed MFU is derived from the paper's 770 GPU-hours, rounded to two digits.
    assert plan.stages[0].gpu_hours == pytest.approx(770, rel=0.01)
    assert plan.stages[0].seconds == pytest.approx(plan.stages[0].gpu_hours / 8 * 3600)


def test_doubling_the_gpus_halves_the_time_and_keeps_the_gpu_hours():
    eight, sixteen = (make_plan(PRESETS["full"], gpus, "h100") for gpus in (8, 16))
    assert sixteen.stages[0].seconds == pytest.approx(eight.stages[0].seconds / 2)
    assert sixteen.gpu_hours == pytest.approx(eight.gpu_hours)


def test_accumulation():
    assert accumulation_steps(PRESETS["full"].pretrain, 8) == 32  # 1024 / (4 x 8)
    with pytest.raises(ValueError, match="ranks=7"):
        accumulation_steps(PRESETS["full"].pretrain, 7)


def test_unknown_gpu_is_named():
    with pytest.raises(ValueError, match=f"'v100'.*{', '.join(GPUS)}"):
        make_plan(PRESETS["full"], 8, "v100")


def test_full_fits_an_a100_and_a_tiny_gpu_is_refused(capsys):
    plan = make_plan(PRESETS["full"], 8, "a100")
    assert all(plan.fits(stage) for stage in plan.stages)
    print_plan(plan, price_per_gpu_hour=2.0)
    printed = " ".join(capsys.readouterr().out.split())
    assert "1,418,270,720 parameters" in printed
    assert f"Cost: {2 * plan.gpu_hours:,.0f} at 2 a GPU-hour" in printed
