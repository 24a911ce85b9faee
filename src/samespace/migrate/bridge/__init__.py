"""A bridge: queries of a new model in the space of an old one that can no longer be called."""

from samespace.migrate.bridge.baselines import Baselines, three_baselines
from samespace.migrate.bridge.bridge import Bridge
from samespace.migrate.bridge.embedder import BridgedEmbedder
from samespace.migrate.bridge.fit import REQUIRED_SHARE, fit_bridge

__all__ = [
    "REQUIRED_SHARE",
    "Baselines",
    "Bridge",
    "BridgedEmbedder",
    "fit_bridge",
    "three_baselines",
]
