"""Every sum of pixels: the prepared image, its background, volumes with their uncertainty, saturation."""
