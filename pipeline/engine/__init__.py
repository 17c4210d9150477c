"""Mapping work over chunks: in processes on this machine, or on a Dask cluster.

Where it runs changes no result. A chunk that kills its worker is halved, down to the one item that does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pipeline.engine.processes import map_in_processes
from pipeline.engine.work import Chunk, Items, Result, Work
from pipeline.params import DaskEngine, Engine


def map_chunks(
    work: Work[Chunk, Items, Result],
    chunks: Sequence[Chunk],
    settings: Engine,
    weight_names: Iterable[str] = (),
) -> Iterator[tuple[Chunk, Result | None]]:
    """Yield each chunk with its result, as they finish; None for the one item that kills its worker.

    A chunk may come back in several pieces. `weight_names` are the weight files that the work reads: machines of
    a cluster must have the same. Raises `UserError` where there is no cluster, or one that cannot do the work.
    """
    if not chunks:
        return
    if isinstance(settings, DaskEngine):
        from pipeline.engine.cluster import map_on_cluster

        yield from map_on_cluster(work, chunks, settings, weight_names)
    else:
        yield from map_in_processes(work, chunks, settings.worker_count)
