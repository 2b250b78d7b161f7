"""Runs datatrove's four MinHash steps over a folder of JSON lines, in an environment of its own.

    <peer>/bin/python tests/peers/datatrove_minhash_side.py IN OUT PROCESSES

IN holds as many files as there are processes. OUT gets `kept`, the documents that stay, and what the steps write.
"""

from __future__ import annotations

import sys


def xxhash64(data: str) -> int:
    """Its default hash: xxhash 4 takes no strings any more, which it does not know yet."""
    import xxhash  # noqa: PLC0415 - a process that gets this function has not run this file

    return xxhash.xxh64_intdigest(data.encode())


def main() -> None:
    """As its example of MinHash does: 14 bands of 8, words in fives, English."""
    from datatrove.executor.local import LocalPipelineExecutor  # noqa: PLC0415 - of another environment
    from datatrove.pipeline.dedup import (  # noqa: PLC0415
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig  # noqa: PLC0415
    from datatrove.pipeline.readers import JsonlReader  # noqa: PLC0415
    from datatrove.pipeline.writers import JsonlWriter  # noqa: PLC0415
    from datatrove.utils.hashes import xxhash as hashes  # noqa: PLC0415

    hashes.xxhash64 = xxhash64
    source, target = sys.argv[1:3]
    processes = int(sys.argv[3])
    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    signatures, buckets, remove = (f"{target}/{name}" for name in ("signatures", "buckets", "remove"))
    steps = {
        "signatures": (processes, [JsonlReader(source), MinhashDedupSignature(signatures, config)]),
        "buckets": (config.num_buckets, [MinhashDedupBuckets(signatures, buckets, config=config)]),
        "cluster": (1, [MinhashDedupCluster(buckets, remove, config=config)]),
        "filter": (
            processes,
            [JsonlReader(source), MinhashDedupFilter(remove), JsonlWriter(f"{target}/kept", compression=None)],
        ),
    }
    for name, (tasks, pipeline) in steps.items():
        workers = min(tasks, processes)
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=workers, logging_dir=f"{target}/logs/{name}").run()


if __name__ == "__main__":
    main()
