"""Calls for administrators, one module per section of the manual."""
