"""What was found: schemas, the grow-only store, and the readers of it."""
