"""Weights as arrays over the memory-mapped safetensors files, copied only where they must be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samespace.errors import ModelError
from samespace.space import FloatArray

_FLOATS: Mapping[str, Any] = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}
_INTEGERS: Mapping[str, Any] = {"I8": np.int8, "U8": np.uint8}


class Tensors:
    """The tensors of one or more safetensors files, by name.

    Float32 tensors are views of the mapped file: they take no memory of their own and their
    pages are shared with every process that maps it. Half precision is converted.

    Args:
        files: the files; names must not repeat.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._found: dict[str, tuple[np.ndarray[Any, Any], str, tuple[int, ...], Path]] = {}
        for file in files:
            self._index(file)

    def _index(self, file: Path) -> None:
        try:
            data = np.memmap(file, mode="r", dtype=np.uint8)
            length = int.from_bytes(data[:8].tobytes(), "little")
            header = json.loads(data[8 : 8 + length].tobytes())
            body = data[8 + length :]
            for name, entry in header.items():
                if name == "__metadata__":
                    continue
                start, end = entry["data_offsets"]
                if end > len(body):
                    raise ValueError(f"tensor {name} ends beyond the file")
                shape = tuple(int(n) for n in entry["shape"])
                self._found[name] = (body[start:end], str(entry["dtype"]), shape, file)
        except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
            raise ModelError(f"{file} is not a whole safetensors file: {error}") from error

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def names(self) -> list[str]:
        """Return the names of all tensors."""
        return list(self._found)

    def __getitem__(self, name: str) -> FloatArray:
        """Return one tensor, float32.

        Raises:
            ModelError: it is absent, or of a type that is not a float of 16 or 32 bits.
        """
        stored, dtype = self._view(name, _FLOATS)
        if dtype == "BF16":
            # A bfloat16 is the upper half of a float32.
            widened: FloatArray = (stored.astype(np.uint32) << 16).view(np.float32)
            return widened
        # Old files align tensors to one byte only; the runtime wants the type's alignment.
        return np.require(stored, np.float32, ["C_CONTIGUOUS", "ALIGNED"])

    def as_stored(self, name: str) -> np.ndarray[Any, Any]:
        """Return one tensor in the type that it is stored in, bytes and int8 among them."""
        return self._view(name, {**_FLOATS, **_INTEGERS})[0]

    def _view(self, name: str, types: Mapping[str, Any]) -> tuple[np.ndarray[Any, Any], str]:
        if name not in self._found:
            files = sorted({str(entry[3]) for entry in self._found.values()})
            raise ModelError(f"{', '.join(files)}: the tensor {name} is absent")
        data, dtype, shape, file = self._found[name]
        if dtype not in types:
            raise ModelError(
                f"{file}: tensor {name} is of type {dtype}; expected one of {', '.join(types)}"
            )
        return data.view(types[dtype]).reshape(shape), dtype
