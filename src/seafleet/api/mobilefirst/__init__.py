"""IBM MobileFirst's administration of devices, version 2.0 of its management APIs, in JSON and XML.

Source: MobileFirst devices.
"""
