"""One figure a module: its numbers first, then the drawing."""
