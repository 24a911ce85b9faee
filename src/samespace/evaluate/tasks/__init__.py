"""The task families of the Massive Text Embedding Benchmark, as plain functions on `Vectors`.

Every function compares the spaces of what it is given and refuses two different ones. Texts of
symmetric tasks (similarity, pair classification, classification, clustering) are embedded in
the role "document", both sides alike; reranking embeds questions as "query" and candidates as
"document". So does the adapter in `samespace.integrations.mteb`.

Source of families and protocols: Muennighoff, Tazi, Magne and Reimers, "MTEB: Massive Text
Embedding Benchmark", EACL 2023.
"""

from samespace.evaluate.tasks.classification import Classification, classification
from samespace.evaluate.tasks.clustering import Clustering, clustering, v_measure
from samespace.evaluate.tasks.pairs import Pairs, average_precision, pair_classification
from samespace.evaluate.tasks.reranking import Reranking, reranking
from samespace.evaluate.tasks.similarity import Similarity, pearson, similarity, spearman

__all__ = [
    "Classification",
    "Clustering",
    "Pairs",
    "Reranking",
    "Similarity",
    "average_precision",
    "classification",
    "clustering",
    "pair_classification",
    "pearson",
    "reranking",
    "similarity",
    "spearman",
    "v_measure",
]
