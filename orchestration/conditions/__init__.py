"""What traits and audiences share: conditions, windows, and how they become SQL."""
