"""The Swagger 2.0 documents from which the clients build their calls."""
