"""Text files of the field's forms, read and written line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path

from samespace.errors import InputError


def read_lines(path: str | PathLike[str]) -> Iterator[tuple[str, str]]:
    """Yield each line that is not blank, with "file:line" for messages.

    Lines end at a line feed only, so that ids may hold any other separator of Unicode.

    Raises:
        InputError: the file cannot be read, or is not UTF-8.
    """
    number = 0
    try:
        with Path(path).open(encoding="utf-8-sig", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                line = line.rstrip("\r\n")
                if line.strip():
                    yield f"{path}:{number}", line
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: expected UTF-8, but after line {number} comes another encoding; convert it"
        ) from error


def write_lines(path: str | PathLike[str], lines: Iterable[str]) -> None:
    """Write lines as UTF-8, each ended by a line feed.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        with Path(path).open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def split_columns(line: str) -> list[str]:
    """Return the columns of a line in TREC form: what blanks and tabs separate.

    Other spaces of Unicode may be part of an id, as trec_eval has it.
    """
    return re.split("[ \t]+", line.strip(" \t"))
