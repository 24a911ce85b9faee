"""What a caller may set about loading, and what is said at the end of each file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from samespace.errors import InputError
from samespace.text.load.formats import FORMATS, Format

LOADER_VERSION = 1
"""Raised when the same file starts to give other documents, so that no file counts as unchanged."""


@dataclass(frozen=True)
class LoadOptions:
    """How files become documents.

    Attributes:
        id_field: the field of a record (JSONL, JSON, CSV, TSV) that holds its id.
        title_field: the field of a record that holds its title.
        text_field: the field of a record that holds its text; a dotted name such as
            `body.text` reaches into nested objects.
        max_bytes: a file of one document, or one record of a file, larger than this is skipped.
        gitignore: whether files that a `.gitignore` names are left out when folders are walked.
        hidden: whether names that begin with a dot are taken when folders are walked (`.git`
            never is). What is named explicitly is always taken.
        follow_links: whether symbolic links are followed when folders are walked.
        format: the format of everything that is loaded ("jsonl", "csv", "markdown", ...)
            instead of the one that name and content tell.
    """

    id_field: str = "_id"
    title_field: str = "title"
    text_field: str = "text"
    max_bytes: int = 32 * 2**20
    gitignore: bool = True
    hidden: bool = False
    follow_links: bool = True
    format: str | None = None

    def __post_init__(self) -> None:
        if self.max_bytes < 1:
            raise InputError(f"max_bytes must be at least 1, got {self.max_bytes}")
        if not self.text_field:
            raise InputError("text_field must name a field, got an empty name")
        if self.format is not None and self.format not in FORMATS:
            raise InputError(
                f"format must be one of {', '.join(sorted(FORMATS))}; got {self.format!r}"
            )

    def digest(self, content: str, fmt: Format) -> str:
        """Combine the digest of a file's bytes with the options that change its documents.

        Fields and limit matter to records only, so that naming another text field does not
        make every PDF of a folder count as changed.
        """
        parts = [str(LOADER_VERSION), fmt.name, content]
        if fmt.records:
            parts += [self.id_field, self.title_field, self.text_field, str(self.max_bytes)]
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class FileEnd:
    """Said after each file, so that a caller can remember the files that were taken in whole.

    Attributes:
        origin: the absolute path of the file, or "-" for standard input; of a folder, where
            a whole folder could not be listed (then `failed` is true, and nothing is known
            about any file below it).
        digest: of the bytes and of the options that matter; "" where the file must be looked
            at again next time, because it failed or because its outcome also depends on other
            files (duplicates) or is worth repeating (no text in it).
        unchanged: the caller knew this digest, and the file was not parsed.
        failed: the file could not be read in whole, so documents that an earlier run took
            from it are not proven to be gone.
        documents: how many documents came from it in this run.
    """

    origin: str
    digest: str
    unchanged: bool
    failed: bool
    documents: int
