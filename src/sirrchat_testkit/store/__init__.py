"""TinyDB, made flat and durable."""
