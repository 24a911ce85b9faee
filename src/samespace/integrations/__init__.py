"""What frameworks expect, offered by samespace."""
