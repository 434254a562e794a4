"""Turns the wheel: from a configuration to filled slots, stored rows and a next generation."""
