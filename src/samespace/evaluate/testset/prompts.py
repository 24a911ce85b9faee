"""What a language model is asked when it makes a test set, and how its answers are read.

The prompts are part of how a set was made: they are written down with it. A change to one of
them raises the version.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

PROMPTS_VERSION = 1

SYSTEM = "You make test questions for a search engine. You reply with one JSON object alone."

ASK = """\
Here is a passage of a document{title}.

<passage>
{passage}
</passage>

Write one question that a user who has never seen this passage could type into a search engine, \
and that this passage answers. Write in the language of the passage. The question must stand on \
its own: it names what it is about and never speaks of "the passage", "the text" or "the \
document". Use your own words rather than those of the passage, but for names and terms.

Reply {{"question": "..."}}, or {{"question": null}} if the passage says nothing worth asking \
(a list of links, a table of contents, a licence)."""

QUOTE = """\
<passage>
{passage}
</passage>

Question: {question}

Answer from this passage alone. Reply {{"quote": "..."}} with the shortest part of the passage, \
copied word for word, that answers the question, or {{"quote": null}} if the passage does not \
answer it."""

ELSEWHERE = """\
{passages}

Question: {question}

Does at least one of these passages, taken alone, answer the question? Use nothing but the \
passages. Reply {{"answered": true}} or {{"answered": false}}."""

AGAIN = "This was not what was asked for: {reason}. Reply again, with the JSON object alone."

PROMPTS = {"system": SYSTEM, "ask": ASK, "quote": QUOTE, "elsewhere": ELSEWHERE, "again": AGAIN}


class Malformed(Exception):
    """An answer that is not the JSON object asked for; the message says why."""


def parse(content: str, key: str, kind: type) -> Any:
    """Return the value of the only key of a JSON object; None where it is null and may be.

    Raises:
        Malformed: the answer is no JSON object, or another one.

    >>> parse('{"answered": true}', "answered", bool)
    True
    """
    fenced = re.fullmatch(r"\s*```(?:json)?\s*(.*?)\s*```\s*", content, re.DOTALL)
    try:
        record = json.loads(fenced[1] if fenced else content)
        json.dumps(record, ensure_ascii=False).encode()  # refuses lone surrogates
    except (ValueError, RecursionError) as error:
        raise Malformed(f"it is no JSON ({error})") from error
    if not isinstance(record, dict) or set(record) != {key}:
        raise Malformed(f"expected an object with the key {key!r} alone")
    value = record[key]
    if isinstance(value, kind) or (value is None and kind is not bool):
        return value
    raise Malformed(f"expected a {kind.__name__} as {key!r}")


def locate(quote: str, passage: str) -> tuple[int, int] | None:
    """Return where a quote stands in a passage, white space aside, or None.

    >>> locate("b  c", "a b c d")
    (2, 5)
    """
    words = quote.split()
    if not words:
        return None
    found = re.search(r"\s+".join(map(re.escape, words)), passage)
    return found.span() if found else None


def fill(prompt: str, **values: str) -> list[Mapping[str, str]]:
    """Return the messages of a prompt."""
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": prompt.format(**values)},
    ]
