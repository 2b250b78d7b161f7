"""Carries out tasks: stages on a shard, a range of keys, a file to write; in process or by dask."""

import os

# Tables that came from another process do not begin where Arrow likes it best, of which it would write to the terminal;
# x86 and ARM read them all the same.
os.environ.setdefault("ACERO_ALIGNMENT_HANDLING", "ignore")
