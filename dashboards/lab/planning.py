"""What a validation would cost, and what the store shows of it already.

Asks and never does: nothing is trained here, no torch or Ray is loaded. What is begun is begun
by ``launcher.py``.
"""
