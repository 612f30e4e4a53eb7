"""The relational side: engine, tables, migrations, unit of work."""
