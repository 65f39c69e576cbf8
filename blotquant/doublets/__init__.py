"""Doublets: two bands of one protein read jointly over their row, or reported as unresolved."""
