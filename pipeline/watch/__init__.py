"""Watching over sources that are crawled again and again: what came, whether that is as usual, what to do about it."""
