"""Many pictures: which ones, by whom they are measured, and how the results reach the disk."""
