"""What all conversations add up to, by day, week, month and user."""
