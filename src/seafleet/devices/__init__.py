"""Devices: what operators decided about them, and which accounts reach the server from them."""
