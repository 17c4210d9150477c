"""What a data engineer tries a new source out with: entries and recipes for params.yaml, checks, contact sheets."""
