"""Training: many trials at once, each exactly as if it were alone."""
