"""A trained method on held-out faces: what it makes of them, and the numbers that say how good that is."""
