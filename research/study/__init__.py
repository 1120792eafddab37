"""One short file says what to study; everything else is the same for every table."""
