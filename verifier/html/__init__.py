"""A verdict as one HTML page: it loads nothing, runs nothing, and escapes everything that was read."""
