"""Progress bars: of indexing in documents and tokens per second, of anything else in steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samespace.ingest import Progress, Report


@contextmanager
def progress_bar(size: int, *, shown: bool) -> Iterator[Progress]:
    """Give a callback that moves a bar on standard error.

    Args:
        size: bytes of input in all, 0 if unknown (standard input).
        shown: whether there is anybody to see it.
    """
    if not shown:
        yield lambda report: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.fields[documents]} documents"),
        BarColumn(),
        TextColumn("{task.fields[rate]} tokens/s"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("index", total=size or None, documents="0", rate="0")

        def update(report: Report) -> None:
            rate = report.embedded_tokens / report.seconds if report.seconds else 0.0
            bar.update(
                task,
                completed=min(report.bytes_read, size) if size else None,
                documents=f"{report.documents:,}",
                rate=f"{rate:,.0f}",
            )

        yield update


@contextmanager
def counting_bar(total: int, unit: str, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Give a callback that takes how many of `total` are done, and moves a bar on standard error.

    Args:
        total: how many there are to do.
        unit: what they are called.
        shown: whether there is anybody to see it.
    """
    if not shown:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    bar = Progress(
        MofNCompleteColumn(),
        unit,
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(unit, total=total)
        yield lambda done: bar.update(task, completed=done)
