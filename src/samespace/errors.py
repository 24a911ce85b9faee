"""Every error that samespace raises, in one tree.

::

    SamespaceError
    ├── InputError (ValueError)        an argument or an option that cannot be used
    │   └── FilterError                a `where` that does not parse
    ├── TooLong (ValueError)           a text that does not fit the model's window
    ├── MissingExtra (ImportError)     an optional package is not installed
    ├── ModelError                     a model folder or file that cannot be used
    │   ├── ModelNotFound              the name is known nowhere
    │   └── WeightsMismatch            the file is not the one that is pinned
    ├── BudgetExceeded                 a request would cost more than was allowed
    ├── SpaceError                     anything that would break "one space"
    │   ├── SpaceMismatch              two different spaces met
    │   ├── ModelDrift                 the same name, other vectors
    │   └── InvalidVectors             NaN, infinite, zero, wrong shape or wrong norm
    └── StoreError                     the collection on disk
        ├── CollectionNotFound
        ├── CollectionExists
        ├── CollectionLocked           another process is writing
        ├── CollectionDamaged          a file of it is missing, short or corrupt
        ├── FormatTooNew               written by a newer samespace
        ├── DocumentNotFound
        └── WriteFailed                the disk refused (full, read-only)

Each message says what was expected, what was seen, and the call or command that mends it.
"""

from __future__ import annotations

from collections.abc import Mapping


class SamespaceError(Exception):
    """Base of every error that samespace raises on purpose."""


class InputError(SamespaceError, ValueError):
    """An argument or an option that cannot be used."""


class FilterError(InputError):
    """A `where` filter that does not parse or names an impossible comparison."""


class TooLong(SamespaceError, ValueError):
    """A text that does not fit the model's window and was not allowed to be split or cut."""


class MissingExtra(SamespaceError, ImportError):
    """An optional package is not installed; the message holds the exact install line."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f'Install it with: pip install "samespace[{extra}]"'
        )
        self.package = package
        self.extra = extra


class ModelError(SamespaceError):
    """A model folder or file that cannot be used."""


class ModelNotFound(ModelError):
    """The name of the model is known nowhere that was looked."""


class WeightsMismatch(ModelError):
    """The weights found are not the ones that are pinned."""


class BudgetExceeded(SamespaceError):
    """The next request to a provider would pass the budget; it was not sent."""


class SpaceError(SamespaceError):
    """Anything that would break the promise of one space."""


class SpaceMismatch(SpaceError):
    """Two different spaces met.

    `fields` maps each differing field to (expected, seen).
    """

    def __init__(self, message: str, fields: Mapping[str, tuple[object, object]]) -> None:
        super().__init__(message)
        self.fields = dict(fields)


class ModelDrift(SpaceError):
    """A model answers its canaries with other vectors than it did."""


class InvalidVectors(SpaceError):
    """Vectors that are not finite, are zero, have the wrong shape or the wrong norm."""


class StoreError(SamespaceError):
    """Anything about the collection on disk."""


class CollectionNotFound(StoreError):
    """There is no collection at the path."""


class CollectionExists(StoreError):
    """There is something at the path already."""


class CollectionLocked(StoreError):
    """Another process is writing to the collection."""


class CollectionDamaged(StoreError):
    """A file of the collection is missing, short or corrupt."""


class FormatTooNew(StoreError):
    """The collection was written by a newer samespace."""


class DocumentNotFound(StoreError):
    """No document has the id."""


class WriteFailed(StoreError):
    """The disk refused a write; what was committed before is intact."""
