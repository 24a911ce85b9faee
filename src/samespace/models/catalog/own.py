"""Where the user's own entries are kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def own_folder() -> Path:
    """Return the folder of the user's own entries; it may not exist.

    It is `models` in $SAMESPACE_CONFIG if that is set, else in the platform's usual place for
    settings (~/.config/samespace on Linux).
    """
    named = os.environ.get("SAMESPACE_CONFIG")
    if named:
        return Path(os.path.expanduser(named)) / "models"
    home = Path(os.path.expanduser("~"))
    if sys.platform == "darwin":
        return home / "Library/Application Support/samespace/models"
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or home / "AppData/Roaming") / "samespace/models"
    return Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "samespace/models"
