"""From the faces' tables to what experiments learn from: the catalogue, duplicates, splits."""
