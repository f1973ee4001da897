"""Who spends the budget: whether a running trial goes on. One method, one file."""
