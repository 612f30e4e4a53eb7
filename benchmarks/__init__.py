"""Benchmarks: each prints a table, and ratios against a second server when one is given."""
