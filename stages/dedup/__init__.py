"""Duplicates: each stage finds documents that say the same, and keeps one."""
