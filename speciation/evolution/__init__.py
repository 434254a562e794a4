"""How a generation becomes the next: fitness, selection, offspring, fame."""
