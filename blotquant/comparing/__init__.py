"""Comparing: ratios by the declared design, replicates on one scale, conditions against the reference."""
