"""What an ensemble is made of: one family of models in each file, all with the same few methods (member.py)."""
