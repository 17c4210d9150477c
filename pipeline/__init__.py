"""Likeness: images flow in immutable parts from sources, through faces, into experiments."""
