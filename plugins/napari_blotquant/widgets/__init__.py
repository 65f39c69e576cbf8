"""The dock's widgets: each takes the workbench (and layers or commands where it needs them) and listens."""
