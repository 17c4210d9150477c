"""The fetcher: politeness, safety, what it remembers between crawls, and the writing of raw parts."""
