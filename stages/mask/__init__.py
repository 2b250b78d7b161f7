"""Stages that take out of documents what does not belong to readers: personal data."""
