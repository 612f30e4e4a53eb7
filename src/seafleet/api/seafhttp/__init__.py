"""The file server: uploads, updates, downloads, zip archives and blocks, below `/seafhttp`."""
