"""Filters: each measures something of a document and decides by thresholds."""
