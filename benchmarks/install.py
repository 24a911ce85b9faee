"""What the default install weighs, and how quickly it starts.

    python benchmarks/install.py

A fresh virtual environment gets samespace from this checkout with its default dependencies. Its
size is that of site-packages without pip and setuptools, before any model. Times are the least of
ten processes less that of an empty Python process.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

from common import HERE, save

BROUGHT = ("pip", "setuptools", "pkg_resources", "_distutils_hack")
"""What a new environment may hold before anything is installed."""

TIMED = {
    "import samespace": ["-c", "import samespace"],
    "samespace --help": ["-m", "samespace.cli.main", "--help"],
    "import samespace.collection": ["-c", "import samespace.collection"],
}


def main() -> None:
    """Install, weigh, time, save."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        install = [python, "-m", "pip", "install", "--quiet", str(HERE.parent)]
        subprocess.run(install, check=True)
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = Path(subprocess.check_output([python, "-c", code], text=True).strip())
        sizes = {
            part.name: sum(p.stat().st_size for p in part.rglob("*") if p.is_file())
            for part in site.iterdir()
            if part.is_dir() and not part.name.startswith(BROUGHT)
        }
        subprocess.run([python, "-m", "compileall", "-q", str(site)], check=False)
        bare = least([python, "-c", "pass"])
        result: dict[str, Any] = {
            "megabytes": round(sum(sizes.values()) / 1e6),
            "largest_mb": {
                name: round(size / 1e6)
                for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:12]
            },
            "torch": (site / "torch").exists(),
            "seconds": {
                name: round(least([python, *arguments]) - bare, 3)
                for name, arguments in TIMED.items()
            },
        }
    save("install", result)


def least(command: list[str]) -> float:
    """Return the least wall time of ten runs, in seconds."""
    times = []
    for _ in range(10):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return min(times)


if __name__ == "__main__":
    sys.exit(main())
