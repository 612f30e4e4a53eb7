"""The registry's own API for administrators, the pages and tests. Source: device registry §9."""
