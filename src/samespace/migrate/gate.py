"""The gate: what must hold of the new side before a migration may switch to it."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from samespace.errors import InputError

_FORM = re.compile(
    r"(?P<metric>[a-z][a-z0-9_]*(?:@[0-9]+)?)\s*(?P<relation>>=|<=|>|<)\s*"
    r"(?:(?P<old>old)\s*(?:(?P<sign>[-+*])\s*(?P<by>[0-9]*\.?[0-9]+))?|(?P<value>[0-9]*\.?[0-9]+))",
    re.IGNORECASE,
)
_RELATIONS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_BOUNDS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
OVERLAP = "overlap@10"
"""The share of the first ten documents that both sides find: measured without a test set too."""

_TIMES = ("p50_ms", "p99_ms")

_EXAMPLES = '"ndcg@10 >= old - 0.01", "recall@100 >= old * 0.98", "overlap@10 >= 0.6"'


def is_metric(name: str) -> bool:
    """Say whether a condition's name is a metric of `samespace.evaluate`."""
    return name not in (*_TIMES, OVERLAP)


@dataclass(frozen=True)
class Gate:
    """One condition on a metric of the new side, as `parse` reads it.

    Attributes:
        metric: such as "ndcg@10", "p50_ms", or "overlap@10", the share of the first ten
            documents that both sides find.
        relation: ">=", ">", "<=" or "<".
        old: whether the bound is the old side's value, changed by `sign` and `by`.
        sign: "+", "-" or "*".
        by: a number; the bound itself where `old` is false.
    """

    metric: str
    relation: str
    old: bool
    sign: str
    by: float

    @classmethod
    def parse(cls, text: str) -> tuple[Gate, ...]:
        """Return the conditions of a text; several are joined by "and", and all must hold.

        Raises:
            InputError: it is not such a text.

        >>> Gate.parse("ndcg@10 >= old - 0.01 and p50_ms <= 20")[1].by
        20.0
        """
        gates = []
        for part in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE):
            found = _FORM.fullmatch(part.strip())
            if found is None:
                raise InputError(
                    f"expected a condition such as {_EXAMPLES}, or several joined by 'and'; got "
                    f"{part!r}"
                )
            old = found["old"] is not None
            by = float(found["value"] if not old else found["by"] or 0)
            sign = found["sign"] or "+"
            if found["metric"].lower() not in _TIMES and sign != "*" and by > 1:
                raise InputError(f"{part!r}: {found['metric']} lies between 0 and 1, got {by:g}")
            gates.append(cls(found["metric"].lower(), found["relation"], old, sign, by))
        return tuple(gates)

    def require_measurable(self, judged: bool) -> None:
        """Raise InputError if it asks for what will not be measured.

        Args:
            judged: whether there are queries with judgements.
        """
        if not judged and self.metric != OVERLAP:
            raise InputError(
                f"{str(self)!r} needs a test set: give queries and judgements. Without one only "
                f"{OVERLAP} is measured"
            )
        if self.metric == OVERLAP and self.old:
            raise InputError(
                f"{str(self)!r}: the overlap is one number of both sides; compare it with a "
                f'number, as in "{OVERLAP} >= 0.6"'
            )

    def holds(self, new: Mapping[str, float], old: Mapping[str, float] | None) -> bool:
        """Say whether the condition holds of the metrics of both sides.

        Raises:
            InputError: the metric was not measured, or the old side could not be.
        """
        if self.metric not in new:
            raise InputError(
                f"{str(self)!r} asks for {self.metric!r}, which was not measured; there is "
                f"{', '.join(new)}"
            )
        return _RELATIONS[self.relation](new[self.metric], self._bound(old))

    def _bound(self, old: Mapping[str, float] | None) -> float:
        if not self.old:
            return self.by
        if old is None or self.metric not in old:
            raise InputError(
                f"{str(self)!r} compares with the old side, of which {self.metric!r} was not "
                'measured; give a number instead, as in "ndcg@10 >= 0.6"'
            )
        return _BOUNDS[self.sign](old[self.metric], self.by)

    def __str__(self) -> str:
        bound = f"old {self.sign} {self.by:g}" if self.old else f"{self.by:g}"
        return f"{self.metric} {self.relation} {bound}"
