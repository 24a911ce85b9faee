"""The providers, by name."""

from samespace.models.hosted.providers.base import Asked, Picture, Provider, Ranked
from samespace.models.hosted.providers.cohere import COHERE
from samespace.models.hosted.providers.gemini import GEMINI
from samespace.models.hosted.providers.jina import JINA
from samespace.models.hosted.providers.mistral import MISTRAL
from samespace.models.hosted.providers.openai import AZURE, OPENAI
from samespace.models.hosted.providers.voyage import VOYAGE

PROVIDERS: dict[str, Provider] = {
    provider.name: provider for provider in (OPENAI, AZURE, COHERE, VOYAGE, GEMINI, MISTRAL, JINA)
}

__all__ = ["OPENAI", "PROVIDERS", "Asked", "Picture", "Provider", "Ranked"]
