"""The report: one self-contained page that a reviewer can read; nothing in it is recomputed."""
