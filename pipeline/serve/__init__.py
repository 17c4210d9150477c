"""Translating pictures that are in no dataset: the core of the preview application and of `translate`."""
