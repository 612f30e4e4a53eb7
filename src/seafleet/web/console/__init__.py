"""The console for administrators: devices, what they may do right now, and what can be done about them."""
