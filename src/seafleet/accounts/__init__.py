"""Accounts, how they log in, and every kind of token that acts for them."""
