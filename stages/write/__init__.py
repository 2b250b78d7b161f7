"""Sinks: the kept documents as files for others to read."""
