"""Make or refresh `.venv` for this folder; called by the Makefile, standard library only.

Checks the Python and the system first and stops with one line when no pinned package would fit.
Written so that even an old Python can read it and print that line.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import urllib.request

PYTHONS = ((3, 11), (3, 14))  # oldest and newest, as `requires-python` in pyproject.toml
SYSTEMS = (("Linux", "x86_64"), ("Darwin", "arm64"))
VENV = ".venv"
MADE_IN = os.path.join(VENV, "made-in")  # the folder the scripts of the environment point to
VENV_PYTHON = os.path.join(VENV, "bin", "python")


def refusal(version, system, machine):
    """Return why this Python cannot run the course, in one line, or None."""
    oldest, newest = PYTHONS
    if not oldest <= tuple(version[:2]) <= newest:
        return (
            "phi1 needs Python %d.%d to %d.%d and found %d.%d; name another one: "
            "make PYTHON=/path/to/python3.12" % (oldest + newest + tuple(version[:2]))
        )
    if (system, machine) not in SYSTEMS:
        return (
            "phi1 runs on Linux x86-64, macOS arm64, and Windows through WSL2; "
            "this is %s %s, for which not every package exists" % (system, machine)
        )
    return None


def sees_gpu():
    """Tell whether an NVIDIA driver is visible."""
    return os.path.exists("/dev/nvidia0") or shutil.which("nvidia-smi") is not None


def answers(url, seconds=3.0):
    """Ask for `url` once and tell whether anything came back."""
    try:
        urllib.request.urlopen(url + "/", timeout=seconds).close()
    except (OSError, ValueError):
        return False
    return True


def pinned(name):
    """Return the version of a package in constraints.txt."""
    with open("constraints.txt") as lines:
        for line in lines:
            if line.startswith(name + "=="):
                return line.split(";")[0].split("==")[1].strip()
    raise SystemExit("constraints.txt has no line for " + name)


def pip(*arguments):
    """Run pip of the environment and return its exit status."""
    command = [VENV_PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    if not sys.stdout.isatty():
        command.append("--quiet")
    # DeepSpeed then builds no extension here: it compiles those a run uses, when it uses them.
    return subprocess.call(command + list(arguments), env=dict(os.environ, DS_BUILD_OPS="0"))


def output(*arguments):
    """Run the environment's Python and return what it prints, or None when it fails."""
    run = subprocess.run(
        [VENV_PYTHON] + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    return run.stdout.decode().strip() if run.returncode == 0 else None


def make_venv():
    """Create `.venv` unless it is there, works, and was made in this folder."""
    if os.path.exists(MADE_IN):
        with open(MADE_IN, encoding="utf-8") as file:
            moved = file.read() != os.getcwd()
    else:
        moved = False
    works = os.path.exists(VENV_PYTHON) and output("-c", "import pip; print(1)") == "1"
    if moved or not works:
        print("Making " + VENV)
        if subprocess.call([sys.executable, "-m", "venv", "--clear", VENV]) != 0:
            raise SystemExit(
                "python -m venv failed: on Debian and Ubuntu, install the package python3-venv"
            )


def install_cpu_torch(index):
    """Install the CPU build of torch from PyTorch's own index where that can be reached."""
    version = pinned("torch")
    if answers(index):
        if pip("install", "--no-deps", "--index-url", index, "torch==%s+cpu" % version) == 0:
            return
    print("PyTorch's CPU index cannot be reached: installing the default build of torch instead")


def main():
    """Check, make the environment, choose the build of torch, install the pins."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extras", default="", help="extras of pyproject.toml, for example dev")
    parser.add_argument("--torch", choices=("auto", "cpu", "default"), default="auto")
    parser.add_argument("--cpu-index", required=True, help="address of PyTorch's CPU wheel index")
    options = parser.parse_args()
    reason = refusal(sys.version_info, platform.system(), platform.machine())
    if reason:
        raise SystemExit(reason)
    make_venv()
    here = output("-c", "from importlib.metadata import version; print(version('torch'))")
    fits = options.torch == "auto" and (here or "").split("+")[0] == pinned("torch")
    cpu = options.torch == "cpu" or (options.torch == "auto" and not sees_gpu())
    if cpu and not fits and platform.system() == "Linux":
        install_cpu_torch(options.cpu_index)
    print("Installing the pinned packages (2 to 3 GB on disk; minutes the first time)", flush=True)
    project = ".[%s]" % options.extras if options.extras else "."
    if pip("install", "-c", "constraints.txt", "-e", project) != 0:
        raise SystemExit("pip could not install the packages; its message stands above")
    with open(MADE_IN, "w", encoding="utf-8") as file:
        file.write(os.getcwd())


if __name__ == "__main__":
    main()
