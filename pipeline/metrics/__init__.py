"""Metrics: one module each, pure functions of features, points or image pairs."""
