"""One study from its experiment file to its report."""
