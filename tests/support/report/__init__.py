"""Reports of made-up and of mined tables, and what they are made of."""
