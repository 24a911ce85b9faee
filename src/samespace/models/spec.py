"""A model's name with the settings that make another Space of it: NAME@dimensions=256."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from samespace.errors import InputError
from samespace.space import Arithmetic, Precision

Runtime = Literal["onnx", "torch"]


@dataclass(frozen=True)
class Spec:
    """A name, and how the model that it names is run.

    Attributes:
        name: as `samespace.models.load` takes it.
        settings: what stood behind the name, "" for nothing.
        runtime: what runs a dense model's folder; None for the first that can.
        arithmetic: what its weights are rounded to.
        dimensions: how many of a vector's are kept; None for all.
        precision: what a document's numbers are rounded to.
    """

    name: str
    settings: str = ""
    runtime: Runtime | None = None
    arithmetic: Arithmetic = "float32"
    dimensions: int | None = None
    precision: Precision = "float32"


_CHOICES: dict[str, tuple[str, ...]] = {
    "runtime": get_args(Runtime),
    "arithmetic": get_args(Arithmetic),
    "precision": get_args(Precision),
}


def parse_spec(text: str) -> Spec:
    """Take a name and its settings apart.

    Raises:
        InputError: a setting has no such value, or stands twice.

    >>> parse_spec("all-MiniLM-L6-v2@dimensions=128,precision=int8").dimensions
    128
    >>> parse_spec("models/me@home").name
    'models/me@home'
    """
    name, _, settings = text.rpartition("@")
    pairs = [part.partition("=") for part in settings.split(",")]
    if not name or not all(key in (*_CHOICES, "dimensions") for key, _, _ in pairs):
        return Spec(text)
    given: dict[str, Any] = {}
    for key, _, value in pairs:
        if key in given:
            raise InputError(f"{text!r} sets {key} twice")
        if key == "dimensions":
            if not value.isascii() or not value.isdigit() or not int(value):
                raise InputError(f"{text!r}: dimensions must be a positive number, got {value!r}")
            given[key] = int(value)
        elif value in _CHOICES[key]:
            given[key] = value
        else:
            allowed = ", ".join(_CHOICES[key])
            raise InputError(f"{text!r}: {key} must be one of {allowed}, got {value!r}")
    return Spec(name, settings, **given)
