"""Where pixels lie: the lattice, tiles and the axes of their features."""
