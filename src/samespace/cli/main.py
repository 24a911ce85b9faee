"""`samespace`: the group of commands, and how errors leave it."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import NoReturn

import click

import samespace
from samespace.cli.bridge import bridge
from samespace.cli.cache import cache
from samespace.cli.compare import compare
from samespace.cli.demo import demo
from samespace.cli.evaluate import eval_command
from samespace.cli.manage import compact, delete, info
from samespace.cli.migrate import history, migrate
from samespace.cli.models import models
from samespace.cli.search import search
from samespace.cli.testset import testset
from samespace.cli.verify import verify
from samespace.cli.write import index, sync
from samespace.errors import SamespaceError

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(samespace.__version__, prog_name="samespace")
def cli() -> None:
    """Index documents and search them; every vector that is compared lives in one space."""


for command in (
    index, sync, search, eval_command, testset, compare, migrate, history, bridge,
    verify, models, info, delete, compact, cache, demo,
):  # fmt: skip
    cli.add_command(command)


def _leave(code: int) -> NoReturn:
    """End the process at once: a thread may still wait in standard input, which Python's own
    way out would wait for, or abort over."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 an error that the user can mend, 2 wrong usage, 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Not every terminal has every character; one that it lacks must not end the run.
            stream.reconfigure(errors="replace")
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        _leave(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SamespaceError as error:
        click.echo(f"error: {error}", err=True)
        _leave(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        # What samespace reads and writes has errors of its own; this is the terminal or the pipe.
        click.echo(f"error: {error.strerror or error}: {error.filename or 'output'}", err=True)
        _leave(1)


if __name__ == "__main__":
    main()
