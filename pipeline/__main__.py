"""`python -m pipeline`: the one door."""

from pipeline.cli import main

if __name__ == "__main__":
    main()
