"""What the server is compared with: other ways to serve the same model, each in processes of its own."""
