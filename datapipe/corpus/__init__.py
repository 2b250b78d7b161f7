"""What lies in a run folder: base shards, layers, records, exchange files, and the sums that prove them."""
