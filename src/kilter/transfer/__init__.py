"""What earlier studies teach a new one: whom it learns from, and what it keeps of them."""
