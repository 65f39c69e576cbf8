"""Weighing bands: the scene of one strip, its background, volumes with their uncertainty, saturation."""
