"""What happened: the audit log and the activity feed."""
