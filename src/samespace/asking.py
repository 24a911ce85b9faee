"""Asking many queries one after the other, as users would."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from samespace.errors import SpaceMismatch, TooLong
from samespace.run import Retrieved
from samespace.search import Results

Found = tuple[dict[str, tuple[Retrieved, ...]], dict[str, float]]
"""Of each query what was found and how long it took in milliseconds."""


def ask_all(
    queries: Mapping[str, str],
    search: Callable[[str], Results],
    space: str,
    recipe: str,
    progress: Callable[[int], None],
) -> Found:
    """Return what a search finds for each query.

    Args:
        queries: {query id: text}.
        search: the search.
        space, recipe: the ids of the Space and of the recipe that are to be searched.
        progress: called after each query with the number of queries done.

    Raises:
        TooLong: with the query's id.
        SpaceMismatch: a migration switched the collection before the last query.
    """
    results: dict[str, tuple[Retrieved, ...]] = {}
    took: dict[str, float] = {}
    for query, text in queries.items():
        try:
            found = search(text)
        except TooLong as error:
            raise TooLong(f"query {query!r}: {error}") from error
        if (found.space, found.recipe) != (space, recipe):
            raise SpaceMismatch(
                f"the collection was switched from space {space}, cut by {recipe}, to "
                f"{found.space}, cut by {found.recipe}, while the run was made: its results would "
                "come from both. Make the run again",
                {"id": (space, found.space), "recipe": (recipe, found.recipe)},
            )
        took[query] = found.took_ms
        results[query] = tuple(
            Retrieved(hit.chunk.document, hit.score, hit.chunk.start, hit.chunk.end)
            for hit in found
        )
        progress(len(results))
    return results, took
