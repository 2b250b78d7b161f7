"""Stages on conversations: what is wrong with them, and what is made of them."""
