"""Bringing inputs into a store: read, prepared, embedded by its model, committed."""

from __future__ import annotations

from samespace.embedders import Embedders
from samespace.ingest import Known, Progress, Report, ingest
from samespace.ingest.inputs import Inputs, sort_out
from samespace.store.embedded import EmbeddedStore
from samespace.text.load import LoadOptions, in_scope, load
from samespace.text.recipe import Recipe


def write(
    store: EmbeddedStore,
    embedders: Embedders,
    inputs: Inputs,
    options: LoadOptions | None,
    wait: float,
    progress: Progress,
    *,
    remove: bool,
) -> Report:
    """Add inputs, and remove what is gone from them where that is asked for.

    See `Collection.add` and `Collection.sync`.
    """
    paths, documents = sort_out(inputs)
    report = Report()
    with store.write(wait) as writer:
        known, header = Known(store), writer.header
        if documents is None:
            items = load(paths, options or LoadOptions(), known.is_unchanged, report.passed_over)
        else:
            items = iter(documents)
        seen = ingest(
            known,
            writer,
            lambda texts: embedders.of(header).count(texts),
            lambda texts: embedders.embed_documents(header, texts),
            Recipe.from_dict(header.recipe),
            items,
            report,
            progress,
        )
        if remove:
            gone = [
                id
                for id, origin in writer.origins()
                if id not in seen.ids
                and not seen.keeps(origin)
                and (in_scope(origin, paths) if documents is None else not origin)
            ]
            report.removed = writer.delete(gone)
            writer.commit()
        used = embedders.known(header)
        if used is not None:
            report.estimated = not getattr(used, "exact_counts", True)
            report.usage = getattr(used, "usage", None)
    progress(report)
    return report
