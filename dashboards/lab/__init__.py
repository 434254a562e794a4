"""The Lab: one window on a store and a library; the only home of Dash."""
