"""Near-duplicate questions: the same question twice counts twice, and says nothing new.

Told apart by their terms and not by the embedder: the models that a test set is to compare must
have no part in choosing its questions.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from samespace.store.analysis import analyzer, prepare_query

NEAR = 0.8
"""From this Jaccard similarity of their sets of terms on, two questions are near-duplicates."""

FILLERS = frozenset(
    "can could did do does i me my one our please should we would you your".split()  # noqa: SIM905
)
"""English words that fill a question and that lists of stop words for documents leave in. Those
that ask (how, why, when) stay: they make another question."""

Terms = Callable[[str], list[str]]


def terms_of(language: str) -> Terms:
    """Return the function that gives the terms of a text as the lexical index sees them.

    Lower-cased and stemmed, without stop words; a text of stop words alone keeps its words.
    """
    analysis = analyzer(language)

    def terms(text: str) -> list[str]:
        found = [term for term in analysis.analyze(prepare_query(text)) if term not in FILLERS]
        return found or text.casefold().split()

    return terms


def near_duplicates(texts: Sequence[str], terms: Terms, threshold: float = NEAR) -> list[bool]:
    """Say of each text whether an earlier one, that is itself none, is nearly the same.

    Exact, by prefix filtering (Bayardo, Ma, Srikant: Scaling Up All Pairs Similarity Search,
    WWW 2007): two sets of which the Jaccard similarity is at least t share one of the first
    |x| - ceil(t |x|) + 1 terms of each, in any common order; rare terms first makes the lists
    short. Memory grows with the text, not with the number of pairs.

    >>> near_duplicates(["How do I rotate keys?", "how to rotate a key", "Loss"], terms_of("en"))
    [False, True, False]
    """
    sets = [frozenset(terms(text)) for text in texts]
    frequency = Counter(term for found in sets for term in found)
    holders: defaultdict[str, list[int]] = defaultdict(list)
    duplicate = [False] * len(texts)
    for number, found in enumerate(sets):
        ordered = sorted(found, key=lambda term: (frequency[term], term))
        prefix = ordered[: len(found) - math.ceil(threshold * len(found) - 1e-9) + 1]
        earlier = {holder for term in prefix for holder in holders[term]}
        duplicate[number] = any(_jaccard(found, sets[one]) >= threshold for one in earlier)
        if not duplicate[number]:
            for term in prefix:
                holders[term].append(number)
    return duplicate


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)
