"""Procedural faces with known truth, and the small gallery site that shows them."""
