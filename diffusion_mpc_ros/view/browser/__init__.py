"""The view in a web browser, by viser."""
