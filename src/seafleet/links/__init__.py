"""Links: a file or folder for whoever knows the address."""
