"""Checkpoints: whole or absent, exact, and clear when something is wrong."""

import errno
import json

import pytest
import torch

from phi1_lib.model import Phi
from phi1_lib.training import checkpoint as checkpoint_module
from phi1_lib.training.checkpoint import (
    check_made_by,
    latest_checkpoint,
    list_checkpoints,
    load_checkpoint,
    save_checkpoint,
)
from phi1_lib.training.engine import TorchEngine

MADE_BY = {"engine": "torch", "train": {"learning_rate": 0.1, "steps": 5, "betas": (0.9, 0.95)}}


@pytest.fixture
def engine(model_config, train_config, dataset) -> TorchEngine:
    torch.manual_seed(0)
    engine = TorchEngine(Phi(model_config), train_config, device=torch.device("cpu"))
    for first in (0, 4):
        engine.backward(engine(torch.from_numpy(dataset.batch(first, 4))))
        engine.step()
    return engine


def test_weights_optimizer_and_random_state_come_back_bit_for_bit(
    engine, model_config, train_config, tmp_path
):
    path = save_checkpoint(engine, tmp_path, 100, MADE_BY)
    assert path.name == "step-000100"
    expected_draw = torch.rand(3)
    torch.manual_seed(9)
    other = TorchEngine(Phi(model_config), train_config, device=torch.device("cpu"))
    assert load_checkpoint(other, path) == 100
    assert torch.equal(torch.rand(3), expected_draw)
    for ours, theirs in zip(
        engine.model.state_dict().values(), other.model.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs)
    ours, theirs = engine.optimizer.state_dict()["state"], other.optimizer.state_dict()["state"]
    assert ours.keys() == theirs.keys()
    for index, state in ours.items():
        assert all(torch.equal(value, theirs[index][key]) for key, value in state.items())


def test_a_checkpoint_is_a_model_folder(engine, tmp_path, dataset):
    path = save_checkpoint(engine, tmp_path, 1, MADE_BY)
    ids = torch.from_numpy(dataset.batch(0, 1))[:, :-1]
    with torch.no_grad():
        assert torch.equal(Phi.from_pretrained(path)(ids), engine.model.eval()(ids))


def test_the_last_two_are_kept_and_the_newest_is_found_by_number(engine, tmp_path):
    assert latest_checkpoint(tmp_path) is None
    for step in (1, 9, 10):
        save_checkpoint(engine, tmp_path, step, MADE_BY)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000009", "step-000010"]
    (tmp_path / "step-000009").rename(tmp_path / "step-999999")
    (tmp_path / "step-000010").rename(tmp_path / "step-1000000")
    (tmp_path / "step-2000000.partial").mkdir()
    (tmp_path / "step-x").mkdir()
    assert latest_checkpoint(tmp_path).name == "step-1000000"


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "random-rank0.pt"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "missing"])
def test_a_damaged_file_is_named(engine, tmp_path, name, damage):
    save_checkpoint(engine, tmp_path, 1, MADE_BY)
    path = save_checkpoint(engine, tmp_path, 2, MADE_BY)
    file = path / name
    content = bytearray(file.read_bytes())
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} is damaged or missing.*step-000001"):
        load_checkpoint(engine, path)


def test_a_damaged_description_is_named(engine, tmp_path):
    path = save_checkpoint(engine, tmp_path, 1, MADE_BY)
    for text in ("", "{}", '{"step": 1, "sha256": 3}', "nonsense"):
        (path / "checkpoint.json").write_text(text)
        with pytest.raises(ValueError, match=r"checkpoint\.json is damaged.*start anew"):
            load_checkpoint(engine, path)


def test_another_configuration_is_named_by_its_first_field(engine, tmp_path):
    path = save_checkpoint(engine, tmp_path, 1, MADE_BY)
    check_made_by(path, MADE_BY)
    check_made_by(path, MADE_BY | {"train": MADE_BY["train"] | {"steps": 50}})
    other = MADE_BY | {"train": MADE_BY["train"] | {"learning_rate": 0.2, "betas": (0, 0)}}
    with pytest.raises(ValueError) as raised:
        check_made_by(path, other)
    message = str(raised.value)
    assert "train.learning_rate=0.1, and this run has 0.2" in message
    assert "betas" not in message and "\n" not in message
    with pytest.raises(ValueError, match="engine='torch', and this run has 'deepspeed'"):
        check_made_by(path, MADE_BY | {"engine": "deepspeed"})


def test_a_file_that_would_run_code_is_refused(engine, tmp_path):
    """A pickle that calls a function, with its checksum mended, still does not run."""
    path = save_checkpoint(engine, tmp_path, 1, MADE_BY)
    ran = tmp_path / "ran"

    class Attack:
        def __reduce__(self):
            return ran.touch, ()

    torch.save({"optimizer": Attack(), "scaler": {}}, path / "optimizer.pt")
    description = json.loads((path / "checkpoint.json").read_text())
    description["sha256"]["optimizer.pt"] = checkpoint_module._sha256(path / "optimizer.pt")
    (path / "checkpoint.json").write_text(json.dumps(description))
    with pytest.raises(Exception, match="[Ww]eights"):
        load_checkpoint(engine, path)
    assert not ran.exists()


class FullDisk:
    """A file that takes some bytes and then no more."""

    def __init__(self, file, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()


@pytest.mark.parametrize("room", [0, 2_000])
def test_a_full_disk_leaves_the_earlier_checkpoint(room, engine, tmp_path, monkeypatch):
    earlier = save_checkpoint(engine, tmp_path, 1, MADE_BY)
    real_open = open
    monkeypatch.setattr(
        "phi1_lib.training.checkpoint.open",
        lambda path, mode: FullDisk(real_open(path, mode), room),
        raising=False,
    )
    with pytest.raises(OSError, match=r"step-000002 could not be written: the disk is full") as e:
        save_checkpoint(engine, tmp_path, 2, MADE_BY)
    assert "step-000001 stays" in str(e.value) and "\n" not in str(e.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000001"]
    monkeypatch.undo()
    assert load_checkpoint(engine, earlier) == 1
    assert save_checkpoint(engine, tmp_path, 2, MADE_BY).exists()


def test_an_interrupted_write_leaves_no_half_checkpoint(engine, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(engine, tmp_path, 1, MADE_BY)
    assert list(tmp_path.iterdir()) == []
