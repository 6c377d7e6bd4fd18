"""A small log of made-up calls, so that a fresh site has something to show."""
