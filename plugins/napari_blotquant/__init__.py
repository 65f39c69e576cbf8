"""The napari plugin of blotquant: a skin over the core that measures nothing itself."""
