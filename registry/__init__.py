"""The pantry: sealed models with labels. Knows nothing of training, conversion or serving."""
