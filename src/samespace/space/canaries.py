"""Canaries: fixed inputs with the vectors they had, by which a model is known again.

They are the one test that also works for a hosted model, which reveals no weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from samespace.errors import ModelDrift, TooLong
from samespace.space.vectors import FloatArray, Vectors
from samespace.types import Role

_LOG = " ".join(
    f"Entry {n}: on day {n * n % 365} of {1850 + 3 * n} the light was lit for {n % 11 + 5} hours, "
    f"and {7 * n + 13} ships passed."
    for n in range(1, 31)
)
"""Longer than 512 tokens, so that a window that was cut shows."""

CANARIES: tuple[tuple[Role, str], ...] = (
    ("query", 'Why did GET /API/v2 fail with "Zürich 東京"? 503'),
    ("document", "In 1868 Ångström's naïve LIGHT-meter read 4.5%: спасибо, 서울!"),
    ("query", "how long does it take for a broken wrist to heal"),
    ("document", "The mitochondrion is the powerhouse of the cell: it makes most of its ATP."),
    ("query", r"ModuleNotFoundError errno=-13 C:\Users\Ada\.cache\x86_64 0x80070005"),
    ("document", 'def add(a: int, b: int = 0) -> int:\n    """Sum."""\n    return a + b'),
    ("query", "東京都の人口は何人ですか? 北京有多少人口? (population)"),
    ("document", "| Q3 2021 | 1,234.56 € | -7.5 % |\n| Q4 2021 | 3.2e-05 kg | 25 °C |"),
    ("query", "كم عدد سكان القاهرة؟ מהי בירת ישראל? (capital cities)"),
    ("document", "Съешь ещё этих мягких булок. Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. (pangrams)"),
    ("query", "भारत की राजधानी क्या है? เมืองหลวงของไทย 대한민국의 수도 (capitals) 🚀"),
    ("document", _LOG),
)
"""Fixed inputs whose vectors are kept with a collection: scripts, lengths, code, numbers, and
capitals, in both roles. Each has some ASCII, so that no tokenizer reads nothing at all. A
collection compares only the canaries that it recorded itself."""

QUICK_CANARIES = 2
"""How many of them, from the first, are checked at the first use of a model in a process: under a
hundred tokens in all, and what moves a vector at all moves these, a shorter window excepted."""

CANARY_COSINE = 0.9999
"""The least likeness at which a canary counts as unmoved: see docs/spaces.md for what runtimes of
one model and corruptions of it were measured to have."""

EmbedFunction = Callable[[Sequence[str], Role], Vectors]


@dataclass(frozen=True)
class Canary:
    """One fixed input, its role, and the vector that it had: shape (dimensions,), float32."""

    role: Role
    text: str
    vector: FloatArray


def likeness(a: FloatArray, b: FloatArray) -> npt.NDArray[np.float64]:
    """Return how alike each vector of `a`, (n, d), is to each of `b`, (m, d): shape (n, m).

    2 a.b / (|a|^2 + |b|^2), which is 1 - |a - b|^2 / (|a|^2 + |b|^2): the cosine where both have
    one length, and less where they do not, so that another normalization shows as well. A vector
    that is not finite is like none: 0.

    >>> likeness(np.array([[3.0, 4.0]]), np.array([[3.0, 4.0], [6.0, 8.0], [4.0, -3.0]])).tolist()
    [[1.0, 0.8, 0.0]]
    """
    x, y = a.astype(np.float64), b.astype(np.float64)
    squares = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1)
    with np.errstate(invalid="ignore"):
        alike: npt.NDArray[np.float64] = 2 * (x @ y.T) / squares
    return np.nan_to_num(alike, nan=0.0)


def record_canaries(embed: EmbedFunction) -> tuple[Canary, ...]:
    """Embed the fixed inputs and return them with their vectors.

    One that neither fits the model's window nor can be cut to it is left out.

    Raises:
        TooLong: none of them fits.
    """
    recorded = []
    for role, text in CANARIES:
        try:
            vector: FloatArray = embed([text], role).array[0]
        except TooLong:
            continue
        recorded.append(Canary(role, text, vector))
    if not recorded:
        raise TooLong(
            "none of the inputs by which a model is known again fits its window; expected one of "
            "some dozens of tokens at least"
        )
    return tuple(recorded)


def canary_likeness(embed: EmbedFunction, recorded: Sequence[Canary]) -> npt.NDArray[np.float64]:
    """Embed the inputs of n canaries anew, one by one, and return how alike each is to each.

    Returns:
        Shape (n, n): row i is the input of canary i now, column j canary j as it was.
    """
    now = np.stack([embed([canary.text], canary.role).array[0] for canary in recorded])
    return likeness(now, np.stack([canary.vector for canary in recorded]))


def canary_cosines(embed: EmbedFunction, recorded: Sequence[Canary]) -> tuple[float, ...]:
    """Return for each canary how alike its vector of now is to the recorded one."""
    if not recorded:
        return ()
    return tuple(map(float, canary_likeness(embed, recorded).diagonal()))


def least_alike(now: Sequence[Canary], then: Sequence[Canary]) -> float:
    """Return the likeness of the least alike of the canaries that both recorded; 0 if none are."""
    vectors = {(canary.role, canary.text): canary.vector for canary in then}
    seen = [
        likeness(canary.vector[None], vectors[canary.role, canary.text][None])[0, 0]
        for canary in now
        if (canary.role, canary.text) in vectors
    ]
    return float(np.min(seen)) if seen else 0.0


def check_canaries(
    embed: EmbedFunction,
    recorded: Sequence[Canary],
    *,
    quick: bool = True,
    least: float = CANARY_COSINE,
) -> None:
    """Raise ModelDrift if the model answers the recorded inputs with other vectors.

    Args:
        embed: the model's `embed`.
        recorded: what was recorded when the collection was made.
        quick: check only the first `QUICK_CANARIES`.
        least: the likeness below which one has moved.
    """
    asked = recorded[:QUICK_CANARIES] if quick else recorded
    require_unmoved(asked, canary_cosines(embed, asked), least)


def require_unmoved(
    recorded: Sequence[Canary], cosines: Sequence[float], least: float = CANARY_COSINE
) -> None:
    """Raise ModelDrift if one of `canary_cosines` is below `least`."""
    moved = [i for i, cosine in enumerate(cosines) if not cosine >= least]
    if moved:
        worst = min(moved, key=cosines.__getitem__)
        raise ModelDrift(
            f"the model answers {len(moved)} of {len(recorded)} recorded inputs with another "
            f"vector than it did: cosine {cosines[worst]:.5f}, expected at least {least} "
            f"({recorded[worst].role} {recorded[worst].text[:40]!r}). Its weights, tokenizer, "
            "pooling, prompt or window changed under the same name. Use the model as it was, or "
            "embed anew with what it is now: samespace migrate KB --to MODEL."
        )
