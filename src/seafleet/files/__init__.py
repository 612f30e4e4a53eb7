"""What accounts attach to files: stars."""
