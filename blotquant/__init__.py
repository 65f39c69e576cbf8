"""blotquant: Western blot densitometry that can be defended in review."""

__version__ = "0.1.0"
