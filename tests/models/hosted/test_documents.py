"""docs/hosted.md says what the tests try, and its examples are right."""

from __future__ import annotations

import re
from pathlib import Path

from samespace.models.hosted import HostedEmbedder
from samespace.models.hosted.providers import PROVIDERS
from tests.models.hosted.tried import table

PAGE = (Path(__file__).parents[3] / "docs" / "hosted.md").read_text("utf-8")


def test_the_table_shows_what_was_tried() -> None:
    assert table() in PAGE, f"docs/hosted.md, What was tried: put in\n{table()}"


def test_every_provider_and_the_variables_of_its_key_are_named() -> None:
    for provider in PROVIDERS.values():
        assert provider.name in PAGE.lower()
        for variable in provider.key_envs:
            assert f"`{variable}`" in PAGE


def test_examples() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for block in blocks:
        compile(block, "docs/hosted.md", "exec")
    (servers,) = [block for block in blocks if "azure = " in block]
    made: dict[str, object] = {"HostedEmbedder": HostedEmbedder}
    exec(servers, made)
    azure, local = made["azure"], made["local"]
    assert isinstance(azure, HostedEmbedder)
    assert isinstance(local, HostedEmbedder)
    assert azure.space == HostedEmbedder("text-embedding-3-small").space
    assert local.space.prompt("query") == "search_query: "
