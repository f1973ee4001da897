"""What a study tells: pure functions of its trials."""
