"""Naming bands: ladders, relative mobility, masses, and which band is which target."""
