"""Giving freed memory back to the operating system."""

from __future__ import annotations

import ctypes


def release_memory() -> None:
    """Return what was freed to the operating system, where the C library keeps it (glibc).

    Building an index takes and frees tens of megabytes in threads of its own. glibc keeps them
    in an arena for each thread, so that a long run would seem to grow with the corpus.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)
