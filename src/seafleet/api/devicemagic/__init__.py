"""Device Magic's API of an organization's devices and groups, in JSON and XML, old shape and new.

Source: Device Magic devices.
"""
