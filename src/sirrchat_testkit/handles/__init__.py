"""What a test touches, without pytest."""
