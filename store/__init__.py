"""Domain objects at rest: rows (SQLAlchemy) and log entries (JetStream)."""
