"""What was spent: holds times rates, by whom and when."""
