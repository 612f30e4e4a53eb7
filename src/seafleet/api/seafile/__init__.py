"""The Seafile Web API (`/api2/` and `/api/v2.1/`): one module per section of its manual."""
