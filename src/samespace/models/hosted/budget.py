"""What hosted models cost: how much was used, and how much may be."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from samespace.errors import BudgetExceeded, InputError


@dataclass(frozen=True)
class Usage:
    """What was asked of a provider.

    Attributes:
        requests: requests sent, those that failed included.
        tokens: tokens as the provider counted them; its estimate by samespace where the provider
            does not say, or where a request broke off after it was sent.
        dollars: what those cost by the catalog's list price; None where the price is unknown, as
            that of an image is.
        estimated: whether a part of it is an estimate.
    """

    requests: int = 0
    tokens: int = 0
    dollars: float | None = 0.0
    estimated: bool = False


class Budget:
    """How much may be spent; embedders, rerankers and threads of one process may share one.

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


class Meter:
    """Counts what one embedder or reranker uses, and asks its budget first.

    Args:
        per_million: US dollars for a million tokens, or None.
        per_thousand: US dollars for a thousand searches, or None.
        budget: what may be spent.

    Raises:
        InputError: the budget is in dollars, and what they buy is not known.
    """

    def __init__(
        self, per_million: float | None, per_thousand: float | None, budget: Budget | None
    ) -> None:
        self._per_million = per_million
        self._per_thousand = per_thousand
        self._budget = budget
        self._lock = threading.Lock()
        priced = per_million is not None or per_thousand is not None
        self._usage = Usage(dollars=0.0 if priced else None)
        if budget and budget.dollars is not None and not priced:
            raise InputError(
                "the budget is in dollars, but the catalog knows no price of this model: give "
                "price_per_million= (by name: in an entry of your own, samespace models add), or a "
                "budget in tokens"
            )

    @property
    def usage(self) -> Usage:
        """What was used so far."""
        with self._lock:
            return self._usage

    def charge(self, tokens: int, searches: int = 0, *, priced: bool = True) -> Charge:
        """Return the account of one request that is expected to take so much.

        Raises:
            InputError: it has no price, and the budget is in dollars.
        """
        if not priced:
            if self._budget and self._budget.dollars is not None:
                raise InputError(
                    "the budget is in dollars, but the catalog knows no price of images: give a "
                    "budget in tokens"
                )
            with self._lock:
                self._usage = replace(self._usage, dollars=None)
        return Charge(self, tokens, searches)

    def price(self, tokens: int, searches: int) -> float:
        """Return US dollars; what has no price costs nothing."""
        return (
            tokens * (self._per_million or 0.0) / 1e6 + searches * (self._per_thousand or 0) / 1e3
        )

    def reserve(self, tokens: int, searches: int) -> tuple[int, float]:
        """Set aside what a request will take, and return it."""
        reserved = (tokens, self.price(tokens, searches))
        if self._budget:
            self._budget.reserve(*reserved)
        return reserved

    def sent(self) -> None:
        """Count a request."""
        with self._lock:
            self._usage = replace(self._usage, requests=self._usage.requests + 1)

    def settle(
        self, reserved: tuple[int, float], tokens: int, searches: int, *, estimated: bool
    ) -> None:
        """Count what a request took."""
        dollars = self.price(tokens, searches)
        if self._budget:
            self._budget.settle(reserved, (tokens, dollars))
        with self._lock:
            before = self._usage
            self._usage = Usage(
                requests=before.requests,
                tokens=before.tokens + tokens,
                dollars=None if before.dollars is None else before.dollars + dollars,
                estimated=before.estimated or estimated,
            )


class Charge:
    """The account of one request, which may be sent several times.

    A reply that refuses or fails costs nothing. An answer costs what the provider says, or the
    estimate where it says nothing. A connection that broke off may have cost as much.
    """

    def __init__(self, meter: Meter, tokens: int, searches: int) -> None:
        self._meter = meter
        self._tokens = tokens
        self._searches = searches
        self._held: tuple[int, float] | None = None

    def __enter__(self) -> Charge:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._held:
            self._meter.settle(self._held, 0, 0, estimated=False)

    def sending(self) -> None:
        """Set aside what the request will take, unless that was done for an earlier attempt."""
        self._held = self._held or self._meter.reserve(self._tokens, self._searches)
        self._meter.sent()

    def taken(self, tokens: int | None = None, searches: int | None = None) -> None:
        """Count what was taken; None for what the provider does not say."""
        held, self._held = self._held, None
        if held:
            self._meter.settle(
                held,
                self._tokens if tokens is None else tokens,
                self._searches if searches is None else searches,
                estimated=tokens is None,
            )
