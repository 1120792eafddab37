"""What was said of the four models, each saying held against a figure."""
