"""Snapshot labels: words that mark commits of libraries."""
