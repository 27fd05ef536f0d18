"""The local corpus. Oracles: planted files with known faults, and this environment itself."""

import importlib.metadata
import sysconfig
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest

from phi1_lib.data import local
from phi1_lib.data.local import folder_corpus, local_corpus

SOUND = '"""Add."""\n\n\ndef add(a, b):\n    return a + b\n'


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """A small standard library, with site-packages inside as outside a virtual environment."""
    stdlib, site = tmp_path / "lib", tmp_path / "lib" / "site-packages"
    site.mkdir(parents=True)
    found = importlib.metadata.distributions
    monkeypatch.setattr(local.sysconfig, "get_path", lambda name: str(stdlib))
    monkeypatch.setattr(local.platform, "python_version", lambda: "3.99.1")
    monkeypatch.setattr(local.metadata, "distributions", lambda: found(path=[str(site)]))
    return stdlib, site


def write(path, content=SOUND):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def install(site, name, files, license="MIT", version="1.2"):
    for path, content in files.items():
        write(site / path, content)
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    write(info / "METADATA", f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
          f"License-Expression: {license}\n\n")  # fmt: skip
    write(info / "RECORD", "".join(f"{path},,\n" for path in files))


def by_id(documents):
    documents = list(documents)
    assert len({d.id for d in documents}) == len(documents), "an id comes twice"
    return {d.id: d for d in documents}


def test_documents_of_the_standard_library_and_of_distributions(environment):
    stdlib, site = environment
    write(stdlib / "json" / "decoder.py", "x = 1\n")
    install(
        site, "Some_Name.x", {"pkg/a.py": SOUND, "pkg/data.txt": "no", "../../bin/run.py": SOUND}
    )
    write(site / "stray.py")  # belongs to no distribution
    documents = by_id(local_corpus())
    assert set(documents) == {"stdlib/3.99.1/json/decoder.py", "some-name-x/1.2/pkg/a.py"}
    own = documents["some-name-x/1.2/pkg/a.py"]
    assert (own.text, own.source, own.license) == (SOUND, "local", "MIT")
    assert own.meta == {"distribution": "some-name-x", "version": "1.2", "path": "pkg/a.py"}
    standard = documents["stdlib/3.99.1/json/decoder.py"]
    assert (standard.text, standard.license) == ("x = 1\n", "PSF-2.0")
    assert standard.meta["distribution"] == "stdlib"


def test_our_own_files_are_no_corpus(environment):
    install(environment[1], "phi1", {"phi1_lib/a.py": SOUND})
    install(environment[1], "phi1-lib", {"phi1_lib/b.py": SOUND})
    assert list(local_corpus()) == []


def test_a_file_that_two_distributions_list_is_read_once(environment):
    install(environment[1], "one", {"shared/a.py": SOUND})
    install(environment[1], "two", {"shared/a.py": SOUND})
    assert len(list(local_corpus())) == 1


FAULTS = {
    "not UTF-8": {"a.py": b"# caf\xe9\n"},
    "empty": {"a.py": " \n\n"},
    "generated": {"a.py": "# This file was automatically generated from b.\nx = 1\n"},
    "tests": {"pkg/tests/helper.py": SOUND},
    "vendored": {"pkg/_vendor/six.py": SOUND},
    "too large": {"a.py": "x = 1\n" * 200_000},
    "too long lines": {"a.py": SOUND * 40 + f"x = '{'y' * 1_001}'\n"},
    "licence not on the allow-list": {"a.py": "# SPDX-License-Identifier: GPL-2.0-only\n" + SOUND},
}


@pytest.mark.parametrize("reason", FAULTS)
def test_each_fault_is_counted_under_its_reason(environment, reason):
    install(environment[1], "sample", {**FAULTS[reason], "sound.py": SOUND})
    skipped = Counter()
    assert [d.meta["path"] for d in local_corpus(skipped=skipped)] == ["sound.py"]
    assert skipped == {reason: 1}


@pytest.mark.parametrize("license", ["GPL-3.0-or-later", "MPL-2.0 AND MIT", ""])
def test_distributions_without_a_permissive_licence_are_dropped(environment, license):
    install(environment[1], "sample", {"a.py": SOUND, "b.py": SOUND}, license)
    skipped = Counter()
    assert list(local_corpus(skipped=skipped)) == []
    assert skipped == {"licence not on the allow-list": 2}


def test_a_listed_file_that_is_gone_is_counted(environment):
    install(environment[1], "sample", {"a.py": SOUND})
    (environment[1] / "a.py").unlink()
    skipped = Counter()
    assert list(local_corpus(skipped=skipped)) == []
    assert skipped == {"cannot be read": 1}


def test_line_ends_and_byte_order_mark_are_made_uniform(environment):
    install(environment[1], "sample", {"a.py": b"\xef\xbb\xbfx = 1\r\ny = 2\rz = 3\n"})
    (document,) = local_corpus()
    assert document.text == "x = 1\ny = 2\nz = 3\n"


def test_the_average_line_counts_too(environment):
    install(environment[1], "sample", {"a.py": f"x = '{'y' * 150}'\n" * 9})
    skipped = Counter()
    assert list(local_corpus(skipped=skipped)) == []
    assert skipped == {"too long lines": 1}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("a/test_b.py", "tests"),
        ("a/b_test.py", "tests"),
        ("conftest.py", "tests"),
        ("test/a.py", "tests"),
        ("unittest/case.py", None),
        ("a/contest.py", None),
        ("a/latest_news.py", None),
        ("sklearn/externals/a.py", "vendored"),
        ("a/vendor.py", None),
    ],
)
def test_reasons_in_paths(path, reason):
    assert local.path_reason(PurePosixPath(path)) == reason


def test_the_limit_takes_a_seeded_sample_and_stops_reading(environment):
    for name in "abcdefgh":
        files = {
            f"{name}/{i}.py": f"{name} = {i}\n" + "# 100 bytes".ljust(99) + "\n" for i in range(40)
        }
        install(environment[1], name, {**files, f"{name}/tests/t.py": SOUND})
    everything = by_id(local_corpus())
    skipped = Counter()
    sample = by_id(local_corpus(limit_mb=0.01, skipped=skipped))
    size = sum(len(d.text) for d in sample.values())
    assert 10_000 <= size < 10_000 + 110  # the file that reaches the limit is the last
    assert list(sample) == list(everything)[: len(sample)]
    assert len({d.meta["distribution"] for d in sample.values()}) == 8, "not spread"
    assert skipped["tests"] < 8, "files after the limit were counted"
    assert list(by_id(local_corpus(limit_mb=0.01))) == list(sample)
    assert list(by_id(local_corpus(limit_mb=0.01, seed=1))) != list(sample)


def test_a_negative_limit_is_refused_at_once():
    with pytest.raises(ValueError, match="limit_mb=-1: must be at least 0"):
        local_corpus(limit_mb=-1)


def test_the_real_environment():
    skipped = Counter()
    documents = by_id(local_corpus(limit_mb=2, skipped=skipped))
    stdlib = Path(sysconfig.get_path("stdlib"))
    assert skipped["tests"] > 0
    for document in documents.values():
        meta = document.meta
        assert document.id == f"{meta['distribution']}/{meta['version']}/{meta['path']}"
        assert not meta["path"].startswith(("phi1_lib", "site-packages"))
        if meta["distribution"] == "stdlib":
            path = stdlib / meta["path"]
        else:
            installed = importlib.metadata.distribution(meta["distribution"])
            assert installed.version == meta["version"]
            path = installed.locate_file(meta["path"])
        assert path.read_text(encoding="utf-8-sig") == document.text


def test_each_real_file_is_listed_once():
    files = [*local._standard_library(), *local._distributions()]
    assert len({file.id for file in files}) == len(files)
    real = {folder: folder.resolve() for folder in {file.location.parent for file in files}}
    assert len({(real[f.location.parent], f.location.name) for f in files}) == len(files)
    assert len({file.meta["distribution"] for file in files}) > 50


def test_a_folder_of_ones_own_files(tmp_path):
    write(tmp_path / "a.py")
    write(tmp_path / "sub" / "b.py", "x = 1\n")
    write(tmp_path / "sub" / "c.txt")
    write(tmp_path / "bad.py", b"\xff")
    write(tmp_path / ".hidden" / "d.py")
    write(tmp_path / "venv" / "site-packages" / "e.py")
    skipped = Counter()
    documents = by_id(folder_corpus(tmp_path, "ISC", skipped=skipped))
    assert set(documents) == {"a.py", "sub/b.py"}
    assert documents["a.py"].license == "ISC"
    assert documents["a.py"].source == "folder"
    assert documents["sub/b.py"].meta == {"path": "sub/b.py"}
    assert skipped == {"not UTF-8": 1}


def test_a_folder_without_python_files_is_refused_at_once(tmp_path):
    with pytest.raises(ValueError, match="there is no such folder"):
        folder_corpus(tmp_path / "missing")
    with pytest.raises(ValueError, match=r"holds no \.py file"):
        folder_corpus(tmp_path)
