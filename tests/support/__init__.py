"""What several test modules share: servers, builders, fakes."""
