"""Reading the JSON files of a model folder, with errors that name the file and the field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samespace.errors import ModelError


@dataclass(frozen=True)
class JsonFile:
    """A JSON object on disk, read; `values` is empty where the file is absent."""

    path: Path
    values: Mapping[str, Any]

    def integer(self, name: str) -> int | None:
        """Return a positive integer field, or None where it is absent or null."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ModelError(f"{self.path}: {name} must be a positive integer, got {value!r}")
        return value

    def required(self, name: str) -> int:
        """Return a positive integer field that must be there."""
        value = self.integer(name)
        if value is None:
            raise ModelError(f"{self.path} does not say {name}, which is needed to run the model")
        return value

    def padding_id(self) -> int:
        """Return pad_token_id, which RoBERTa's kin leave at their default of 1."""
        value = self.values.get("pad_token_id", 1)
        if not isinstance(value, int) or value < 0:
            raise ModelError(f"{self.path}: pad_token_id must be an integer, got {value!r}")
        return value

    def text(self, name: str) -> str:
        """Return a string field, "" where it is absent or null."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise ModelError(f"{self.path}: {name} must be a string, got {value!r}")
        return value or ""

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a field that holds strings, or a single one; none where it is absent or null."""
        value = self.values.get(name)
        found = [value] if isinstance(value, str) else [] if value is None else value
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise ModelError(f"{self.path}: {name} must be a list of strings, got {value!r}")
        return tuple(found)


def read_object(path: Path) -> JsonFile:
    """Read a file that holds a JSON object; an absent file reads as an empty one."""
    value = read_json(path)
    if value is None:
        return JsonFile(path, {})
    if not isinstance(value, dict):
        raise ModelError(f"{path} must hold a JSON object, got {type(value).__name__}")
    return JsonFile(path, value)


def read_json(path: Path) -> Any:
    """Return what a JSON file holds, None where it is absent.

    Raises:
        ModelError: it cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}") from error
