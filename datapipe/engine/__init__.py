"""Carries out tasks: stages on a shard, a range of keys, a file to write; in process or by dask."""
