"""A soak: hours of steady load in little, to see whether anything grows that should not."""
