"""What tables of trials say: survival curves, and whether two engines are one experiment."""
