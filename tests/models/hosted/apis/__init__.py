"""The interfaces of the providers, by the name that the tests give them."""

from __future__ import annotations

from tests.models.hosted.api import Api
from tests.models.hosted.apis.cohere import Cohere
from tests.models.hosted.apis.gemini import Gemini
from tests.models.hosted.apis.jina import Jina
from tests.models.hosted.apis.mistral import Mistral
from tests.models.hosted.apis.openai import Azure, Local, OpenAi
from tests.models.hosted.apis.voyage import Voyage

APIS: dict[str, Api] = {
    "openai": OpenAi(),
    "azure": Azure(),
    "local": Local(),
    "cohere": Cohere(),
    "voyage": Voyage(),
    "gemini": Gemini(),
    "mistral": Mistral(),
    "jina": Jina(),
}

RERANKERS = [name for name, api in APIS.items() if api.reranker]
