"""Checks that keep the code in shape; ``make check`` runs them."""
