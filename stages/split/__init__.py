"""Splitting: long documents as several shorter ones."""
