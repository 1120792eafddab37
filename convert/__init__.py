"""The workshop: turns a trained model into a sealed one, and proves first that both answer alike."""
