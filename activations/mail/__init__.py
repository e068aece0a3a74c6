"""What the SMTP connector is made of."""
