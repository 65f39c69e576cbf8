"""Arrays in, arrays out: profiles, peaks, robust statistics and polarity, on scikit-image and scipy."""
