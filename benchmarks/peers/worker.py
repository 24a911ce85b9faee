"""One measurement in a process of its own: `worker.py MODULE FUNCTION RESULT < settings.json`.

The function takes the settings as keyword arguments and returns a dict. What it returns, or the
error that ended it, is written to RESULT as JSON; standard output stays free for whatever a peer
prints.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import traceback
from pathlib import Path


def main() -> None:
    """Call the function and write what came of it."""
    module, function, result = sys.argv[1:]
    settings = json.load(sys.stdin)
    try:
        answer = getattr(importlib.import_module(module), function)(**settings)
    except Exception as error:
        traceback.print_exc()
        answer = {"error": f"{type(error).__name__}: {str(error)[:500]}"}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    Path(result).write_text(json.dumps({**answer, "own_peak_mib": peak}), encoding="utf-8")


if __name__ == "__main__":
    main()
