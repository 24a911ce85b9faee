"""Text files of the field's forms, read and written line by line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

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


def read_records(path: str | PathLike[str], expected: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the JSON object of each line that is not blank, with "file:line" for messages.

    Args:
        path: the file.
        expected: what a line should be, for messages: "expected a JSON object such as ...".

    Raises:
        InputError: as `read_lines`, or a line that is no JSON object.
    """
    for where, line in read_lines(path):
        try:
            record = json.loads(line)
            if "\\u" in line:  # JSON can spell lone surrogates, which are no characters
                json.dumps(record, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: {expected}, but this is no JSON ({error})") from error
        if not isinstance(record, dict):
            raise InputError(f"{where}: {expected}, got {line[:80]!r}")
        yield where, record


def write_lines(path: str | PathLike[str], lines: Iterable[str]) -> None:
    """Write lines as UTF-8, each ended by a line feed.

    Raises:
        InputError: the file cannot be written, or a line is no text (a lone surrogate).
    """
    try:
        with Path(path).open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    except UnicodeEncodeError as error:
        raise InputError(f"cannot write {path}: {error}") from error


def split_columns(line: str) -> list[str]:
    """Return the columns of a line in TREC form: what blanks and tabs separate.

    Other spaces of Unicode may be part of an id, as trec_eval has it.
    """
    return re.split("[ \t]+", line.strip(" \t"))
