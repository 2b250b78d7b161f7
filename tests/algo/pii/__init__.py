"""Tests of what finds personal data; `oracle` is presidio itself."""
