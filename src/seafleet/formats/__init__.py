"""Stored and transmitted forms: bytes to values and back. Nothing here reads, writes or waits.

Decoders take bytes from anywhere and raise MalformedObject, never anything else. Encoders write exactly
what the desktop client and the C server write, because names are hashes of these bytes.
"""
