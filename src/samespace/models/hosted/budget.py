"""What hosted models cost: how much was used, and how much may be."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from samespace.errors import BudgetExceeded, InputError


@dataclass(frozen=True)
class Usage:
    """What was asked of a provider.

    Attributes:
        requests: requests sent, those that failed included.
        tokens: tokens as the provider counted them; its estimate by samespace where the provider
            does not say, or where a request broke off after it was sent.
        dollars: what those cost by the catalog's list price; None where the price is unknown.
        estimated: whether a part of it is an estimate.
    """

    requests: int = 0
    tokens: int = 0
    dollars: float | None = 0.0
    estimated: bool = False


class Budget:
    """How much may be spent; several embedders and rerankers, and threads, may share one.

    What a request will take is set aside before it is sent, and replaced by what the provider
    counted when it answers, so that requests under way together cannot pass the limit. Where
    token counts are estimates, they err on the upper side.

    Args:
        dollars: US dollars at most, by the catalog's list prices.
        tokens: tokens at most.

    Raises:
        InputError: no limit, or one below zero.

    >>> budget = Budget(tokens=1000)
    >>> budget.reserve(600, 0.0)
    >>> budget.settle((600, 0.0), (450, 0.0))
    >>> budget.spent
    (450, 0.0)
    """

    def __init__(self, *, dollars: float | None = None, tokens: int | None = None) -> None:
        if dollars is None and tokens is None:
            raise InputError("a budget needs a limit: dollars, tokens, or both")
        # "not >=" so that NaN is refused as well.
        if not all(limit is None or limit >= 0 for limit in (dollars, tokens)):
            raise InputError(f"a budget is not negative, got {dollars} dollars, {tokens} tokens")
        self.dollars = dollars
        self.tokens = tokens
        self._lock = threading.Lock()
        self._spent = (0, 0.0)

    @property
    def spent(self) -> tuple[int, float]:
        """Tokens and dollars, those that are set aside for requests under way included."""
        with self._lock:
            return self._spent

    def reserve(self, tokens: int, dollars: float) -> None:
        """Set aside what a request will take.

        Raises:
            BudgetExceeded: there is not as much left; nothing is set aside.
        """
        with self._lock:
            after = (self._spent[0] + tokens, self._spent[1] + dollars)
            if self.tokens is not None and after[0] > self.tokens:
                raise BudgetExceeded(
                    f"the next request would take {tokens:,} tokens, but of the budget of "
                    f"{self.tokens:,} tokens {self._spent[0]:,} are spent. It was not sent; raise "
                    "the budget and run again"
                )
            if self.dollars is not None and after[1] > self.dollars:
                raise BudgetExceeded(
                    f"the next request would cost ${dollars:.6f}, but of the budget of "
                    f"${self.dollars:.6f} ${self._spent[1]:.6f} are spent. It was not sent; raise "
                    "the budget and run again"
                )
            self._spent = after

    def settle(self, reserved: tuple[int, float], taken: tuple[int, float]) -> None:
        """Replace what was set aside by what was taken."""
        with self._lock:
            self._spent = (
                self._spent[0] - reserved[0] + taken[0],
                self._spent[1] - reserved[1] + taken[1],
            )
