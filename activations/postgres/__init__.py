"""What the Postgres connector is made of."""
