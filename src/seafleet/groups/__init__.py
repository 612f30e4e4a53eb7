"""Groups of accounts, and departments, which are groups inside groups."""
