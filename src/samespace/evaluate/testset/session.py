"""Judgements by hand on their way: saved after each, taken back one by one, taken up again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from samespace.evaluate.testset.lines import Lines

Event = dict[str, Any]


class Session:
    """The questions of a session, in the order in which they came, and what was judged.

    Every step is a line of the file before the next one is asked for. `undo` is a step as well,
    so nothing is ever written over.
    """

    def __init__(self, path: Path) -> None:
        self._lines = Lines(path)
        self._events: list[Event] = []
        for event in self._lines.read:
            self._apply(event)

    @property
    def queries(self) -> list[str]:
        """All questions, in the order in which they were opened."""
        return [event["query"] for event in self._events if event["step"] == "open"]

    @property
    def current(self) -> str | None:
        """The first question that is not done."""
        return next((query for query in self.queries if not self.is_done(query)), None)

    def is_done(self, query: str) -> bool:
        """Say whether all candidates of a question were seen, or the user went on."""
        return {"step": "done", "query": query} in self._events

    def judged(self, query: str) -> dict[str, int | None]:
        """Return the grades of a question's documents; None for one that was skipped."""
        return {
            event["document"]: event["grade"]
            for event in self._events
            if event["step"] == "judge" and event["query"] == query
        }

    def open(self, query: str) -> None:
        """Add a question, unless it is there."""
        if query not in self.queries:
            self._step({"step": "open", "query": query})

    def judge(self, query: str, document: str, grade: int | None) -> None:
        """Save a grade, or None for a document that the user would not judge."""
        self._step({"step": "judge", "query": query, "document": document, "grade": grade})

    def done(self, query: str) -> None:
        """Save that a question is finished."""
        self._step({"step": "done", "query": query})

    def undo(self) -> None:
        """Take the last judgement back; its question is open again."""
        self._step({"step": "undo"})

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _step(self, event: Event) -> None:
        self._lines.append(event)
        self._apply(event)

    def _apply(self, event: Event) -> None:
        if event["step"] != "undo":
            self._events.append(event)
            return
        judged = [at for at, event in enumerate(self._events) if event["step"] == "judge"]
        if judged:
            last = self._events.pop(judged[-1])
            done = {"step": "done", "query": last["query"]}
            self._events = [event for event in self._events if event != done]
