"""Values of the house: pictures, strips, lanes, bands, and area weights on the pixel grid."""
