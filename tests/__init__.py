"""The test suite; it mirrors the package, folder by folder."""
