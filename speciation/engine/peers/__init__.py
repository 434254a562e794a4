"""The same job done by other means, to be timed beside the engine; see ``bench.py``."""
