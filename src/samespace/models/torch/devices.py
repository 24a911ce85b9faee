"""Several devices at once: one process for each, by sentence-transformers' own pool."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from samespace.errors import ModelError
from samespace.models.torch.running import Running
from samespace.space import FloatArray

_TEXTS_AT_ONCE = 32


class Devices:
    """A dense model on several devices. Its processes start at the first call.

    The script that starts them must be importable (`if __name__ == "__main__":`), since each
    process begins as a fresh Python.

    Args:
        running: the model.
        devices: their names; a name given twice gets two processes.
    """

    def __init__(self, running: Running, devices: Sequence[str]) -> None:
        self._running = running
        self._devices = list(devices)
        self._lock = threading.Lock()
        self._stop: weakref.finalize[Any, Any] | None = None
        self._pool: dict[str, Any] = {}

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return one pooled vector per text, float32; the texts fit the window or are cut to it.

        Raises:
            ModelError: a process died or failed.
        """
        model = self._running.model
        with self._lock:
            if not self._pool:
                self._pool = model.start_multi_process_pool(self._devices)
                self._stop = weakref.finalize(self, model.stop_multi_process_pool, self._pool)
            try:
                pooled = model.encode(
                    list(texts), prompt="", pool=self._pool, batch_size=_TEXTS_AT_ONCE
                )
            except RuntimeError as error:
                self._end()
                raise ModelError(f"embedding on {', '.join(self._devices)} failed: {error}") from (
                    error
                )
        array: FloatArray = np.asarray(pooled, dtype=np.float32)
        return array

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._stop:
            self._stop()
        self._stop, self._pool = None, {}
