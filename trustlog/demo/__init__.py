"""One whole change on a throw-away log: every record real, every key thrown away."""
