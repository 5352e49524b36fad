"""One file a technology behind a port; siblings never import each other."""
