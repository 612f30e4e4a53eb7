"""The console for administrators, over sockets."""
