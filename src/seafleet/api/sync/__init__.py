"""The sync protocol: what desktop clients and mounted drives speak below `/seafhttp/repo/`."""
