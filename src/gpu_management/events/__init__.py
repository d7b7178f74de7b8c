"""The outbox: every noun writes here in its own transaction; the stream reads it."""
