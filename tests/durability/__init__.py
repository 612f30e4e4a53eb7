"""Power cuts on a simulated disk: what was acknowledged must be there afterwards."""
