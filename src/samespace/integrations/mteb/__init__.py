"""samespace inside the `mteb` package: an embedder, or a whole collection, on its tasks.

    import mteb
    from samespace.integrations.mteb import SamespaceEncoder, SamespaceSearch
    from samespace.models import load

    model = load("all-MiniLM-L6-v2")
    mteb.evaluate(SamespaceEncoder(model, on_long="truncate"), mteb.get_task("STSBenchmark"))
    mteb.evaluate(SamespaceSearch("runs", model, mode="hybrid"), mteb.get_task("SciFact"))

The first measures the model alone, on any task of texts; the second what `Collection` makes of
it, on retrieval and reranking: cut into chunks, searched by both ways, reranked. Both follow the
protocols of mteb 2.26, and mteb itself is imported only when one of them is made.

mteb keeps results by a model's name and revision. Both are given here so that no two spaces, and
no two recipes or modes, can ever share one.
"""

from samespace.integrations.mteb.encoder import SamespaceEncoder
from samespace.integrations.mteb.search import SamespaceSearch
from samespace.integrations.mteb.shared import Ledger

__all__ = ["Ledger", "SamespaceEncoder", "SamespaceSearch"]
