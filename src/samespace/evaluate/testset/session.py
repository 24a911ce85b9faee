"""Judgements by hand on their way: saved after each, taken back one by one, taken up again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samespace.errors import InputError
from samespace.evaluate.testset.lines import Lines


class Session:
    """The questions of a session, in the order in which they came, and what was judged.

    Every step is a line of the file before the next one is asked for. Taking one back is a step
    as well, so nothing is ever written over.
    """

    def __init__(self, path: Path) -> None:
        self._judged: dict[str, dict[str, int | None]] = {}
        self._done: set[str] = set()
        self._history: list[tuple[str, str]] = []
        self._lines = Lines(path)
        try:
            for step in self._lines.read:
                self._apply(step)
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}: no file of a session: seen {step}") from error

    @property
    def queries(self) -> list[str]:
        """All questions, in the order in which they were opened."""
        return list(self._judged)

    @property
    def current(self) -> str | None:
        """The first question that is not done."""
        return next((query for query in self._judged if query not in self._done), None)

    def is_done(self, query: str) -> bool:
        """Say whether all candidates of a question were seen, or the user went on."""
        return query in self._done

    def judged(self, query: str) -> Mapping[str, int | None]:
        """Return the grades of a question's documents; None for one that was skipped."""
        return self._judged[query]

    def open(self, query: str) -> None:
        """Add a question, unless it is there."""
        if query not in self._judged:
            self._take({"step": "open", "query": query})

    def judge(self, query: str, document: str, grade: int | None) -> None:
        """Save a grade, or None for a document that the user would not judge."""
        self._take({"step": "judge", "query": query, "document": document, "grade": grade})

    def done(self, query: str) -> None:
        """Save that a question is finished."""
        self._take({"step": "done", "query": query})

    def undo(self) -> None:
        """Take the last judgement back; its question is open again."""
        self._take({"step": "undo"})

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _take(self, step: Mapping[str, Any]) -> None:
        self._lines.append(step)
        self._apply(step)

    def _apply(self, step: Mapping[str, Any]) -> None:
        kind = step["step"]
        if kind == "open":
            self._judged[step["query"]] = {}
        elif kind == "judge":
            self._judged[step["query"]][step["document"]] = step["grade"]
            self._history.append((step["query"], step["document"]))
        elif kind == "done":
            self._done.add(step["query"])
        elif self._history:
            query, document = self._history.pop()
            del self._judged[query][document]
            self._done.discard(query)
