"""Taking idle conversations out of the database, and bringing them back."""
