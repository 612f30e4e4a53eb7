"""OPSWAT MetaAccess' device API over the device registry.

Source: MetaAccess devices.
"""
