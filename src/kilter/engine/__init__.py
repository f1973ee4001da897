"""What happens next: a deterministic fold of events, with actions out. No clock, no threads, no files."""
