"""What the server says over HTTP: one package per surface, and the kernel that they all stand on."""
