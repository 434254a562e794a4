"""What evolves: genes, genomes, and the operators that make new ones."""
