"""What a trial is: its task, its identity, and how its curves are read."""
