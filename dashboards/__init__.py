"""Looks on: figures and reports, drawn from the tables alone."""
