"""Algorithms that several stages share; each knows Arrow and its own subject, none knows a stage."""
