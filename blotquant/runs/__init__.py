"""Many pictures and whole studies: inputs, workers, the results folder, resume and verify."""
