"""The report of `phi1 doctor`, row by row, on made-up machines."""

import json
import socket

import pytest

from phi1_lib.course import doctor


def test_every_gap_has_a_meaning_and_a_remedy():
    rows = doctor.report()
    assert len({row.what for row in rows}) == len(rows)
    for row in rows:
        assert row.status in ("ok", "missing", "never run")
        if row.status != "ok":
            assert "chapter" in row.meaning or row.status == "never run"
            assert row.remedy


def test_the_rows_that_were_promised():
    names = " ".join(row.what for row in doctor.report())
    for name in ("Python", "torch", "GPU", "bf16", "fp16", "flash-attn", "deepspeed", "triton"):
        assert name in names
    for name in ("Chromium", "disk", "network", "GPT-2 vocabulary"):
        assert name in names


@pytest.mark.parametrize(
    ("version", "status"), [((3, 10, 9), "missing"), ((3, 11, 0), "ok"), ((3, 15, 0), "missing")]
)
def test_python_versions(version, status):
    assert doctor.python_row(version).status == status


def test_flash_attention_is_never_run_until_a_result_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "_version", lambda package: "2.8.3")
    assert doctor.flash_attention_row(tmp_path).status == "never run"
    record = tmp_path / "attention_gpu.json"
    record.write_text(json.dumps({"lengths": [{"sdpa": 1.0, "flash_attn": {"not_run": "why"}}]}))
    assert doctor.flash_attention_row(tmp_path).status == "never run"
    record.write_text(json.dumps({"lengths": [{"sdpa": 1.0, "flash_attn": {"tflops": 400}}]}))
    assert doctor.flash_attention_row(tmp_path).status == "ok"
    monkeypatch.setattr(doctor, "_version", lambda package: None)
    assert doctor.flash_attention_row(tmp_path).status == "missing"


def test_network_is_asked_once_and_briefly(monkeypatch):
    asked = []

    def refuse(address, timeout):
        asked.append((address, timeout))
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", refuse)
    assert doctor.network_row().status == "missing"
    assert asked == [((doctor.HUB_HOST, 443), 2.0)]


def test_network_that_answers():
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkey_port = server.getsockname()[1]
        original = socket.create_connection
        try:
            socket.create_connection = lambda address, timeout: original(
                (address[0], monkey_port), timeout
            )
            assert doctor.network_row("127.0.0.1").status == "ok"
        finally:
            socket.create_connection = original


def test_disk(monkeypatch, tmp_path):
    assert doctor.disk_row(tmp_path).value.endswith("GB free")
    usage = type("Usage", (), {"free": 1e9})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage)
    assert doctor.disk_row(tmp_path).status == "missing"


@pytest.mark.parametrize(
    ("found", "value", "status"),
    [
        ({"avx512_bf16": True, "amx_bf16": True}, "on this CPU by avx512_bf16, amx_bf16", "ok"),
        ({"avx512_bf16": False}, "on this CPU no avx512_bf16, no amx_bf16", "missing"),
    ],
)
def test_bf16_of_a_cpu(found, value, status, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: found)
    bf16, _ = doctor.precision_rows()
    assert (bf16.value, bf16.status) == (value, status)
    assert ("nano trains in fp32" in bf16.meaning) == (status == "missing")


def test_render_prints_every_row_and_each_remedy(capsys):
    rows = [
        doctor.Row("Python", "3.12", "ok"),
        doctor.Row("GPU", "none seen", "missing", "chapter 14: slow", "make [it] so"),
    ]
    doctor.render(rows)
    out = capsys.readouterr().out
    assert "Python" in out and "none seen" in out
    assert "GPU: chapter 14: slow" in out and "make [it] so" in out
